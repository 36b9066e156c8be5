"""The start-up hook for the child processes of one program, by an environment variable instead of files."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pillow_sdz.integrations.autoload import startup

if TYPE_CHECKING:
    from collections.abc import MutableMapping

FOLDER: Final = str(Path(startup.__file__).parent)
"""The folder with the module ``sitecustomize`` that installs the hook."""


def hook_children(environment: MutableMapping[str, str] = os.environ) -> str | None:
    """Let Python processes that are started from now on register the plugin when they import PIL.Image.

    These are workers of multiprocessing, spawned or of a fork server, and programs run by `subprocess` or a shell.
    Those of other Python environments, which do not have pillow_sdz, are not changed.

    Args:
        environment: the environment variables that they get; `FOLDER` is put first in its ``PYTHONPATH``.

    Returns:
        None, or why child processes will not have the plugin.
    """
    if sys.flags.ignore_environment:
        return "Python's options -I and -E make them ignore PYTHONPATH, which would install it"
    if os.pathsep in FOLDER:
        return f"{FOLDER} cannot be written in PYTHONPATH, which would install it"
    others = environment.get("PYTHONPATH", "")
    if FOLDER not in others.split(os.pathsep):
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [FOLDER, others]))
    return None
