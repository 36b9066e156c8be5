"""``sdz-convert``: pictures to SDZ files and back, file by file.

One module per concern: `entry` (the program and its subcommands), `command` (the options, checked into `settings`),
`sources` and `jobs` (what is to be read, and written where), `convert` (one conversion), `metadata_transfer` (metadata
on its way to another format), `outputs` (whole files or none), `inspection` (--info and --test), `batch` (all jobs, in
order or in threads) and `console` (lines, JSON, progress). A subcommand is a module with a click command and a line in
`entry`. None of them imports torch; the plugin does when pixels are asked for.
"""

from pillow_sdz.cli.entry import main

__all__ = ["main"]
