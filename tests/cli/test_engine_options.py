"""``--engine``: what goes with Ray and what does not, what is planned for it, and a machine without Ray."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from cli_fakes import Run, photo, python

from pillow_sdz.cli.batch import EngineError
from pillow_sdz.cli.many_machines.cluster import Pool, batch_size, pool_of
from pillow_sdz.cli.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = {"CPU": 16.0}
WITH_GPUS = {"CPU": 64.0, "GPU": 8.0}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--address", "auto", "a.png"], "--address is for --engine ray"),
        (["--engine", "ray", "a.png"], "needs a directory"),
        (["--engine", "ray", "a.png", "b.png", "c.png"], "needs a directory"),
        (["--engine", "ray", "--info", "a.sdz"], "run --info without it"),
        (["--engine", "ray", "--test", "a.sdz"], "run --test without it"),
        (["--engine", "ray", "-", "-o", "out"], "is for --engine threads"),
        (["--engine", "ray", "a.png", "-o", "-"], "is for --engine threads"),
        (["--engine", "ray", "--device", "cuda:1", "a.png", "-o", "out"], "a GPU of its own"),
        (["--engine", "ray", "a.png", "-o", "file"], "--engine ray needs a directory, and this is a file"),
        (["--engine", "ray", "a.png", "-o", "b.sdz"], "b.sdz is a file's name; end it with /"),
        (["--engine", "ray", "a.png", "b.png"], "b.png is a file's name"),
        (["--engine", "ray", "a.png", "file"], "--engine ray needs a directory, and this is a file"),
        (["--engine", "dask", "a.png"], "'dask' is not one of"),
    ],
)
def test_what_does_not_go_together(run: Run, tmp_path: Path, arguments: list[str], said: str) -> None:
    photo(tmp_path / "a.png")
    (tmp_path / "file").write_bytes(b"")
    assert run(*arguments) == 2
    assert said in " ".join(run.err.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "file"]


@pytest.mark.parametrize("arguments", [["photos", "out"], ["photos", "-o", "out"], ["photos", "-r", "-o", "out/"]])
def test_a_directory_is_mirrored(run: Run, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    for name in ("a.png", "deep/b.png"):
        photo(tmp_path / "photos" / name)
    assert run("--engine", "ray", "--dry-run", "--json", *arguments) == 0
    records = [json.loads(line) for line in run.out.splitlines()]
    assert [record["output"] for record in records] == ["out/a.sdz", "out/deep/b.sdz"]
    assert not (tmp_path / "out").exists()


def test_two_inputs_and_an_output_are_two_inputs(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    assert run("--engine", "ray", "--dry-run", "--json", "a.png", "b.png", "-o", "out") == 0
    assert [json.loads(line)["output"] for line in run.out.splitlines()] == ["out/a.sdz", "out/b.sdz"]


@pytest.mark.parametrize(("option", "status"), [([], "skipped"), (["--force"], "planned")])
def test_finished_outputs_are_kept_unless_force_is_given(
    run: Run, tmp_path: Path, option: list[str], status: str
) -> None:
    photo(tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.sdz").write_bytes(b"finished")
    run("--engine", "ray", "--dry-run", "--json", *option, "a.png", "out")
    assert json.loads(run.out)["status"] == status


def test_without_ray_the_message_says_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    photo(tmp_path / "a.png")
    assert run("--engine", "ray", "a.png", "out") == 4
    assert "ray[data]" in run.err
    assert "pip install 'pillow-sdz[ray]'" in run.err
    assert not (tmp_path / "out").exists()


def test_help_and_conversion_do_not_import_ray(tmp_path: Path) -> None:
    code = """
import sys
from pillow_sdz.cli import main
try:
    main(sys.argv[1:])
finally:
    assert not {"ray", "pyarrow", "pandas", "filelock"} & set(sys.modules)
"""
    photo(tmp_path / "a.png")
    for arguments in (["--help"], ["--dry-run", "--engine", "ray", "a.png", "out"]):
        process = python(code, *arguments, cwd=tmp_path)
        assert (process.returncode, process.stderr.count(b"Error")) == (0, 0), process.stderr


@pytest.mark.parametrize(
    ("nodes", "settings", "expected"),
    [
        ([MACHINE], {}, Pool(16, 1, 0)),  # a process for each core
        ([MACHINE, {"CPU": 2.0}], {}, Pool(18, 1, 0)),
        ([MACHINE], {"jobs": 4}, Pool(4, 4, 0)),  # fewer, with more threads
        ([MACHINE, {"CPU": 2.0}], {"jobs": 3}, Pool(3, 2, 0)),  # no more than the smallest machine has
        ([MACHINE], {"jobs": 100}, Pool(16, 1, 0)),
        ([MACHINE, WITH_GPUS], {}, Pool(8, 8, 1)),  # a process for each GPU, on the machines that have them
        ([MACHINE, WITH_GPUS], {"jobs": 32}, Pool(32, 2, 0.25)),
        ([WITH_GPUS], {"jobs": 2}, Pool(2, 32, 1)),
        ([MACHINE, WITH_GPUS], {"device": "cpu"}, Pool(80, 1, 0)),
    ],
)
def test_processes_by_what_the_cluster_has(
    nodes: list[dict[str, float]], settings: dict[str, object], expected: Pool
) -> None:
    assert pool_of(nodes, Settings(**{"jobs": 0, **settings})) == expected  # type: ignore[arg-type]


def test_a_gpu_that_is_asked_for_and_missing_is_an_error() -> None:
    with pytest.raises(EngineError, match="no GPU"):
        pool_of([MACHINE], Settings(jobs=0, device="cuda"))


@pytest.mark.parametrize(
    ("files", "size", "processes", "expected"),
    [
        (1, 0, 8, 1),
        (12, 12 * 100_000, 2, 1),  # all processes end at about the same time
        (2000, 2000 * 5_000, 2, 16),
        (100_000, 100_000 * 4_000_000, 64, 1),  # large files: one for each task
        (100_000, 100_000 * 200_000, 64, 5),
    ],
)
def test_files_in_a_task(files: int, size: int, processes: int, expected: int) -> None:
    assert batch_size(files, size, processes) == expected
