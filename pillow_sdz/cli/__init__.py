"""``sdz-convert``: pictures to SDZ files and back, file by file.

- `entry`: the program, its subcommands and exit codes (`exit_codes`).
- `command`: the options of the conversion, checked and turned into `settings`.
- `sources`, `jobs`: which files are read, and what is written where; `file_types` tells formats apart.
- `batch`: all jobs of a run, in order or in threads; `convert`: one conversion; `inspection`: --info and --test.
- `metadata_transfer`: metadata for files of other formats.
- `outputs`: writing files whole or not at all.
- `console`: messages, JSON, progress; `printable`: names that are safe to print; `version`: --version.
- `autoload`, `compare`, `desktop`, `models`, `view` (with `viewer/`): subcommands. To add one, write a module with a
  click command, and an entry in `entry.COMMANDS`.

None of them imports torch; the plugin does when pixels are asked for.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

from pillow_sdz.cli.exit_codes import ExitCode
from pillow_sdz.errors import SdzDependencyError, needs_packages

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> NoReturn:
    """See `pillow_sdz.cli.entry.main`; where click is missing, say so."""
    try:
        with needs_packages("sdz-convert"):
            from pillow_sdz.cli import entry
    except SdzDependencyError as error:
        print(error, file=sys.stderr)
        sys.exit(ExitCode.UNAVAILABLE)
    entry.main(args)
