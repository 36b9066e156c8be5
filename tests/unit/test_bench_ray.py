"""The bounds of the benchmark of ``--engine ray``: it fails where what it is to show does not hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.bench import bench_ray
from tools.bench.bench_ray import Run

GROWTH = f"at most {bench_ray.MOST_GROWTH} of the memory at the end"


def faked(monkeypatch: pytest.MonkeyPatch, runs: list[tuple[Run, int]]) -> None:
    """Instead of ``sdz-convert``: runs, and how many outputs each leaves."""

    def convert(*arguments: str, **_: object) -> Run:
        run, count = runs.pop(0)
        for number in range(count):
            folder = Path(arguments[-1])
            folder.mkdir(exist_ok=True)
            (folder / f"{number}.sdz").touch()
        return run

    monkeypatch.setattr(bench_ray, "convert", convert)


@pytest.mark.parametrize(
    ("seconds", "outputs", "expected"), [(4.4, 4, [True, True]), (4.5, 4, [True, False]), (4.0, 3, [False, True])]
)
def test_throughput(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, outputs: int, expected: list[bool]
) -> None:
    threads = Run(results=[1.0, 2.0, 3.0, 4.0], end=4.0, code=0)
    ray = Run(results=[5.0, 6.0, 7.0, 3.0 + seconds], started=3.0, end=9.0, code=0)
    faked(monkeypatch, [(threads, 4), (ray, outputs)])
    assert list(bench_ray.throughput(tmp_path, tmp_path).values()) == expected


@pytest.mark.parametrize(
    ("code", "outputs", "last", "expected"),
    [
        (0, 9, 109.0, [True, True]),
        (0, 9, 111.0, [True, False]),
        (1, 9, 100.0, [False, True]),
        (0, 8, 100.0, [False, True]),
    ],
)
def test_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, outputs: int, last: float, expected: list[bool]
) -> None:
    samples = [(2.0, 50.0), (5.5, 100.0), (8.5, last)]
    run = Run(results=[float(second) for second in range(1, 10)], end=9.5, code=code, memory=samples)
    faked(monkeypatch, [(run, outputs)])
    assert list(bench_ray.memory(tmp_path, tmp_path, 9, []).values()) == expected


def test_memory_that_was_not_measured_misses_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faked(monkeypatch, [(Run(results=[1.0, 2.0, 3.0], end=4.0, code=0), 3)])
    assert bench_ray.memory(tmp_path, tmp_path, 3, [])[GROWTH] is False


def test_one_bound_that_is_missed_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench_ray.judged({"a": True}) == 0
    assert bench_ray.judged({"a": True, "b": False}) == 1
    assert capsys.readouterr().out == "yes  a\nyes  a\nNO   b\n"
