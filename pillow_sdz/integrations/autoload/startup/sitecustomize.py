"""Installs the hook in child processes of ``python -m pillow_sdz``, which has this module's folder in PYTHONPATH.

Afterwards the environment's own ``sitecustomize``, which this one hides, is imported.
"""

import os
import sys


def start() -> None:
    """Install the hook, take this folder from `sys.path`, and import the hidden module, if there is one."""
    from _pillow_sdz_autoload import install  # type: ignore[import-not-found]

    install()
    folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib is slow to import
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != folder]  # noqa: PTH100
    this = sys.modules.pop("sitecustomize")
    try:
        __import__("sitecustomize")
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        sys.modules.setdefault("sitecustomize", this)


if __name__ == "sitecustomize":
    start()
