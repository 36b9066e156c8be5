"""The exit codes of ``sdz-convert``."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a run ended. Where several apply, the first of 130, 4, 1, 3, 0 counts."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOTHING = 3
    UNAVAILABLE = 4
    INTERRUPTED = 130


MEANING = {
    ExitCode.DONE: "all done",
    ExitCode.FAILED: "at least one file failed; the others are done",
    ExitCode.USAGE: "wrong usage; nothing was done",
    ExitCode.NOTHING: "nothing to do: no files found, or all skipped",
    ExitCode.UNAVAILABLE: "a model, torch or another dependency is missing or damaged",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C or SIGTERM); no half-written file is left",
}
