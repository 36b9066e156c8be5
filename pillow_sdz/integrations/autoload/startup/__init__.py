"""Modules that run at Python's start, in a folder of their own.

- `_pillow_sdz_autoload`: the hook. ``sdz-convert autoload enable`` copies it into site-packages.
- `sitecustomize`: installs the hook where this folder is in PYTHONPATH, as in child processes of
  ``python -m pillow_sdz``.

Neither imports pillow_sdz before PIL.Image is imported, and both run with the standard library alone.
"""
