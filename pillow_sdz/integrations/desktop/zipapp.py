"""``sdz-thumbnailer`` as one executable file (a zipapp, PEP 441) for the system's own Python.

It holds what previews need of this package: no Pillow plugin, no encoder, no weights. Of other packages it carries
construct; numpy must be there. The same sources give the same bytes.
"""

from __future__ import annotations

import io
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pillow_sdz.errors import SdzDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS: Final = (
    "errors.py",
    "limits.py",
    "coding/**/*.py",
    "container/**/*.py",
    "container/dictionary.txt",
    "payloads/**/*.py",
    "models/data/*/model.json",
    "models/data/*/*.i32",
    "integrations/__init__.py",
    *(f"models/{name}.py" for name in (
        "__init__", "archived", "code_mapping", "fork_lock", "graph_files", "listed_files", "manifest",
        "manifest_fields", "model_data", "preview_file", "registry", "shipped",
    )),
    *(f"codec/{name}.py" for name in ("__init__", "box_mean", "file", "patching", "picture", "preview")),
    *(f"plugin/{name}.py" for name in ("__init__", "atomic_file", "colour/__init__", "colour/build", "colour/spaces")),
    *(f"integrations/desktop/{name}.py" for name in (
        "__init__", "png", "resample", "system_codecs", "thumbnail", "thumbnailer", "uris",
    )),
)  # fmt: skip
"""Files of this package, as patterns."""

CARRIED: Final = "construct"
"""The package that comes along: pure Python, and not part of Debian 12."""

_PACKAGE: Final = Path(__file__).parents[2]

_ROOT: Final = '''"""The part of pillow_sdz that thumbnails need; the Pillow plugin is not in this archive."""
'''
"""``pillow_sdz/__init__.py`` of the archive: that of the package registers the format with Pillow."""

_MAIN: Final = '''"""Runs sdz-thumbnailer."""
import sys

if sys.version_info < (3, 11):
    sys.exit("sdz-thumbnailer: needs Python 3.11 or newer")
try:
    import numpy
except ImportError as error:
    sys.exit(f"sdz-thumbnailer: {sys.executable} needs numpy (on Debian: apt install python3-numpy): {error}")

from pillow_sdz.integrations.desktop.thumbnailer import main

main(with_models=False)
'''

_DATE: Final = (2026, 1, 1, 0, 0, 0)


def build_zipapp(interpreter: str) -> bytes:
    """The program.

    Args:
        interpreter: the rest of the first line, after ``#!``.

    Raises:
        SdzDependencyError: construct is not installed, or not in a way that lists its files.
    """
    out = io.BytesIO(f"#!{interpreter}\n".encode())
    out.seek(0, io.SEEK_END)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(_files()):
            archive.writestr(zipfile.ZipInfo(name, _DATE), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _files() -> Iterator[tuple[str, bytes]]:
    yield "__main__.py", _MAIN.encode()
    yield "pillow_sdz/__init__.py", _ROOT.encode()
    for pattern in PARTS:
        found = sorted(_PACKAGE.glob(pattern))
        assert found, pattern
        for path in found:
            yield f"pillow_sdz/{path.relative_to(_PACKAGE).as_posix()}", path.read_bytes()
    yield from _carried()


def _carried() -> Iterator[tuple[str, bytes]]:
    """The modules and the licence of the package that comes along."""
    try:
        files = distribution(CARRIED).files or []
    except PackageNotFoundError:
        files = []
    modules = [each for each in files if each.parts[0] == CARRIED and each.suffix == ".py"]
    licences = [each for each in files if each.name.startswith("LICEN") and ".dist-info" in each.parts[0]]
    if not modules or not licences:
        problem = f"the program for the system's Python needs {CARRIED}, whose files are not found"
        raise SdzDependencyError(problem, remedy=f"pip install --force-reinstall {CARRIED}==2.10.70")
    for each in (*modules, *licences):
        yield each.as_posix(), Path(str(each.locate())).read_bytes()
