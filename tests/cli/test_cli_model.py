"""From a photo to a file and back with the shipped model, through the command line alone."""

import numpy as np
import pytest
from cli_fakes import Run, names_in
from PIL import Image


@pytest.fixture
def run(capfdbinary, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return Run(capfdbinary, monkeypatch, real=True)


@pytest.fixture
def photos(tmp_path, astronaut, chelsea):
    astronaut.crop((100, 0, 292, 160)).save(tmp_path / "a.png")
    chelsea.crop((100, 60, 229, 157)).save(tmp_path / "b.jpg", quality=95)
    return tmp_path


def test_photos_there_and_back(run, photos):
    assert run("a.png", "b.jpg", "--device", "cpu") == 0, run.err
    assert "note" not in run.err
    assert run("a.sdz", "b.sdz", "-o", "back", "--device", "cpu") == 0, run.err
    for name, original in (("a", "a.png"), ("b", "b.jpg")):
        assert (photos / f"{name}.sdz").stat().st_size < 4000
        with Image.open(original) as before, Image.open(f"back/{name}.png") as after:
            assert before.size == after.size
            assert psnr(before, after) > 18


def psnr(one, other):
    """Peak signal-to-noise ratio of two 8-bit pictures, in dB."""
    return 10 * np.log10(255**2 / np.mean((np.asarray(one, float) - np.asarray(other, float)) ** 2))


def test_threads_and_options_change_what_they_should(run, photos):
    for folder, *options in (("one",), ("two", "-j", "2"), ("small", "-q", "0"), ("fit", "--target-size", "1.2k")):
        assert run("a.png", "b.jpg", "-o", folder, *options) == 0, run.err
        assert names_in(photos / folder) == ["a.sdz", "b.sdz"]
    one, two, small, fit = ((photos / folder / "a.sdz").read_bytes() for folder in ("one", "two", "small", "fit"))
    assert one == two
    assert len(small) < len(one)
    assert len(fit) <= 1200
    assert run("a.png", "-o", "x.sdz", "--target-size", "50") == 1
    assert "target_size" in run.err
    assert not (photos / "x.sdz").exists()


def test_files_of_the_model_pass_inspection(run, photos):
    assert run("a.png") == 0
    assert run("--test", "a.sdz") == 0
    assert run("--info", "a.sdz") == 0
    assert "tiny-" in run.out
    assert run("--preview", "a.sdz") == 0
    with Image.open("a.preview.png") as preview, Image.open("a.png") as photo:
        assert psnr(photo.resize(preview.size, Image.Resampling.BOX), preview) > 15
    assert run("a.png", "--model", "tinny", "--force") == 4
    assert "tinny" in run.err
