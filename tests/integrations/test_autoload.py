"""`sdz-convert autoload`: what it writes and removes, and what the hook does in programs of the environment."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from environments import LightEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable

HOOK = ("_pillow_sdz_autoload.py", "pillow_sdz.pth", "pillow_sdz.start")

no_links = pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows; run it on another system")

VECTOR = Path(__file__).parents[1] / "vectors" / "v0-tiny-8" / "default" / "file.sdz"


@pytest.fixture
def environment(tmp_path: Path) -> LightEnvironment:
    return LightEnvironment(tmp_path / "environment")


@pytest.fixture(scope="module")
def enabled(tmp_path_factory: pytest.TempPathFactory) -> LightEnvironment:
    """An environment with the hook; tests that use it leave it as it is."""
    environment = LightEnvironment(tmp_path_factory.mktemp("enabled") / "environment")
    environment.convert("autoload", "enable")
    return environment


def test_enable_says_what_it_wrote_and_disable_leaves_no_trace(environment: LightEnvironment) -> None:
    before = environment.contents()
    said = environment.convert("autoload", "enable").stdout
    written = set(environment.contents()) - set(before)
    assert {name for name in written if "__pycache__" not in name} == set(HOOK)
    assert all(str(environment.site_packages / name) in said for name in HOOK)
    assert str(environment.python) in said
    assert "pip does not know these files" in said
    environment.code("import PIL.Image; assert 'SDZ' in PIL.Image.OPEN")

    said = environment.convert("autoload", "disable").stdout
    assert environment.contents() == before
    assert all(str(environment.site_packages / name) in said for name in written - {"__pycache__"})
    environment.code("import PIL.Image, sys; assert 'SDZ' not in PIL.Image.OPEN and 'pillow_sdz' not in sys.modules")


def test_other_modules_bytecode_stays(environment: LightEnvironment) -> None:
    (environment.site_packages / "other.py").write_text("")
    environment.code("import other")
    before = environment.contents()
    environment.convert("autoload", "enable")
    environment.run("-O", "-c", "import PIL.Image")  # another form of the module's bytecode
    assert len([name for name in environment.contents() if "__pycache__/_pillow_sdz_autoload" in name]) == 2
    environment.convert("autoload", "disable")
    assert environment.contents() == before
    assert any(name.startswith("__pycache__/other.") for name in before)


def test_bytecode_in_a_folder_of_its_own(environment: LightEnvironment, tmp_path: Path) -> None:
    before = environment.contents()
    elsewhere = {"PYTHONPYCACHEPREFIX": str(tmp_path / "cache")}
    environment.convert("autoload", "enable", env=elsewhere)
    environment.code("pass")
    assert any("__pycache__" in name for name in environment.contents())
    hook = f"site-packages/{HOOK[0].removesuffix('.py')}.*.pyc"
    assert list((tmp_path / "cache").rglob(hook))
    environment.convert("autoload", "disable", env=elsewhere)
    assert environment.contents() == before
    assert not list((tmp_path / "cache").rglob(hook))


def test_both_can_be_repeated(environment: LightEnvironment) -> None:
    environment.convert("autoload", "enable")
    before = environment.contents()
    said = environment.convert("autoload", "enable").stdout
    assert "on already" in said
    assert "wrote" not in said
    assert environment.contents() == before
    environment.convert("autoload", "disable")
    assert "off already" in environment.convert("autoload", "disable").stdout


def _nothing(folder: Path) -> None:
    pass


def _line_missing(folder: Path) -> None:
    (folder / "pillow_sdz.pth").unlink()


def _older(folder: Path) -> None:
    path = folder / "_pillow_sdz_autoload.py"
    path.write_text(path.read_text().partition("\n")[0] + "\ndef install(): pass\n")


def _not_ours(folder: Path) -> None:
    (folder / "pillow_sdz.start").write_text("other:start\n")


def _all_gone(folder: Path) -> None:
    for name in HOOK:
        (folder / name).unlink()


@pytest.mark.parametrize(
    ("change", "state", "code", "explained"),
    [
        (_nothing, "on", 0, ": there"),
        (_all_gone, "off", 0, ""),
        (_line_missing, "partly", 1, "pillow_sdz.pth: missing"),
        (_older, "on", 0, "_pillow_sdz_autoload.py: of another version"),
        (_not_ours, "foreign", 1, "pillow_sdz.start: not written by this program"),
    ],
)
def test_status(
    environment: LightEnvironment, change: Callable[[Path], None], state: str, code: int, explained: str
) -> None:
    environment.convert("autoload", "enable")
    change(environment.site_packages)
    process = environment.convert("autoload", "status", check=False)
    assert process.returncode == code
    assert process.stdout.startswith(f"{state}: programs of Python 3.")
    assert str(environment.python) in process.stdout
    assert explained in process.stdout
    (line,) = environment.convert("autoload", "status", "--json", check=False).stdout.splitlines()
    record = json.loads(line)
    assert (record["place"], record["state"]) == ("environment", state)
    assert record["folder"] == str(environment.site_packages)
    assert set(record["files"]) == set(HOOK)


def test_enable_renews_what_is_old_or_missing(environment: LightEnvironment) -> None:
    environment.convert("autoload", "enable")
    good = {name: (environment.site_packages / name).read_bytes() for name in HOOK}
    _older(environment.site_packages)
    _line_missing(environment.site_packages)
    environment.convert("autoload", "enable")
    assert {name: (environment.site_packages / name).read_bytes() for name in HOOK} == good


@pytest.mark.parametrize("kind", ["file", "folder", pytest.param("link", marks=no_links)])
def test_files_of_others_are_never_touched(environment: LightEnvironment, tmp_path: Path, kind: str) -> None:
    path = environment.site_packages / "pillow_sdz.pth"
    if kind == "file":
        path.write_text("/somewhere\n")
    elif kind == "folder":
        path.mkdir()
    else:
        (tmp_path / "elsewhere").write_text("import sys\n")
        path.symlink_to(tmp_path / "elsewhere")
    before = environment.contents()
    for command in ("enable", "disable"):
        process = environment.convert("autoload", command, check=False)
        assert process.returncode == 1
        assert f"{path}: was not written by `sdz-convert autoload`, and stays as it is" in process.stderr
        assert "Traceback" not in process.stderr
        assert environment.contents() == before


def test_disable_removes_its_files_beside_those_of_others(environment: LightEnvironment) -> None:
    environment.convert("autoload", "enable")
    _not_ours(environment.site_packages)
    process = environment.convert("autoload", "disable", check=False)
    assert process.returncode == 1
    left = [name for name in environment.contents() if "pillow_sdz" in name]
    assert left == ["pillow_sdz.start"]


@pytest.mark.parametrize("option", [(), ("-E",), ("-I",), ("-O",), ("-s",), ("-X", "utf8")])
def test_options_of_python(enabled: LightEnvironment, option: tuple[str, ...]) -> None:
    enabled.run(*option, "-c", "from PIL import Image; import sys; Image.open(sys.argv[1]).close()", VECTOR)


def test_without_site_packages_there_is_no_hook(enabled: LightEnvironment) -> None:
    enabled.run("-S", "-c", "import sys; assert '_pillow_sdz_autoload' not in sys.modules")


def test_start_up_imports_the_hook_and_nothing_else(environment: LightEnvironment, tmp_path: Path) -> None:
    environment.convert("autoload", "enable")
    bare = LightEnvironment(tmp_path / "bare", packages=False)  # other packages' start-up files import much
    (bare.site_packages / "other.pth").write_text("# nothing")  # reading one imports a codec in some versions of Python
    loaded = "import sys; print(*sys.modules)"
    before = set(bare.code(loaded).stdout.split())
    for name in HOOK:
        (bare.site_packages / name).write_bytes((environment.site_packages / name).read_bytes())
    assert set(bare.code(loaded).stdout.split()) - before == {"_pillow_sdz_autoload"}


def test_opening_imports_no_torch_and_the_finder_is_gone(enabled: LightEnvironment) -> None:
    enabled.code(
        """
        import sys
        def finders():
            return [finder for finder in sys.meta_path if type(finder).__module__ == "_pillow_sdz_autoload"]
        assert len(finders()) == 1
        from PIL import Image
        with Image.open(sys.argv[1]) as image:
            assert image.format == "SDZ", image
        assert not finders()
        assert "torch" not in sys.modules
        assert type(Image.__loader__).__name__ == type(Image.__spec__.loader).__name__ == "SourceFileLoader"
        """,
        VECTOR,
    )


def test_start_file_names_the_function_as_python_3_15_wants_it(enabled: LightEnvironment) -> None:
    """PEP 829: lines ``package.module:callable`` or comments, UTF-8; a .pth file of the same name is not executed."""
    (line,) = [
        line for line in (enabled.site_packages / "pillow_sdz.start").read_text("utf-8").splitlines() if line[0] != "#"
    ]
    enabled.run(
        *("-S", "-c"),
        "import pkgutil, sys; sys.path.append(sys.argv[1]);"
        "start = pkgutil.resolve_name(sys.argv[2]); start(); start();"
        "assert [type(finder).__module__ for finder in sys.meta_path].count('_pillow_sdz_autoload') == 1",
        enabled.site_packages,
        line,
    )


def test_scripts_of_another_environment_do_not_have_it(tmp_path: Path, enabled: LightEnvironment) -> None:
    other = LightEnvironment(tmp_path / "other")
    other.code("import PIL.Image; assert 'SDZ' not in PIL.Image.OPEN")
