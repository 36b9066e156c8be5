"""The program for the system's Python: it has all that it needs, and runs with numpy alone."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from thumbnails import GOLDEN, golden, lacking_in_system_python, name_of

from pillow_sdz.errors import SdzDependencyError
from pillow_sdz.integrations.desktop import zipapp
from pillow_sdz.integrations.desktop.zipapp import build_zipapp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONLY_NUMPY = """
import importlib.abc, runpy, sys

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in {allowed!r} | {{"__main__"}} and top not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.path.insert(0, sys.argv[1])
sys.meta_path.insert(0, Block())
"""
"""First lines of a program that sees the archive, the standard library and numpy."""

EVERY_FILE = """
import contextlib, io, json, pathlib
from pillow_sdz.integrations.desktop import thumbnailer
import construct, pillow_sdz
assert sys.argv[1] in pillow_sdz.__file__ and sys.argv[1] in construct.__file__ and "PIL" not in sys.modules
results = {}
for number, path in enumerate(sys.argv[3:]):
    with contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            thumbnailer.main(["-s", "40", path, f"{sys.argv[2]}/{number}.png"], with_models=False)
        except SystemExit as end:
            results[path] = end.code, err.getvalue()
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zipapp") / "sdz-thumbnailer"
    path.write_bytes(build_zipapp("/usr/bin/python3 -I"))
    path.chmod(0o755)
    return path


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program without HOME, and with no other variable than those given."""
    keep = {name: os.environ[name] for name in ("SYSTEMROOT", "PATH") if name in os.environ}
    return subprocess.run(command, env=keep | environment, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_every_golden_file_with_numpy_alone(program: Path, tmp_path: Path) -> None:
    code = ONLY_NUMPY.format(allowed={"pillow_sdz", "construct", "numpy"}) + EVERY_FILE
    done = run(sys.executable, "-c", code, program, tmp_path, *GOLDEN)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert len(results) == len(GOLDEN)
    for number, path in enumerate(GOLDEN):
        code, err = results[str(path)]
        if name_of(path).startswith("v0-pixels") and code:  # the system has no decoder for them
            assert "install that library, or Pillow" in err
            assert not (tmp_path / f"{number}.png").exists()
            continue
        assert code == 0, err
        with Image.open(tmp_path / f"{number}.png") as image:
            assert max(image.size) <= 40
            image.load()


def test_without_numpy_it_says_so(program: Path, tmp_path: Path) -> None:
    code = ONLY_NUMPY.format(allowed={"pillow_sdz", "construct"}) + "runpy.run_path(sys.argv[1], run_name='__main__')"
    done = run(sys.executable, "-c", code, program, golden("v0/grey"), tmp_path / "t.png")
    assert done.returncode == 1
    assert "needs numpy (on Debian: apt install python3-numpy)" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(lacking_in_system_python() is not None, reason=str(lacking_in_system_python()))
def test_the_systems_python_runs_it(program: Path, tmp_path: Path) -> None:
    """As a file manager runs it: without a home, in another folder, whatever modules are around."""
    (tmp_path / "numpy.py").write_text("raise SystemExit('the folder of the picture is searched for modules')")
    (tmp_path / "a b.sdz").write_bytes(golden("v0-tiny-8/layers").read_bytes())
    output = tmp_path / "t.png"
    done = subprocess.run(
        [program, "-s", "128", (tmp_path / "a b.sdz").as_uri(), output],
        cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with Image.open(output) as image:
        assert (image.size, image.mode) == ((128, 85), "RGB")
    done = run(program, "-s", "128", golden("v0/grey").parent, output)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def modules_in(archive: zipfile.ZipFile) -> dict[str, ast.Module]:
    found = {}
    for name in archive.namelist():
        if name.startswith("pillow_sdz/") and name.endswith(".py"):
            parts = name.removesuffix(".py").removesuffix("/__init__").split("/")
            found[".".join(parts)] = ast.parse(archive.read(name))
    return found


def imports_at_top(tree: ast.Module) -> Iterator[str]:
    """What a module imports of this package when it is imported itself."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pillow_sdz"):
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def test_every_module_finds_its_imports(program: Path) -> None:
    """Also those that no golden file reaches: what is left out would only show with some file."""
    with zipfile.ZipFile(program) as archive:
        modules = modules_in(archive)
    package = {
        ".".join(path.relative_to(zipapp._PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in zipapp._PACKAGE.rglob("*.py")
    }
    missing = {
        (name, wanted)
        for name, tree in modules.items()
        for wanted in imports_at_top(tree)
        if wanted in package and wanted not in modules
    }
    assert missing == set()


def test_no_module_imports_pillow_when_it_is_imported(program: Path) -> None:
    with zipfile.ZipFile(program) as archive:
        for name, tree in modules_in(archive).items():
            for node in tree.body:
                names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not {each.partition(".")[0] for each in names} & {"PIL", "torch", "click", "platformdirs"}, name


def test_contents(program: Path) -> None:
    assert program.read_bytes().startswith(b"#!/usr/bin/python3 -I\n")
    assert program.stat().st_size < 1 << 20
    with zipfile.ZipFile(program) as archive:
        names = archive.namelist()
    assert any(name.startswith("construct-2.10.70.dist-info/") and "LICENSE" in name for name in names)
    assert not [name for name in names if name.endswith((".safetensors", ".onnx", ".pyc"))]


def test_the_same_sources_give_the_same_bytes(program: Path) -> None:
    assert build_zipapp("/usr/bin/python3 -I") == program.read_bytes()


def test_construct_without_a_list_of_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipapp, "CARRIED", "no-such-package")
    with pytest.raises(SdzDependencyError, match="no-such-package, whose files are not found"):
        build_zipapp("python3")
