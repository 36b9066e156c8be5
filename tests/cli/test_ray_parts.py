"""The parts of the Ray engine without Ray: tables, the process that converts, the manifest."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from cli_fakes import names_in, photo

from pillow_sdz.cli import batch
from pillow_sdz.cli.convert import Result
from pillow_sdz.cli.jobs import Job
from pillow_sdz.cli.outputs import WriteError
from pillow_sdz.cli.printable import printable
from pillow_sdz.cli.settings import Settings
from pillow_sdz.cli.sources import Source
from pillow_sdz.errors import SdzModelError

if TYPE_CHECKING:
    from toy_model import Toy

pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'pillow-sdz[ray]'")
pytest.importorskip("filelock", reason="needs filelock: pip install 'pillow-sdz[ray]'")

from pillow_sdz.cli.many_machines import cluster, isolation, manifest, tables
from pillow_sdz.cli.many_machines.worker import MARK, MOST_DEATHS, Attempts, Converter, Share


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Share:
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # the process that converts sets them
    (tmp_path / "ticket").write_text("run 1")
    return Share(tmp_path / "out", "run 1", tmp_path / "ticket", threads=3)


def job_of(path: Path, target: Path, **keywords: Any) -> Job:
    return Job(Source(printable(str(path)), path, prefix=path.read_bytes()[:16]), target, "SDZ", **keywords)


def rows_of(converter: Converter, jobs: dict[int, Job]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = converter(tables.of_jobs(jobs)).to_pylist()
    return rows


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text on other systems")
def test_jobs_come_back_from_a_table(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9 \n.png")  # not UTF-8
    photo(odd, format="PNG")
    jobs = {7: job_of(odd, tmp_path / "out" / odd.name)}
    assert tables.jobs_of(tables.of_jobs(jobs)) == jobs


def test_messages_that_are_not_unicode_reach_the_table(tmp_path: Path) -> None:
    result = Result(Job(Source("a", tmp_path)), "failed", error="no \udce9", notes=["\udce9"], traceback="\udce9")
    (row,) = tables.of_results([tables.result_row(0, result, tmp_path)]).to_pylist()
    assert (row["failure"], row["notes"], row["traceback"]) == ("no \\udce9", ["\\udce9"], "\\udce9")


@pytest.mark.parametrize("bad", ["a.png", "out/a.sdz"])
def test_an_existing_output_that_pillow_fails_at_costs_one_row(tmp_path: Path, bad: str) -> None:
    (tmp_path / "out").mkdir()
    for name in ("a.png", "out/a.sdz"):
        photo(tmp_path / name, size=(40, 24) if name == bad else (16, 8), format="PNG")
    with batch.conditions(Settings(max_pixels=900)):  # makes Pillow's warning of too many pixels an error
        row = tables.row_of_existing(job_of(tmp_path / "a.png", tmp_path / "out" / "a.sdz"), tmp_path / "out")
    assert row["status"] == "failed"
    assert f"{tmp_path / bad} cannot be opened: cannot be converted: DecompressionBombWarning" in row["failure"]


def test_a_process_converts_and_a_bad_file_costs_one_row(toy: Toy, share: Share, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png", size=(16, 8))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    jobs = {
        n: job_of(tmp_path / f"{name}.png", share.folder / f"{name}.sdz") for n, name in enumerate(("a", "bad", "b"))
    }
    rows = rows_of(Converter(Settings(), share, Attempts()), jobs)
    assert [(row["index"], row["status"]) for row in rows] == [(0, "done"), (1, "failed"), (2, "done")]
    assert rows[1]["failure"] == "Pillow does not recognise it as a picture"
    assert (rows[1]["output"], rows[2]["output"]) == (None, "b.sdz")
    written = (share.folder / "b.sdz").stat().st_size
    assert (rows[2]["width"], rows[2]["height"], rows[2]["bytes_out"]) == (16, 8, written)
    assert rows[2]["bpp"] == pytest.approx(8 * written / (16 * 8))
    assert names_in(share.folder) == ["a.sdz", "b.sdz"]
    assert (os.environ["OMP_NUM_THREADS"], os.environ["OMP_WAIT_POLICY"]) == ("3", "PASSIVE")


def test_options_reach_the_process(toy: Toy, share: Share, tmp_path: Path) -> None:
    photo(tmp_path / "a.png", size=(80, 64))
    settings = Settings(save={"guard": True, "payload": "pixels"}, max_pixels=80 * 64, preserve=True)
    os.utime(tmp_path / "a.png", (1e9, 1e9))
    converter = Converter(settings, share, Attempts())
    (row,) = rows_of(converter, {0: job_of(tmp_path / "a.png", share.folder / "a.sdz")})
    assert row["whole"] == 1
    assert row["psnr"] > 20
    assert (share.folder / "a.sdz").stat().st_mtime == 1e9
    photo(tmp_path / "large.png", size=(81, 64))
    (row,) = rows_of(converter, {0: job_of(tmp_path / "large.png", share.folder / "large.sdz")})
    assert "--max-pixels" in row["failure"]


def test_a_file_that_kills_processes_is_given_up(toy: Toy, share: Share, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    jobs = {0: job_of(tmp_path / "a.png", share.folder / "a.sdz")}
    attempts = Attempts()
    for _ in range(MOST_DEATHS - 1):
        attempts.begin(0)  # and dies
    assert rows_of(Converter(Settings(), share, attempts), jobs)[0]["status"] == "done"
    for _ in range(MOST_DEATHS):
        attempts.begin(0)
    (row,) = rows_of(Converter(Settings(), share, attempts), jobs)
    assert row["failure"] == f"the process that converts it died {MOST_DEATHS} times; out of memory?"
    assert not row["hopeless"]


def test_a_missing_model_ends_the_batch(toy: Toy, share: Share, tmp_path: Path) -> None:
    toy.failure = SdzModelError("weights are missing")
    jobs = {n: job_of(photo(tmp_path / f"{n}.png"), share.folder / f"{n}.sdz") for n in range(3)}
    (row,) = rows_of(Converter(Settings(), share, Attempts()), jobs)
    assert (row["hopeless"], row["unavailable"]) == (True, True)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"version": "0.0.1"}, "install the same everywhere"), ({"token": "run 2"}, "use a shared file system")],
)
def test_a_machine_that_is_unlike_the_program_says_so(
    toy: Toy, share: Share, tmp_path: Path, change: dict[str, str], said: str
) -> None:
    jobs = {0: job_of(photo(tmp_path / "a.png"), share.folder / "a.sdz")}
    (row,) = rows_of(Converter(Settings(), replace(share, **change), Attempts()), jobs)  # type: ignore[arg-type]
    assert said in row["failure"]
    assert row["hopeless"]
    assert not share.folder.exists()


def add(output: Path, *results: tuple[str, str]) -> None:
    """A run that adds a row for each (path, status)."""
    with manifest.opened(output) as book:
        for path, status in results:
            book.add(tables.row_of(Result(Job(Source(path, Path(path))), status), output))


def rows_in(output: Path) -> list[tuple[str, str]]:
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(output / manifest.FOLDER).to_pylist()
    return sorted((Path(row["path"]).name, row["status"]) for row in rows)


@pytest.mark.parametrize("by_option", [True, False])
def test_the_address_of_ray_client_is_refused(monkeypatch: pytest.MonkeyPatch, by_option: bool) -> None:
    address = "ray://127.0.0.1:10001"
    monkeypatch.setenv("RAY_ADDRESS", "" if by_option else address)
    settings = Settings(address=address if by_option else None)
    with pytest.raises(batch.EngineError, match="not of Ray Client"), cluster.joined(settings):
        pass


@pytest.mark.parametrize("other_clock", [None, "20990101T000000"])
def test_each_path_has_one_row_after_several_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other_clock: str | None
) -> None:
    monkeypatch.setattr(manifest, "ROWS_IN_PART", 2)
    add(tmp_path, ("/a", "failed"), ("/b", "done"), ("/c", "done"))
    assert rows_in(tmp_path) == [("a", "failed"), ("b", "done"), ("c", "done")]
    for part in sorted((tmp_path / manifest.FOLDER).glob("part-*")):
        _, time, run = part.name.split("-", 2)
        part.rename(part.with_name(f"part-{other_clock or time}-{run}"))
    add(tmp_path, ("/a", "done"), ("/c", "failed"))
    assert rows_in(tmp_path) == [("a", "done"), ("b", "done"), ("c", "failed")]
    with manifest.opened(tmp_path) as book:
        assert {Path(path).name for path in book.done} == {"a", "b"}


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        manifest.opened(tmp_path),
        pytest.raises(click.UsageError, match="another run writes there"),
        manifest.opened(tmp_path),
    ):
        pass
    with manifest.opened(tmp_path):
        pass


def test_a_full_disk_at_the_end_leaves_no_lock_and_no_ticket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise WriteError("no space left")

    with monkeypatch.context() as patch, pytest.raises(WriteError), manifest.opened(tmp_path):
        patch.setattr(manifest.Manifest, "flush", full)
    assert names_in(tmp_path / manifest.FOLDER) in ([], [".lock"])
    add(tmp_path, ("/a", "done"))


@pytest.mark.parametrize("name", ["part-0.parquet", "part-99991231T235959-abc-0.parquet"])
def test_a_part_of_another_name_is_refused(tmp_path: Path, name: str) -> None:
    add(tmp_path, ("/a", "done"))
    part = next((tmp_path / manifest.FOLDER).glob("part-*"))
    part.rename(part.with_name(name))
    with pytest.raises(click.UsageError, match="not a part of a manifest"), manifest.opened(tmp_path):
        pass


def test_a_damaged_part_is_refused_and_kept(tmp_path: Path) -> None:
    add(tmp_path, ("/a", "done"))
    part = next((tmp_path / manifest.FOLDER).glob("part-*"))
    for data in (b"PAR1 no table", part.read_bytes()[:-9]):
        part.write_bytes(data)
        with pytest.raises(click.UsageError, match="not a part of a manifest"), manifest.opened(tmp_path):
            pass
        assert part.read_bytes() == data


@pytest.mark.parametrize("quiet", [False, True])
def test_other_threads_do_not_write_to_standard_output(capsys: pytest.CaptureFixture[str], quiet: bool) -> None:
    with isolation.standard_output_kept(quiet=quiet):
        print("{}")
        thread = threading.Thread(target=print, args=["a process died"])
        thread.start()
        thread.join()
    assert capsys.readouterr() == ("{}\n", "" if quiet else "a process died\n")


def test_temporary_files_of_this_engine_are_swept(tmp_path: Path) -> None:
    kept = [".sdz-0123456789abcdef.tmp", ".sdz-ray-notes.tmp", "a.tmp"]
    for name in [*kept, f".sdz-{MARK}0123456789abcdef.tmp"]:
        (tmp_path / name).write_bytes(b"half")
    manifest.sweep([tmp_path, tmp_path / "missing"], MARK)
    assert names_in(tmp_path) == sorted(kept)
