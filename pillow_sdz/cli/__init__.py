"""``sdz-convert``: pictures to SDZ files and back, file by file, through Pillow's public functions only.

One module per concern: `command` (the options), `jobs` (what is to be written where), `convert` (one conversion),
`carry` (metadata), `outputs` (whole files or none), `inspection` (--info and --test), `batch` (all jobs, in order or in
threads) and `report` (lines, JSON, progress). None of them imports torch; the plugin does when pixels are asked for.
"""

from pillow_sdz.cli.entry import main

__all__ = ["main"]
