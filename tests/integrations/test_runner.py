"""``python -m pillow_sdz SCRIPT``: the script runs as by Python itself, with the format, in child processes, too."""

from __future__ import annotations

import multiprocessing
import os
import textwrap
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from environments import LightEnvironment

if TYPE_CHECKING:
    import subprocess

VECTOR = Path(__file__).parents[1] / "vectors" / "v0-tiny-8" / "default" / "file.sdz"

OPENS = """
import sys
from PIL import Image
with Image.open(sys.argv[1]) as image:
    assert image.format == "SDZ"
"""

WORKERS = """
import multiprocessing, os, subprocess, sys
class Result:
    def __init__(self, text):
        self.text = text
def work(path):
    from PIL import Image
    with Image.open(path) as image:
        return Result(image.format)
def start():
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        assert [result.text for result in pool.map(work, [sys.argv[2]] * 4)] == ["SDZ"] * 4
    print("all done")
if __name__ == "__main__":
    start()
"""

FACTS = """
import sys
print(__name__, __file__, __package__, sys.argv, sys.path[0], sys.modules["__main__"].__dict__ is globals(), sep="|")
print(__spec__ and __spec__.name)
"""

OUTLIVES = """
import atexit, pickle, sys
class Result:
    pass
def at_exit():
    assert isinstance(pickle.loads(pickle.dumps(Result())), Result)
    assert sys.modules["__main__"].at_exit is at_exit
    assert sys.argv == [__file__, "an argument"], sys.argv
atexit.register(at_exit)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> LightEnvironment:
    return LightEnvironment(tmp_path_factory.mktemp("runner") / "environment")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "script.py"


def run_it(environment: LightEnvironment, *args: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return environment.run("-m", "pillow_sdz", *args, **options)


def test_a_script_opens_files_and_imports_no_torch(environment: LightEnvironment, script: Path) -> None:
    script.write_text(OPENS)
    assert environment.run(script, VECTOR, check=False).returncode == 1  # by itself it cannot
    script.write_text(f"{OPENS}assert 'torch' not in sys.modules and 'click' not in sys.modules\n")
    run_it(environment, script, VECTOR)


@pytest.mark.parametrize("safe", [False, True])
def test_a_script_runs_as_by_python(environment: LightEnvironment, tmp_path: Path, safe: bool) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "facts.py").write_text(FACTS)
    names = ["folder/facts.py", "./folder/../folder/facts.py"]
    if os.name != "nt":  # there, links need a privilege
        (tmp_path / "link.py").symlink_to(tmp_path / "folder" / "facts.py")
        names.append("link.py")
    options = ["-P"] if safe else []
    for name in names:
        alone = environment.run(*options, name, "-m", "-h", "a b", cwd=tmp_path)
        ours = environment.run(*options, "-m", "pillow_sdz", name, "-m", "-h", "a b", cwd=tmp_path)
        assert ours.stdout == alone.stdout


def test_a_module_runs_as_by_python(environment: LightEnvironment, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    for name in ("__init__", "inner"):
        (package / f"{name}.py").write_text("")
    for name in ("package/__main__", "package/facts", "facts"):
        (tmp_path / f"{name}.py").write_text(FACTS)
    for module in ("package", "package.facts", "facts"):
        alone = environment.run("-m", module, "-h", cwd=tmp_path)
        assert run_it(environment, "-m", module, "-h", cwd=tmp_path).stdout == alone.stdout


def test_folders_and_archives(environment: LightEnvironment, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    main = "import helper, sys; print(__name__, sys.argv, sys.path[0], helper.__name__)\n"
    (tmp_path / "folder" / "__main__.py").write_text(main)
    (tmp_path / "folder" / "helper.py").write_text("")
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        archive.writestr("__main__.py", main)
        archive.writestr("helper.py", "")
    for name in ("folder", "app.pyz"):
        alone = environment.run(name, "x", cwd=tmp_path)
        assert run_it(environment, name, "x", cwd=tmp_path).stdout == alone.stdout


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("kind", ["script", "module"])
def test_workers_have_the_format(environment: LightEnvironment, tmp_path: Path, method: str, kind: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}; run it on Linux")
    (tmp_path / "work.py").write_text(WORKERS)
    program = ["work.py"] if kind == "script" else ["-m", "work"]
    process = run_it(environment, *program, method, VECTOR, cwd=tmp_path)
    assert process.stdout == "all done\n"
    assert process.stderr == ""


def test_child_processes_have_it_and_keep_their_own_customisation(
    environment: LightEnvironment, tmp_path: Path, script: Path
) -> None:
    """That is, a module ``sitecustomize`` of the environment or of PYTHONPATH, which ours hides at first."""
    (tmp_path / "sitecustomize.py").write_text("import os; os.environ['CUSTOMISED'] = __file__\n")
    child = f"{OPENS}import os, sitecustomize; print(os.environ['CUSTOMISED'], sitecustomize.__file__, sys.path)"
    script.write_text(
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', {child!r}, sys.argv[1]], check=True)\n"
        "subprocess.run([sys.executable, '-c', 'import sys; assert \"pillow_sdz\" not in sys.modules'], check=True)\n"
    )
    process = run_it(environment, script, VECTOR, env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)
    assert process.stdout.count(str(tmp_path / "sitecustomize.py")) == 2
    assert "startup" not in process.stdout  # the folder is taken out of sys.path
    assert process.stderr == ""


def test_children_of_another_environment_are_not_disturbed(
    environment: LightEnvironment, tmp_path: Path, script: Path
) -> None:
    other = LightEnvironment(tmp_path / "other", packages=False)
    package = other.site_packages / "PIL"
    package.mkdir()
    for name in ("__init__", "Image", "ImageFile"):
        (package / f"{name}.py").write_text("")
    script.write_text(
        "import subprocess, sys\n"
        'code = \'import PIL.Image, sys; print("pillow_sdz" in sys.modules, "sitecustomize" in sys.modules)\'\n'
        f"subprocess.run([{str(other.python)!r}, '-W', 'error', '-c', code], check=True)\n"
    )
    process = run_it(environment, script, cwd=tmp_path)
    assert process.stdout == "False True\n"
    assert process.stderr == ""


def test_where_children_cannot_have_it_a_note_says_so(environment: LightEnvironment, script: Path) -> None:
    script.write_text(OPENS)
    process = environment.run("-E", "-m", "pillow_sdz", script, VECTOR)
    assert "note: processes that it starts do not have .sdz: Python's options -I and -E" in process.stderr


@pytest.mark.parametrize(
    ("code", "exit_code", "said"),
    [
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit('no photo')", 1, "no photo"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("def", 1, "SyntaxError"),
        (
            "import threading, time; threading.Thread(target=lambda: (time.sleep(0.2), print(time.time()))).start()",
            0,
            "",
        ),
        (OUTLIVES, 0, ""),
    ],
)
@pytest.mark.parametrize("kind", ["script", "module"])
def test_how_it_ends(
    environment: LightEnvironment, script: Path, kind: str, code: str, exit_code: int, said: str
) -> None:
    script.write_text(code)
    program = [script] if kind == "script" else ["-m", "script"]
    process = run_it(environment, *program, "an argument", check=False, cwd=script.parent)
    assert process.returncode == exit_code
    assert said in process.stderr
    if not said:
        assert process.stderr == ""


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "usage: python -m pillow_sdz SCRIPT"),
        (["-m"], "usage:"),
        (["-x"], "usage:"),
        (["-m", "-x"], "usage:"),
        (["missing.py"], "cannot open missing.py: No such file or directory"),
        (["empty"], "empty has no __main__.py"),
        (["-m", "missing"], "No module named 'missing'"),
        (["-m", "missing.part"], "No module named 'missing'"),
        (["-m", "json.missing"], "No module named 'json.missing'"),
        (["-m", "json"], "json is a package without __main__, and cannot be run"),
        (["-m", ""], "No module named ''"),
        (["-m", ".relative"], "No module named '.relative'"),
        (["-m", "sys"], "sys has no Python code that could be run"),
        (["a\x1b[31m.py"], "cannot open a\\u001b[31m.py: No such file"),
    ],
)
def test_usage(environment: LightEnvironment, tmp_path: Path, args: list[str], said: str) -> None:
    (tmp_path / "empty").mkdir()
    process = run_it(environment, *args, check=False, cwd=tmp_path)
    assert process.returncode == 2
    assert said in process.stderr
    assert "Traceback" not in process.stderr
    assert process.stdout == ""


def test_help(environment: LightEnvironment) -> None:
    said = run_it(environment, "--help").stdout
    assert textwrap.dedent(said) == said
    assert "sdz-convert autoload enable" in said
