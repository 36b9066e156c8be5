"""The profile of Bühlmann's experiment, against his arithmetic written down a second time."""

from __future__ import annotations

import dataclasses
import io
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sd_checkpoints as sd
import torch
from diffusers import AutoencoderKL
from PIL import Image

from pillow_sdz.codec import buehlmann2022 as buehlmann
from pillow_sdz.codec.file import read
from pillow_sdz.errors import SdzModelError, SdzOptionError
from pillow_sdz.models import registry
from pillow_sdz.models.checkpoints.add import add_model
from pillow_sdz.payloads import codes as plain
from pillow_sdz.payloads.palette.layers import decode_layer, read_head

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pillow_sdz.models.protocols import HasSample


def saved(image: Image.Image, model: str = "sd14") -> bytes:
    stream = io.BytesIO()
    image.save(stream, "SDZ", model=model, profile="buehlmann2022")
    return stream.getvalue()


def his_codes(picture: Image.Image, vae: Any) -> NDArray[np.uint8]:
    """to_latents and quantize of his notebook, in torch; (64, 64, 4).

    Channels last as in the package: other layouts sum in another order, and a few codes at an edge would differ.
    """
    vae = vae.eval().to(memory_format=torch.channels_last)
    x = torch.from_numpy(np.array(picture)).float() / 255 * 2 - 1
    with torch.no_grad():
        z = vae.encode(x.permute(2, 0, 1)[None]).latent_dist.sample(torch.Generator().manual_seed(0))
    q = (torch.clamp(z / (255 * 0.18215) + 0.5, 0, 1) * 255 + 0.5).to(torch.uint8)
    return q[0].permute(1, 2, 0).numpy()


def his_palette(codes: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Palette by libimagequant at speed 1, as its example program calls it; palette (256, 4) and indices (64, 64)."""
    from imagequant import ffi, lib

    attributes = lib.liq_attr_create()
    lib.liq_set_speed(attributes, 1)
    lib.liq_set_max_colors(attributes, 256)
    data = ffi.from_buffer(np.ascontiguousarray(codes))
    image = lib.liq_image_create_rgba(attributes, data, 64, 64, 0)
    result = ffi.new("liq_result**")
    assert lib.liq_image_quantize(image, attributes, result) == 0
    assert lib.liq_set_dithering_level(result[0], 1.0) == 0
    plane = bytearray(64 * 64)
    lib.liq_write_remapped_image(result[0], image, ffi.from_buffer(plane), len(plane))
    palette = lib.liq_get_palette(result[0])
    entries = [[getattr(palette.entries[i], channel) for channel in "rgba"] for i in range(palette.count)]
    return np.array(entries, np.uint8), np.frombuffer(plane, np.uint8).reshape(64, 64)


def test_codes_palette_and_indices_are_his(astronaut: Image.Image, pipeline: Path, models: Path) -> None:
    add_model("sd14", pipeline, vae_only=True)
    his: Any = AutoencoderKL
    codes = his_codes(astronaut, his.from_pretrained(pipeline / "vae"))
    assert len(np.unique(codes.reshape(-1, 4), axis=0)) > 256, "a palette that loses nothing would test nothing"
    model = registry.load(registry.find("sd14"), "cpu")
    ours = buehlmann.to_codes(model.encode_sample(np.asarray(astronaut).copy(), 0))
    assert np.array_equal(ours, codes), f"{(ours != codes).sum()} codes differ"
    palette, indices = his_palette(codes)
    data = saved(astronaut)
    file = read(data)
    assert (file.header.width, file.header.height) == (512, 512)
    (body,) = file.container.layers
    layer = decode_layer(body, read_head(body, 4), file.header.latent_shape)
    assert layer.palette.tobytes() == palette.tobytes()
    assert layer.indices.astype(np.uint8).tobytes() == indices.tobytes()
    assert len(data) <= 5200
    assert len(data) < len(zlib.compress(palette.tobytes() + indices.tobytes(), 9)) + 100
    Image.open(io.BytesIO(data)).load()


def test_his_codes_differ_from_plain_rounding_in_nothing_but_halves() -> None:
    latents = np.random.default_rng(0).normal(0, 6, (64, 64, 4)).astype(np.float32)
    z = torch.from_numpy(latents)
    expected = (torch.clamp(z / (255 * 0.18215) + 0.5, 0, 1) * 255 + 0.5).to(torch.uint8).numpy()
    found = buehlmann.to_codes(latents)
    assert np.array_equal(found, expected)
    assert np.abs(found.astype(int) - plain.to_codes(latents, 0.18215)).max() <= 1


def test_other_sizes_are_cut_and_scaled(chelsea: Image.Image, pipeline: Path, models: Path) -> None:
    add_model("sd14", pipeline, vae_only=True)
    translucent = chelsea.copy()
    translucent.putalpha(128)
    with Image.open(io.BytesIO(saved(translucent))) as image:
        assert (image.size, image.mode) == ((512, 512), "RGBA")
        assert image.info["colors"][0] <= 256


def test_other_models_and_options_are_refused(astronaut: Image.Image, models: Path, tmp_path: Path) -> None:
    with pytest.raises(SdzModelError, match=r"model tiny-8 does not fit the profile buehlmann2022.*models add"):
        saved(astronaut, "tiny")
    vae: Any = sd.make_tiny_vae()
    vae.save_pretrained(tmp_path / "taesd")
    add_model("taesd", tmp_path / "taesd")
    with pytest.raises(SdzModelError, match="does not fit the profile"):
        saved(astronaut, "taesd")
    fixed: dict[str, Any] = {"quality": 5, "colors": 16, "payload": "direct", "effort": 1, "step": 9, "target_size": 99}
    for name, value in fixed.items():
        with pytest.raises(SdzOptionError, match=f"profile: cannot be given together with {name}"):
            astronaut.save(tmp_path / "a.sdz", profile="buehlmann2022", **{name: value})
    with pytest.raises(SdzOptionError, match="no such profile"):
        astronaut.save(tmp_path / "a.sdz", profile="buehlmann")


def test_strength_says_where_the_steps_begin(pipeline: Path, models: Path) -> None:
    """His timesteps: 30 and 15."""
    manifest, _ = add_model("sd14", pipeline)
    model = registry.load(manifest, "cpu")
    assert model.unet is not None
    seen: list[int] = []
    unet = model.unet

    def spy(sample: torch.Tensor, timestep: int) -> HasSample:
        seen.append(timestep)
        return unet(sample, timestep)

    dataclasses.replace(model, unet=spy).denoise(np.zeros((4, 4, 4), np.float32), model.noise_at(0.03), 2)
    assert seen == [30, 15, 15]
