"""A model folder's manifest: ``model.json``, checked field by field. Needs neither torch nor diffusers.

A model is a folder in diffusers' layout (``vae/``, ``unet/``, ``scheduler/``) plus this file, and optionally
``palettes/NUMBER.u8``: plain uint8 data, entries x channels, for files that name a palette instead of holding one,
``prior.i32``: little-endian int32 data, for scalar payloads, and ``empty_prompt.safetensors``: what a text encoder says
of the empty prompt, for U-Nets that ask.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from pillow_sdz.errors import SdzModelError
from pillow_sdz.limits import MAX_CHANNELS, MAX_ENTRIES, MIN_ENTRIES
from pillow_sdz.models.fingerprint import CodeMapping, PaletteFile, PriorFile

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pillow_sdz.payloads.scalar.prior import Prior

__all__ = ["FILE_NAME", "CodeMapping", "Context", "Manifest", "PaletteFile", "PriorFile", "read_manifest"]

FILE_NAME = "model.json"
CONFIGS = ("vae/config.json", "unet/config.json", "scheduler/scheduler_config.json")
PRIOR_NAME = "prior.i32"
SHIFT = 1e3  # autoencoders in use have shifts below 1
WINDOWS = (32, 512)  # latent positions; twice the overlap of 16, and 4096 pixels at factor 8
MAX_PRIOR_WIDTH = 1024  # hidden values of a layer, as spec/sdz.md has it: sums stay exact in float64
MAX_MANIFEST_BYTES = 1 << 20  # a manifest is a few kilobytes; more is not one of ours
NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._]*(-[a-z0-9._]+)*")


@dataclass(frozen=True)
class Context:
    """How many latent positions around an output position can change it: the overlap that tiles need.

    Networks with attention or GroupNorm see the whole picture. Their models have a ``window`` in the manifest, and
    these numbers are the overlap in which neighbouring windows are faded into each other.
    """

    encoder: int
    decoder: int
    unet: int


@dataclass(frozen=True)
class Manifest:
    """What ``model.json`` says.

    Attributes:
        fingerprint: the SHA-256, in hex, that `fingerprint.fingerprint` computes.
        latent_scaling, latent_shift: the U-Net works on (latent - shift) * scaling.
        window: side of the windows, in latent positions, that pictures are worked on in; None for networks whose tiles
            equal the whole, which may be of any size.
        empty_prompt: SHA-256, in hex, of ``empty_prompt.safetensors``; None where the U-Net takes no prompt. It is not
            part of the fingerprint: machines compute it with different last digits.
        source: what the model was made from, as it was given; empty for models of our own.
        configs: SHA-256, in hex, by name, of configurations in the form of `configuration.digest`. The fingerprint
            covers weights alone, of which another number of heads or another schedule would make other pictures.
    """

    folder: Path
    name: str
    version: int
    fingerprint: str
    codes: CodeMapping
    context: Context
    latent_scaling: float
    steps: int
    preview_matrix: tuple[tuple[int, ...], ...]
    licence: str
    training_data: tuple[dict[str, Any], ...]
    latent_shift: float = 0.0
    window: int | None = None
    empty_prompt: str | None = None
    source: str = ""
    configs: tuple[tuple[str, str], ...] = ()

    @property
    def full_name(self) -> str:
        """Name and version, as files and error messages give it: ``tiny-8``."""
        return f"{self.name}-{self.version}"

    @property
    def short_fingerprint(self) -> bytes:
        """The first 8 bytes of the fingerprint, which is what a file holds."""
        return bytes.fromhex(self.fingerprint)[:8]

    def palette(self, number: int) -> NDArray[np.uint8]:
        """Read the model's palette ``number``, (entries, channels).

        Raises:
            SdzModelError: the model has no such palette, or its file does not match the manifest.
        """
        listed = next((p for p in self.codes.palettes if p.number == number), None)
        if listed is None:
            known = ", ".join(str(p.number) for p in self.codes.palettes) or "none"
            raise SdzModelError(
                f"model {self.full_name} has no such palette", field="palette number", found=number, expected=known
            )
        path = self.folder / "palettes" / f"{number}.u8"
        data = self._read(path, "palette", listed.entries * self.codes.channels, listed.sha256)
        return np.frombuffer(data, np.uint8).reshape(listed.entries, self.codes.channels)

    def prior(self) -> Prior:
        """Read the model's prior. `pillow_sdz.models.registry` keeps it for the process.

        Raises:
            SdzModelError: the model has none, or its file does not match the manifest.
        """
        listed = self.codes.prior
        if listed is None:
            raise SdzModelError(
                f"model {self.full_name} has no prior, which scalar payloads need", file=str(self.folder / FILE_NAME),
                field="codes.prior", remedy="use a model that has one, or palettes",
            )  # fmt: skip
        from pillow_sdz.payloads.scalar.prior import Prior, PriorShape

        path = self.folder / PRIOR_NAME
        shape = PriorShape(self.codes.channels, listed.groups, listed.wide, listed.deep)
        return Prior.from_bytes(self._read(path, "prior", shape.byte_count, listed.sha256), shape, file=str(path))

    def _read(self, path: Path, what: str, size: int, sha256: str) -> bytes:
        """Read a file of a known size and SHA-256, never more of it than that.

        Raises:
            SdzModelError: it cannot be read, or differs.
        """
        try:
            with path.open("rb") as file:
                data = file.read(size + 1)
        except OSError as error:
            raise SdzModelError(
                f"cannot read a {what} of model {self.full_name}: {error}", file=str(path), remedy=REINSTALL
            ) from error
        if len(data) != size:
            raise SdzModelError(
                f"the {what} differs from the model's manifest", file=str(path), field="size", remedy=REINSTALL,
                found=f"{len(data)} bytes" if len(data) < size else "more", expected=f"{size} bytes",
            )  # fmt: skip
        if (found := hashlib.sha256(data).hexdigest()) != sha256:
            raise SdzModelError(
                f"the {what} differs from the model's manifest", file=str(path), field="SHA-256", remedy=REINSTALL,
                found=found[:16], expected=sha256[:16],
            )  # fmt: skip
        return data


REINSTALL = "install the model again"


def read_manifest(folder: Path) -> Manifest:
    """Read and check ``folder``/model.json.

    Raises:
        SdzModelError: it is missing, not JSON, or a field is missing, of the wrong type or out of range.
    """
    path = folder / FILE_NAME
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_MANIFEST_BYTES + 1)
        if len(raw) > MAX_MANIFEST_BYTES:
            raise SdzModelError(
                "too large for a manifest", file=str(path), field="size", expected=f"at most {MAX_MANIFEST_BYTES} bytes"
            )
        fields = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise SdzModelError(f"not a model manifest: {error}", file=str(path), remedy=REINSTALL) from error
    except SdzModelError:
        raise
    except OSError as error:
        raise SdzModelError(f"cannot read the model's manifest: {error}", file=str(path), remedy=REINSTALL) from error
    return _checked(fields, folder, str(path))


def _is_digest(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _checked(fields: object, folder: Path, file: str) -> Manifest:
    def fail(field: str, found: object, expected: str) -> SdzModelError:
        return SdzModelError(
            "wrong field", file=file, field=field, found=repr(found)[:80], expected=expected, remedy=REINSTALL
        )

    def number(source: dict[str, Any], field: str, low: float, high: float, kind: type = int) -> Any:
        value = source.get(field)
        if (
            isinstance(value, bool)
            or not isinstance(value, int if kind is int else (int, float))
            or not low <= value <= high
        ):
            raise fail(field, value, f"{'a whole number' if kind is int else 'a number'} from {low} to {high}")
        return kind(value)

    if not isinstance(fields, dict) or fields.get("format") != "pillow_sdz model":
        raise fail("format", fields.get("format") if isinstance(fields, dict) else fields, '"pillow_sdz model"')
    mapping, context = fields.get("codes"), fields.get("context")
    if not isinstance(mapping, dict) or not isinstance(context, dict):
        raise fail("codes, context", mapping, "objects")
    name, digest = fields.get("name"), fields.get("fingerprint")
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        raise fail("name", name, "lower-case letters, digits, dots, underscores and inner hyphens")
    if not _is_digest(digest):
        raise fail("fingerprint", digest, "64 hexadecimal digits")
    prompt = fields.get("empty_prompt")
    if prompt is not None and not _is_digest(prompt):
        raise fail("empty_prompt", prompt, "null or 64 hexadecimal digits")
    configs = fields.get("configs", {})
    if not isinstance(configs, dict) or not all(k in CONFIGS and _is_digest(v) for k, v in configs.items()):
        raise fail("configs", configs, f"an object of 64 hexadecimal digits by {', '.join(CONFIGS)}")
    channels = number(mapping, "channels", 1, MAX_CHANNELS)
    palettes = []
    listed, training = mapping.get("palettes", []), fields.get("training_data", [])
    for field, items in (("codes.palettes", listed), ("training_data", training)):
        if not isinstance(items, list):
            raise fail(field, items, "a list")
    for item in listed:
        if not isinstance(item, dict) or not _is_digest(item.get("sha256")):
            raise fail("codes.palettes", item, "objects with number, entries and sha256")
        entries = number(item, "entries", MIN_ENTRIES, MAX_ENTRIES)
        palettes.append(PaletteFile(number(item, "number", 0, 0xFFFF), entries, item["sha256"]))
    prior: PriorFile | None = None
    item = mapping.get("prior")
    if item is not None:
        if not isinstance(item, dict) or not _is_digest(item.get("sha256")):
            raise fail("codes.prior", item, "null or an object with groups, wide, deep and sha256")
        groups = number(item, "groups", 1, channels)
        if channels % groups:
            raise fail("groups", groups, f"a divisor of the {channels} channels")
        wide, deep = (number(item, name, 1, MAX_PRIOR_WIDTH) for name in ("wide", "deep"))
        prior = PriorFile(groups, wide, deep, item["sha256"])
    matrix = np.array(fields.get("preview_matrix"), dtype=object)
    if matrix.shape != (channels + 1, 3) or any(not isinstance(v, int) or not -128 <= v <= 127 for v in matrix.flat):
        raise fail(
            "preview_matrix", fields.get("preview_matrix"), f"{channels + 1} rows of 3 whole numbers from -128 to 127"
        )
    return Manifest(
        folder=folder,
        name=name,
        version=number(fields, "version", 1, 10**6),
        fingerprint=digest,
        codes=CodeMapping(
            step=number(mapping, "step", 1e-9, 1e9, float),
            bound=None if mapping.get("bound") is None else number(mapping, "bound", 1e-9, 1e9, float),
            channels=channels,
            factor=number(mapping, "factor", 1, 64),
            palettes=tuple(palettes),
            prior=prior,
        ),
        context=Context(*(number(context, part, 0, 4096) for part in ("encoder", "decoder", "unet"))),
        latent_scaling=number(fields, "latent_scaling", 1e-9, 1e9, float),
        steps=number(fields, "steps", 0, 255),
        preview_matrix=tuple(tuple(int(v) for v in row) for row in matrix),
        licence=str(fields.get("licence", "unknown")),
        training_data=tuple(item for item in training if isinstance(item, dict)),
        latent_shift=number(fields, "latent_shift", -SHIFT, SHIFT, float) if "latent_shift" in fields else 0.0,
        window=None if fields.get("window") is None else number(fields, "window", *WINDOWS),
        empty_prompt=prompt,
        source=str(fields.get("source", "")),
        configs=tuple(sorted(configs.items())),
    )
