"""A model without networks, for the tests of everything around the networks.

Its latents are the mean colours of blocks of 8x8 pixels, and a code is one level of such a mean. So the preview equals
the codes, and pictures made of such blocks come back exactly: `ToyManifest` makes direct codes the default.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from pillow_sdz.models import registry
from pillow_sdz.models.code_mapping import CodeMapping
from pillow_sdz.models.manifest import Manifest, ReceptiveRadius
from pillow_sdz.options import saving

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from numpy.typing import NDArray

FACTOR: Final = 8
STEP: Final = 1 / 64
"""Latent units of one code: a power of two, so that codes become latents and codes again without rounding."""

UNGUARDED: Final = 10
"""As `pillow_sdz.options.saving.GUARDED_EFFORT`: higher than every effort, so that the guard is never on by itself."""

FINGERPRINT: Final = b"toycodec"
"""The first bytes of the toy model's fingerprint, as files hold them."""

MATRIX: Final = np.concatenate([64 * np.eye(3), np.zeros((1, 3))]).astype(np.int8)
"""Preview matrix: the three channels are red, green and blue."""


class ToyManifest(Manifest):
    """A manifest without a folder, of a model made for direct codes."""

    @property
    def default_payload(self) -> str:
        return "direct"


MANIFEST: Final = ToyManifest(
    folder=Path("/nowhere/toy"),
    name="tiny",  # the default of save()
    version=99,
    fingerprint=FINGERPRINT.hex().ljust(64, "0"),
    codes=CodeMapping(step=STEP, bound=None, channels=3, factor=FACTOR),
    context=ReceptiveRadius(encoder=0, decoder=0, unet=0),
    latent_scaling=1.0,
    denoise_steps=1,
    preview_matrix=tuple(tuple(row) for row in MATRIX.tolist()),
    licence="none",
    training_data=(),
)
"""The toy model's manifest: it is the newest version of ``tiny``."""

OTHER: Final = replace(MANIFEST, name="other", version=2, fingerprint=b"othertoy".hex().ljust(64, "0"))
"""Another model, with the same latents."""


def blocks(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """A random picture (height, width, 3) of blocks of one colour each."""
    shape = -(-height // FACTOR), -(-width // FACTOR), 3
    return grow(np.random.default_rng(seed).integers(0, 256, shape, np.uint8), width, height)


def grow(codes: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The picture (height, width, 3) whose blocks have the colours ``codes``, (h, w, 3)."""
    return codes.repeat(FACTOR, axis=0).repeat(FACTOR, axis=1)[:height, :width]


def means(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean colours of the blocks, (h, w, 3); the picture is continued by its edge pixels."""
    height, width = rgb.shape[:2]
    padded = np.pad(rgb, ((0, -height % FACTOR), (0, -width % FACTOR), (0, 0)), mode="edge").astype(np.float32)
    rows, columns = padded.shape[0] // FACTOR, padded.shape[1] // FACTOR
    found: NDArray[np.float32] = padded.reshape(rows, FACTOR, columns, FACTOR, 3).mean((1, 3))
    return found


def codes_of(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The codes of a picture, (h, w, 3)."""
    return means(rgb).round().astype(np.uint8)


class Denoised(NamedTuple):
    """The arguments of one call of `ToyModel.denoise` besides the latents."""

    noise: float
    denoise_steps: int


class ToyModel:
    """Stand-in for `pillow_sdz.models.model.Model` that records its calls.

    Attributes:
        unet: anything but None: a model without a U-Net has None.
        pictures: those that were encoded.
        encoding_tiles, decoding_tiles: the tile size of each call of `encode` and `decode`.
        denoised: noise and steps of each call of `denoise`.
    """

    def __init__(self, manifest: Manifest = MANIFEST) -> None:
        self.manifest = manifest
        self.unet: object | None = object()
        self.pictures: list[NDArray[np.uint8]] = []
        self.encoding_tiles: list[int | None] = []
        self.decoding_tiles: list[int | None] = []
        self.denoised: list[Denoised] = []

    def encode(self, rgb: NDArray[np.uint8], tile: int | None) -> NDArray[np.float32]:
        self.pictures.append(rgb)
        self.encoding_tiles.append(tile)
        return (means(rgb) - np.float32(127.5)) * np.float32(STEP)

    def noise_at(self, strength: float) -> float:
        return 1000 * strength

    def denoise(self, latents: NDArray[np.float32], noise: float, denoise_steps: int) -> NDArray[np.float32]:
        self.denoised.append(Denoised(noise, denoise_steps))
        return latents

    def decode(self, latents: NDArray[np.float32], height: int, width: int, tile: int | None) -> NDArray[np.uint8]:
        self.decoding_tiles.append(tile)
        codes = np.rint(latents / np.float32(STEP) + np.float32(127.5)).clip(0, 255).astype(np.uint8)
        return grow(codes, width, height)


class Loaded(NamedTuple):
    """The arguments of one call of `pillow_sdz.models.registry.load`, the model by its full name."""

    model: str
    device: str | None
    dtype: str | None


class Toy:
    """Toy models in the registry.

    Attributes:
        manifests: those that the registry finds before all others.
        model: what `load` returns for each of them.
        loaded: the calls of `load` for one of them.
        failure: the exception that `load` raises instead, if set.
    """

    def __init__(self, *manifests: Manifest) -> None:
        self.manifests = list(manifests)
        self.model = ToyModel()
        self.loaded: list[Loaded] = []
        self.failure: BaseException | None = None
        self._real = registry.installed
        self._load: Any = registry.load

    def installed(self) -> Iterator[Manifest]:
        yield from self.manifests
        yield from self._real()

    def load(self, manifest: Manifest, device: str | None = None, dtype: str | None = None) -> Any:
        if manifest not in self.manifests:  # the guard compares pictures by the shipped model
            return self._load(manifest, device, dtype)
        self.loaded.append(Loaded(manifest.full_name, device, dtype))
        if self.failure is not None:
            raise self.failure
        return self.model


def install(monkeypatch: pytest.MonkeyPatch | None = None) -> Toy:
    """Let the registry find the toy model first, for one test, or without ``monkeypatch`` for the whole process.

    The guard is off unless a test asks for it: it has networks of its own, and would store drawn blocks as pixels.
    """
    toy = Toy(MANIFEST, OTHER)
    put: Any = setattr if monkeypatch is None else monkeypatch.setattr
    put(registry, "installed", toy.installed)
    put(registry, "load", toy.load)
    put(saving, "GUARDED_EFFORT", UNGUARDED)
    return toy
