"""Scalar payloads from ``save`` to pixels: real coder, a small prior, and a model without networks."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import toy_scalar
from fresh import WITHOUT_TORCH, FreshPython
from in_memory import opened_sdz
from PIL import Image
from toy_model import STEP
from toy_scalar import error_of, saved

from pillow_sdz.codec.decode import decode
from pillow_sdz.codec.file import read
from pillow_sdz.container.sections import build, parse
from pillow_sdz.errors import SdzError, SdzModelError, SdzOptionError
from pillow_sdz.models import model_data, registry
from pillow_sdz.options import DecodeSettings
from pillow_sdz.payloads.scalar.rate_control import STEP_AT_DEFAULT

if TYPE_CHECKING:
    from pathlib import Path

    from cli_fakes import Run
    from toy_model import ToyModel


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ToyModel:
    return toy_scalar.install_model(monkeypatch, tmp_path)


@pytest.fixture
def photo(chelsea: Image.Image) -> Image.Image:
    return chelsea.resize((400, 304))


def test_scalar_is_the_default_of_a_model_with_a_prior(photo: Image.Image) -> None:
    with Image.open(saved(photo)) as image:
        assert (image.info["payload"], image.info["colors"], image.info["layers"]) == ("scalar", (), 2)
        assert (image.info["step"], image.info["denoise_steps"]) == (STEP_AT_DEFAULT, 1)
        assert type(image.info["step"]) is float
        assert image.info["noise"] == pytest.approx(STEP_AT_DEFAULT / math.sqrt(12), abs=0.125)
    assert (
        saved(photo, payload="scalar").getvalue()
        == saved(photo, step=STEP_AT_DEFAULT).getvalue()
        == saved(photo).getvalue()
    )


def test_other_payloads_when_asked_for(photo: Image.Image) -> None:
    for keywords, payload, colors in (
        ({"quality": 100}, "direct", ()),
        ({"payload": "direct"}, "direct", ()),
        ({"colors": 16}, "palette", (16,)),
        ({"payload": "palette", "quality": 10}, "palette", (10,)),
    ):
        info = Image.open(saved(photo, **keywords)).info
        assert (info["payload"], info["colors"]) == (payload, colors)
        assert "step" not in info


def test_steps_are_counted_in_sixteenths(photo: Image.Image) -> None:
    assert Image.open(saved(photo, step=9.99)).info["step"] == 10.0
    assert Image.open(saved(photo, step=4.04)).info["step"] == 4.0625


def test_error_is_that_of_rounding(photo: Image.Image) -> None:
    sizes, errors = [], []
    for step in (64, 32, 16, 4):
        stream = saved(photo, step=step)
        sizes.append(len(stream.getvalue()))
        errors.append(error_of(stream, photo))
        assert errors[-1] == pytest.approx(step / math.sqrt(12), rel=0.25)
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


def test_contradictions_between_quality_and_payload(photo: Image.Image) -> None:
    with pytest.raises(SdzOptionError, match=r"payload: this quality stores direct codes .found scalar, .*step"):
        saved(photo, quality=100, payload="scalar")


def test_the_denoiser_is_told_the_exact_noise(photo: Image.Image, model: ToyModel) -> None:
    Image.open(saved(photo, step=21.0625)).load()
    assert model.denoised[-1].noise == pytest.approx(21.0625 / math.sqrt(12) * STEP, rel=1e-12)
    image = Image.open(saved(photo, colors=16))
    image.load()
    assert model.denoised[-1].noise == pytest.approx(image.info["noise"] * STEP)


def test_a_file_may_not_ask_for_any_number_of_steps(photo: Image.Image, model: ToyModel) -> None:
    Image.open(saved(photo, denoise_steps=50)).load()
    assert model.denoised[-1].denoise_steps == 50
    image = Image.open(saved(photo, denoise_steps=255))
    with pytest.warns(UserWarning, match=r"asks for 255 U-Net steps and gets 50; .*options\.decode\.denoise_steps"):
        image.load()
    assert model.denoised[-1].denoise_steps == 50
    image = opened_sdz(saved(photo, denoise_steps=255).getvalue())
    image.denoise_steps = 200
    image.load()
    assert model.denoised[-1].denoise_steps == 200


def test_a_file_that_contradicts_its_model_is_refused_before_its_codes(
    photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = parse(saved(photo).getvalue())
    head = container.header
    container.header = dataclasses.replace(head, factor=1, width=head.latent_width, height=head.latent_height)
    data = build(container)
    monkeypatch.setattr(model_data, "prior", None)
    message = r"channels, factor: the file does not fit its model toy-1 \(found \(3, 1\), expected \(3, 8\)\)"
    for use in ("verify", "load"):
        with Image.open(io.BytesIO(data)) as image, pytest.raises(SdzModelError, match=message):
            getattr(image, use)()


def test_target_size(photo: Image.Image, model: ToyModel) -> None:
    for target in (1300, 2000, 3100):
        model.pictures.clear()
        stream = saved(photo, target_size=target)
        assert 0.97 * target <= len(stream.getvalue()) <= target
        assert Image.open(stream).info["payload"] == "scalar"
        assert len(model.pictures) == 1
    assert Image.open(saved(photo, target_size=10**6)).info["payload"] == "direct"
    smallest = len(saved(photo, step=128).getvalue())
    with pytest.raises(SdzOptionError, match=f"at least {smallest} bytes"):
        saved(photo, target_size=smallest - 1)


def test_preview_needs_the_prior_but_no_weights(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = saved(photo, step=4)
    monkeypatch.setattr(registry, "load", None)
    image = Image.open(stream)
    image.thumbnail((50, 38))
    assert np.abs(np.asarray(image, float) - np.asarray(photo.resize((50, 38), Image.Resampling.BOX))).mean() < 8


def test_without_torch(photo: Image.Image, tmp_path: Path, fresh_python: FreshPython) -> None:
    photo.save(tmp_path / "a.sdz", model="toy")
    program = f"""
import pillow_sdz
from PIL import Image

image = Image.open("a.sdz")
assert image.info["model"] == "toy-1" and image.info["step"] == {STEP_AT_DEFAULT}
image.thumbnail((40, 30))
with Image.open("a.sdz") as again:
    again.verify()
assert "torch" not in sys.modules
"""
    fresh_python(WITHOUT_TORCH + program)


def test_without_the_model(photo: Image.Image, tmp_path: Path) -> None:
    file = tmp_path / "a.sdz"
    photo.save(file, model="toy")
    shutil.rmtree(tmp_path / "models" / "toy")
    short = toy_scalar.FINGERPRINT[:16]
    message = rf"a\.sdz: .*not installed .found {short}, .*put the model's folder into"
    with Image.open(file) as image:
        assert (image.size, image.info["model"], image.info["step"]) == (photo.size, short, STEP_AT_DEFAULT)
        for _ in range(2):
            with pytest.raises(SdzModelError, match=message):
                image.load()
        with pytest.raises(SdzModelError, match=message):
            image.thumbnail((40, 30))
    with Image.open(file) as image:
        image.verify()


def test_verify_checks_what_it_can_without_the_model(photo: Image.Image, tmp_path: Path) -> None:
    data = saved(photo).getvalue()
    shutil.rmtree(tmp_path / "models" / "toy")
    read(data).check()
    container = parse(data)
    container.layers[0] = b"\x01\x00" + container.layers[0][2:]
    with pytest.raises(SdzError, match="layer 1, step"):
        Image.open(io.BytesIO(build(container)))


def test_a_damaged_prior_shows_before_the_networks_work(photo: Image.Image, tmp_path: Path, model: ToyModel) -> None:
    (tmp_path / "models" / "toy" / "prior.i32").write_bytes(bytes(len(toy_scalar.PRIOR_BYTES)))
    with pytest.raises(SdzModelError, match="SHA-256"):
        saved(photo)
    assert not model.pictures
    saved(photo, colors=16)


def test_a_model_without_a_prior_stores_palettes(photo: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "models" / "toy" / "model.json"
    fields = json.loads(path.read_text())
    del fields["codes"]["prior"]
    path.write_text(json.dumps(fields))
    assert Image.open(saved(photo, quality=25)).info["colors"] == (43,)
    assert Image.open(saved(photo, target_size=1000)).info["payload"] == "palette"
    for keywords in ({"payload": "scalar"}, {"step": 21}):
        with pytest.raises(SdzModelError, match="model toy-1 has no prior, which scalar payloads need"):
            saved(photo, **keywords)


def test_the_decoder_checks_that_the_file_fits_the_model(photo: Image.Image) -> None:
    file = read(saved(photo).getvalue())
    file.container.header = dataclasses.replace(file.header, channels=4)
    with pytest.raises(SdzModelError, match="does not fit its model toy-1"):
        decode(file, DecodeSettings())


def test_text_named_like_the_new_fact_survives(photo: Image.Image) -> None:
    image = Image.open(saved(photo, text={"step": "one"}))
    assert (image.info["step"], image.info["text:step"]) == (STEP_AT_DEFAULT, "one")
    again = Image.open(saved(image))
    assert again.info["text:step"] == "one"


def test_command_line(photo: Image.Image, tmp_path: Path, run_real: Run) -> None:
    run = run_real
    photo.save("a.png")
    assert run("a.png", "--model", "toy", "--step", "12.5") == 0
    assert run("--info", "a.sdz") == 0
    assert "scalar, in steps of 12.5 codes" in run.out
    assert run("--info", "--json", "a.sdz") == 0
    found = json.loads(run.out)
    assert (found["payload"], found["step"], found["model"]) == ("scalar", 12.5, "toy-1")
    assert found["layers"][0]["entries"] is None
    assert run("--test", "a.sdz") == 0
    for options in (("--quality", "5"), ("--colors", "16"), ("--target-size", "5kB"), ("--payload", "direct")):
        assert run("a.png", "--force", "--step", "12.5", *options) == 2
    assert run("a.png", "--force", "--step", "0.5") == 2
    assert run("a.png", "--model", "toy", "--force", "--step", "1") == 0, "as fine as save() allows"
    shutil.rmtree(tmp_path / "models" / "toy")
    assert run("--info", "a.sdz") == 0
    assert run("--test", "a.sdz") == 4
    assert toy_scalar.FINGERPRINT[:16] in run.err
