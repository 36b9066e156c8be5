"""Existing programs, unchanged: a hook at Python's start that registers the plugin when PIL.Image is first imported.

- `places`: the folders whose start-up files a Python reads, and whether they may be written.
- `files`: which files the hook consists of, and which of them are there.
- `switch`: enable and disable the hook.
- `children`: the same for the child processes of one program, by environment variables.
- `startup/`: the modules that run at Python's start.
"""
