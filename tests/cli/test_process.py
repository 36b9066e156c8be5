"""The program as a process of its own: imports, interruption, full disks, standard streams."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import toy_model
from cli_fakes import FAKED, environment, names_in, photo, python
from toy_files import file_of

posix = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")
SLOW_ENCODER = (
    FAKED
    + """
import os, sys, time
fast = toy.model.encode
def encode(rgb, tile):
    if rgb.shape[1] != 40:
        os.write(1, b"ready\\n")  # in one piece, whichever thread it comes from
        time.sleep(60)
    return fast(rgb, tile)
toy.model.encode = encode
main(sys.argv[1:])
"""
)
SLOW_DISK = (
    FAKED
    + """
import os, sys, time
def wait(descriptor):
    os.write(1, b"ready\\n")  # in one piece, whichever thread it comes from
    time.sleep(60)
os.fsync = wait
main(sys.argv[1:])
"""
)


@pytest.fixture
def sdz(tmp_path: Path) -> str:
    (tmp_path / "a.sdz").write_bytes(file_of(toy_model.blocks(40, 24)))
    return "a.sdz"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["--info", "a.sdz"],
        pytest.param(["--info", "--json", "a.sdz"], marks=pytest.mark.slow),
        ["--test", "a.sdz"],
        ["--preview", "a.sdz"],
        pytest.param(["--dry-run", "a.sdz"], marks=pytest.mark.slow),
        ["--dry-run", "-r", "."],
    ],
)
def test_what_needs_no_network_imports_none(tmp_path: Path, sdz: str, arguments: list[str]) -> None:
    code = """
import sys
from pillow_sdz.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    heavy = {"torch", "diffusers", "safetensors", "imagequant", "transformers"} & set(sys.modules)
    print(f"exit {end.code}, heavy {sorted(heavy)}", file=sys.stderr)
"""
    ended = python(code, *arguments, cwd=tmp_path, text=True)
    assert ended.stderr.splitlines()[-1] == "exit 0, heavy []"


def test_help_tells_the_exit_codes(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pillow_sdz.cli", "-h"],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0
    for line in (
        "0  all done",
        "1  at least one file failed",
        "2  wrong usage",
        "3  nothing to do",
        "4  a model",
        "130  interrupted",
    ):
        assert line in ended.stdout


def test_end_of_the_arguments_and_exit_code_of_the_module(tmp_path: Path, sdz: str) -> None:
    (tmp_path / "-i.sdz").write_bytes((tmp_path / sdz).read_bytes())
    command = [sys.executable, "-m", "pillow_sdz.cli", "--test", "--", "-i.sdz"]
    assert subprocess.run(command, env=environment(), cwd=tmp_path, timeout=60).returncode == 0
    assert subprocess.run([*command, "none.sdz"], env=environment(), cwd=tmp_path, timeout=60).returncode == 1


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
@pytest.mark.parametrize("jobs", [pytest.param("1", marks=pytest.mark.slow), "2"])
@pytest.mark.parametrize("program", [SLOW_ENCODER, SLOW_DISK], ids=["encoding", "writing"])
def test_interrupted(tmp_path: Path, number: int, jobs: str, program: str) -> None:
    names = ["a.png", "b.png", "c.png"]
    for name, width in zip(names, (40, 48, 56), strict=True):
        photo(tmp_path / name, size=(width, 24))
    process = subprocess.Popen(
        [sys.executable, "-c", program, "-j", jobs, *names, "-o", "out/"],
        env=environment(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in a shell's background ignore it
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if program is SLOW_DISK:
            assert any(name.endswith(".tmp") for name in names_in(tmp_path / "out"))
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith("interrupted: ")
    assert "Traceback" not in errors
    left = [path.name for path in tmp_path.rglob("*") if path.name not in ("out", *names)]
    assert set(left) <= ({"a.sdz"} if program is SLOW_ENCODER else set())


@posix
def test_file_size_limit_leaves_nothing_behind(tmp_path: Path) -> None:
    photo(tmp_path / "a.png", size=(400, 400))
    limited = (
        "import resource, sys; sys.dont_write_bytecode = True; resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
        + FAKED
        + "main(['a.png', '-o', 'new/'])"
    )
    ended = python(limited, cwd=tmp_path, text=True)
    assert ended.returncode == 1
    assert "cannot write new/a.sdz: larger than files may be in new" in ended.stderr
    assert names_in(tmp_path) == ["a.png"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["a.png", "-o", "/dev/full"], "no space left"),
        (["a.png", "-o", "-"], "cannot write to standard output: No space left on device"),
        (["-i", "a.sdz"], "cannot write to standard output: No space left on device"),
    ],
)
def test_full_disk(tmp_path: Path, sdz: str, arguments: list[str], text: str) -> None:
    photo(tmp_path / "a.png")
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", FAKED + "import sys; main(sys.argv[1:])", *arguments],
            env=environment(), cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert ended.returncode == 1
    assert text in ended.stderr
    assert "Exception ignored" not in ended.stderr
    assert names_in(tmp_path) == ["a.png", "a.sdz"]


@posix
def test_reader_that_goes_away(tmp_path: Path, sdz: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "pillow_sdz.cli", "-i", *[sdz] * 3],
        env=environment(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 1
    assert "Traceback" not in errors


def test_folder_below_a_file(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    ended = python(FAKED + "main(['a.png', '-o', 'a.png/x.sdz'])", cwd=tmp_path, text=True)
    assert ended.returncode == 1
    assert "a.png is not a directory" in ended.stderr
    assert names_in(tmp_path) == ["a.png"]


def test_missing_torch_ends_with_its_own_code(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        photo(tmp_path / name)
    code = """
import sys
from pillow_sdz.cli import main
sys.modules["torch"] = None  # makes its import fail
main(["a.png", "b.png"])
"""
    ended = python(code, cwd=tmp_path, text=True)
    assert ended.returncode == 4
    assert "pip install torch" in ended.stderr
    assert "1 failed, 1 not done" in ended.stderr
    assert names_in(tmp_path) == ["a.png", "b.png"]


def test_progress_bar_and_lines_do_not_mix(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        photo(tmp_path / name)
    ended = python(FAKED + "main(['a.png', 'b.png', '--progress', 'always', '--json'])", cwd=tmp_path, text=True)
    assert ended.returncode == 0
    assert "/2 [" in ended.stderr
    assert [json.loads(line)["output"] for line in ended.stdout.splitlines()] == ["a.sdz", "b.sdz"]
    quiet = python(FAKED + "main(['a.png', 'b.png', '--quiet', '--force'])", cwd=tmp_path, text=True)
    assert (quiet.returncode, quiet.stderr) == (0, "")


@pytest.mark.slow
def test_threads_give_what_one_thread_gives(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(6)]
    for n, name in enumerate(names):
        photo(tmp_path / name, size=(40 + n, 24))
    (tmp_path / "bad.png").write_bytes(b"bad")
    for jobs, folder in (("1", "one"), ("3", "three"), ("0", "all")):
        ended = python(
            FAKED + "import sys; main(sys.argv[1:])",
            "-j",
            jobs,
            *names,
            "bad.png",
            "-o",
            folder,
            cwd=tmp_path,
            text=True,
        )
        assert ended.returncode == 1
        assert ended.stderr.count("bad.png: ") == 1
        assert "6 converted, 1 failed" in ended.stderr
    for n in range(6):
        one, three, all_ = ((tmp_path / folder / f"{n}.sdz").read_bytes() for folder in ("one", "three", "all"))
        assert one == three == all_


def test_without_click_the_program_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['click'] = None; from pillow_sdz.cli import main; main(['--version'])"
    ended = python(code, cwd=tmp_path, text=True)
    assert ended.returncode == 4
    assert "sdz-convert needs click" in ended.stderr
    assert "pip install click" in ended.stderr
    assert "Traceback" not in ended.stderr
