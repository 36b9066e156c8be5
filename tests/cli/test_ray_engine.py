"""``--engine ray`` with a real Ray on this machine: a killed process, a second run, an address where no Ray is."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cli_fakes import environment, names_in, photo
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

pytestmark = pytest.mark.slow
pytest.importorskip("ray", reason="needs Ray: pip install 'pillow-sdz[ray]'")
psutil = pytest.importorskip("psutil", reason="needs psutil: pip install 'pillow-sdz[test]'")

import pyarrow.parquet  # noqa: E402

FILES = 8
PICTURE = (640, 480)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for number in range(FILES - 1):
        photo(folder / f"{number}.png", size=PICTURE)
    photo(folder / "deep" / "last.png", size=PICTURE)
    (folder / "bad.jpg").write_bytes(b"no picture")
    return folder


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pillow_sdz.cli", "--engine", "ray", "--payload", "pixels", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True)


def lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stderr is not None
    for line in process.stderr:
        yield line.rstrip()
    process.stderr.close()


def converting(process: subprocess.Popen[str]) -> list[Any]:
    """The processes that convert."""
    found = psutil.Process(process.pid).children(recursive=True)
    return [each for each in found if "MapWorker" in " ".join(each.cmdline())]


def listening(processes: Iterable[Any]) -> set[tuple[str, str]]:
    """Names of the processes that listen for connections over TCP, and the addresses that they listen at."""
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            for each in process.net_connections("tcp"):
                if each.status == psutil.CONN_LISTEN:
                    found.add((process.name(), each.laddr.ip))
    return found


def rows_in(output: Path) -> dict[str, dict[str, Any]]:
    rows = pyarrow.parquet.read_table(output / "_sdz_manifest").to_pylist()
    found = {Path(row["path"]).name: row for row in rows}
    assert len(found) == len(rows)
    return found


def test_a_killed_process_loses_nothing_and_a_second_run_adds_what_is_missing(photos: Path, tmp_path: Path) -> None:
    process = start(tmp_path, "photos", "out")
    descendants: set[Any] = set()
    listeners: set[tuple[str, str]] = set()
    said = []
    for line in lines_of(process):
        said.append(line)
        if " -> " in line and not descendants:
            descendants.update(psutil.Process(process.pid).children(recursive=True))
            listeners = listening([psutil.Process(process.pid), *descendants])
            converting(process)[0].kill()
    assert process.wait() == 1  # because of the bad file
    assert descendants
    assert listeners
    assert [each for each in listeners if each[1] not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")] == []
    output = tmp_path / "out"
    names = sorted(["_sdz_manifest", "deep", *(f"{number}.sdz" for number in range(FILES - 1))])
    assert names_in(output) == names
    assert names_in(output / "deep") == ["last.sdz"]
    for path in output.rglob("*.sdz"):
        with Image.open(path) as image:
            image.load()
            assert image.size == PICTURE
    rows = rows_in(output)
    assert rows["bad.jpg"]["status"] == "failed"
    assert rows["bad.jpg"]["failure"] == "Pillow does not recognise it as a picture"
    assert rows["last.png"]["output"] == os.path.join("deep", "last.sdz")  # noqa: PTH118
    done = [row for row in rows.values() if row["status"] == "done"]
    assert len(done) == FILES
    for row in done:
        assert row["bytes_out"] == (output / row["output"]).stat().st_size
        assert row["psnr"] > 20
    assert sum(" -> " in line and " bytes in " not in line for line in said) == FILES
    gone, alive = psutil.wait_procs(descendants, timeout=10)
    assert (len(gone), alive) == (len(descendants), [])

    # the second run: the one that is missing is made, the bad one is tried again, a lost table is made from the outputs
    (photos / "bad.jpg").unlink()
    photo(photos / "bad.jpg", size=PICTURE)
    (output / "3.sdz").unlink()
    times = {path: path.stat().st_mtime_ns for path in output.glob("?.sdz")}
    for part in (output / "_sdz_manifest").glob("part-*"):
        part.unlink()
    process = start(tmp_path, "--quiet", "photos", "-o", "out")
    assert list(lines_of(process)) == []
    assert process.wait() == 0
    assert names_in(output) == sorted([*names, "bad.sdz"])
    assert times == {path: path.stat().st_mtime_ns for path in times}
    again = rows_in(output)
    assert {name: row["psnr"] for name, row in again.items() if name != "bad.jpg"} == {
        name: row["psnr"] for name, row in rows.items() if name != "bad.jpg"
    }
    assert [name for name, row in sorted(again.items()) if row["seconds"] is not None] == ["3.png", "bad.jpg"]


def test_an_address_without_ray_is_an_error(photos: Path, tmp_path: Path) -> None:
    process = start(tmp_path, "--address", "127.0.0.1:9", "photos", "out")
    said = list(lines_of(process))
    assert process.wait() == 4
    assert any("Ray at 127.0.0.1:9 cannot be used" in line for line in said)
