"""``python -m pillow_sdz SCRIPT``: one program with the format registered, also in its worker processes.

Importing the package has registered the format when this module runs. It needs the standard library alone.
"""

from __future__ import annotations

import builtins
import os
import pkgutil
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from pillow_sdz.cli.exit_codes import ExitCode
from pillow_sdz.cli.printable import printable
from pillow_sdz.integrations.autoload.children import hook_children

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType

USAGE = """\
usage: python -m pillow_sdz SCRIPT [ARGUMENT ...]
       python -m pillow_sdz -m MODULE [ARGUMENT ...]"""

HELP = f"""{USAGE}

Run a program that uses Pillow so that it opens and saves .sdz. SCRIPT is a
Python file, or a folder or ZIP archive with a __main__.py. MODULE is found
as by `python -m`. Processes that the program starts have the format, too,
unless Python ignores its environment variables (options -I and -E).

For all programs of a Python environment: sdz-convert autoload enable"""


def main(args: Sequence[str] | None = None) -> None:
    """Run the script or module that the arguments name, as ``__main__``.

    Args:
        args: the arguments after ``python -m pillow_sdz``; None takes those of this process.

    Raises:
        SystemExit: the program ended so; or, with code 2, the arguments name none that can be read.
    """
    words = list(sys.argv[1:] if args is None else args)
    if words and words[0] in ("-h", "--help"):
        print(HELP)
        return
    if words and words[0] == "-m":
        _run_module(words[1:])
    elif not words or words[0].startswith("-"):
        _refuse(USAGE)
    else:
        _run_script(words)


def _run_module(words: list[str]) -> None:
    if not words or words[0].startswith("-"):
        _refuse(USAGE)
    found = _found(words[0])
    if isinstance(found, str):
        _refuse(f"python -m pillow_sdz: {printable(found)}")
    spec, code = found
    _prepare([spec.origin or words[0], *words[1:]])
    module = module_from_spec(spec)  # spawned workers find the module again by its __spec__
    module.__name__ = "__main__"
    _run_main(module, code)


def _found(name: str) -> tuple[ModuleSpec, CodeType] | str:
    """The module of that name, or ``__main__`` of a package, and its code; or why there is none that can be run."""
    if name.startswith("."):
        return f"No module named {name!r}"
    try:
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = find_spec(f"{name}.__main__")
            if spec is None:
                return f"{name} is a package without __main__, and cannot be run"
    except ModuleNotFoundError as error:  # a parent is missing, or is no package
        return str(error)
    except ValueError:
        return f"No module named {name!r}"
    if spec is None:
        return f"No module named {name!r}"
    loader: Any = spec.loader
    code = loader.get_code(spec.name) if hasattr(loader, "get_code") else None
    return f"{name} has no Python code that could be run" if code is None else (spec, code)


def _run_script(words: list[str]) -> None:
    script = words[0]
    path = os.path.join(os.getcwd(), script)  # noqa: PTH109, PTH118 - as Python makes __main__.__file__, ".." and all
    try:
        importer = pkgutil.get_importer(path)  # there is one for folders and ZIP archives
        source = b"" if importer is not None else Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        _refuse(f"python -m pillow_sdz: cannot open {printable(script)}: {reason or error}")
    if importer is None:
        _prepare(words, [os.path.dirname(os.path.realpath(path))])  # noqa: PTH120
        loader: Any = SourceFileLoader("__main__", path)
        module = ModuleType("__main__")
        vars(module).update({"__file__": path, "__cached__": None, "__loader__": loader})
        _run_main(module, loader.source_to_code(source, path))
    else:
        spec = importer.find_spec("__main__", None)
        loader = spec.loader if spec is not None else None
        if spec is None or loader is None:
            _refuse(f"python -m pillow_sdz: {printable(script)} has no __main__.py")
        _prepare(words, [])
        sys.path.insert(0, path)
        _run_main(module_from_spec(spec), loader.get_code("__main__"))


def _run_main(module: ModuleType, code: CodeType) -> None:
    """Execute the program's main module; it stays ``__main__``, so that threads and exit handlers may outlive it."""
    vars(module)["__builtins__"] = builtins
    sys.modules["__main__"] = module
    exec(code, vars(module))  # noqa: S102 - that is what this program is for


def _prepare(words: list[str], first: list[str] | None = None) -> None:
    """Set arguments and environment; ``first`` replaces the current folder, which `python -m` puts into `sys.path`."""
    sys.argv[:] = words
    if first is not None and not sys.flags.safe_path:
        sys.path[:1] = first
    problem = hook_children()
    if problem is not None:
        print(f"python -m pillow_sdz: note: processes that it starts do not have .sdz: {problem}", file=sys.stderr)


def _refuse(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(int(ExitCode.USAGE))
