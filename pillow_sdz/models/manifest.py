"""A model folder's manifest: ``model.json``, checked field by field. Needs neither torch nor diffusers.

A model is a folder in diffusers' layout (``vae/``, ``unet/``, ``scheduler/``) plus this file and, optionally,
``prior.i32`` and ``preview.i32``, the prior of scalar payloads and the preview networks as little-endian int32 values,
and ``empty_prompt.safetensors``, the unconditional CLIP embedding for U-Nets that take a prompt.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pillow_sdz.errors import SdzModelError, naming_file
from pillow_sdz.limits import is_whole
from pillow_sdz.models.code_mapping import MAX_SCALE, CodeMapping, read_code_mapping
from pillow_sdz.models.graph_files import GraphFile, read_graph_files
from pillow_sdz.models.listed_files import read_listed
from pillow_sdz.models.manifest_fields import REINSTALL, digest_field, is_digest, real_field, whole_field, wrong_field
from pillow_sdz.models.preview_file import PREVIEW_NAME, PreviewFile, read_preview_file

if TYPE_CHECKING:
    from pathlib import Path

    from pillow_sdz.payloads.preview_networks import PreviewNetworks
    from pillow_sdz.payloads.scalar.prior import Prior

MANIFEST_NAME: Final = "model.json"
PRIOR_NAME: Final = "prior.i32"

CONFIG_FILES: Final = ("vae/config.json", "unet/config.json", "scheduler/scheduler_config.json")
"""The configurations of a model, whose SHA-256 its manifest may list."""

NAME_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9._]*(-[a-z0-9._]+)*")
"""Names that a model may have."""

MAX_MANIFEST_BYTES: Final = 1 << 20
"""Longest manifest that is read; real ones have a few kilobytes."""

MAX_VERSION: Final = 10**6
MAX_SHIFT: Final = 1e3
"""Largest absolute value of the latent shift, in latent values; autoencoders in use have shifts below 1."""

MAX_CONTEXT: Final = 4096
"""Largest receptive radius, in latent positions."""

WINDOW_SIDES: Final = (32, 512)
"""Smallest and largest side of a window, in latent positions: twice the overlap of 16, and 4096 pixels at factor 8."""

MAX_DENOISE_STEPS: Final = 255
"""Most U-Net steps by default: the file's field is an unsigned 8-bit number."""


class ReceptiveRadius(NamedTuple):
    """Receptive radius of each network in latent positions: how far away an input can change an output.

    Tiles overlap by it. Networks with attention or GroupNorm have no limited receptive field. Their models have a
    ``window`` in the manifest, and these numbers are the overlap in which neighbouring windows are blended.
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
        denoise_steps: U-Net steps that files ask for by default; ``steps`` in the JSON.
        preview_matrix: (channels + 1) rows of red, green and blue, see `pillow_sdz.payloads.preview_matrix`.
        licence, training_data: what the manifest says of the weights; for users only.
        window: side, in latent positions, of the windows for networks without a limited receptive field; None for all
            others, whose tiles may have any size and give the result of the whole picture.
        empty_prompt: SHA-256, in hex, of ``empty_prompt.safetensors``; None where the U-Net takes no prompt. It is not
            part of the fingerprint, because processors round differently when they compute the embedding.
        source: what the model was made from, as it was given; empty for models of this project.
        configs: SHA-256, in hex, by name, of configurations in the form of `configuration.digest`.
        encoder: `fingerprint.digest_of` the encoder's weights, which the fingerprint does not cover; None if not known.
        graphs: the networks as ONNX graphs, by the names of their files; empty for a model that only torch runs.
        preview: the preview networks, which the fingerprint does not cover, or None where the model has none.
    """

    folder: Path
    name: str
    version: int
    fingerprint: str
    codes: CodeMapping
    context: ReceptiveRadius
    latent_scaling: float
    denoise_steps: int
    preview_matrix: tuple[tuple[int, ...], ...]
    licence: str
    training_data: tuple[dict[str, Any], ...]
    latent_shift: float = 0.0
    window: int | None = None
    empty_prompt: str | None = None
    source: str = ""
    configs: tuple[tuple[str, str], ...] = ()
    encoder: str | None = None
    graphs: tuple[tuple[str, GraphFile], ...] = ()
    preview: PreviewFile | None = None

    @property
    def full_name(self) -> str:
        """Name and version, as files and error messages give it: ``tiny-8``."""
        return f"{self.name}-{self.version}"

    @property
    def short_fingerprint(self) -> bytes:
        """The first 8 bytes of the fingerprint, which is what a file holds."""
        return bytes.fromhex(self.fingerprint)[:8]

    @property
    def default_payload(self) -> str:
        """The payload kind that the model was made for: ``scalar`` if it has a prior, else ``palette``."""
        return "palette" if self.codes.prior is None else "scalar"

    @property
    def reinstall(self) -> str:
        """The remedy for damaged files: the command that brings them back, if a command added the model."""
        if not self.source:
            return REINSTALL
        import shlex

        name, (source, *revision) = self.name, self.source.split(" --revision ")
        options = "".join(f" --revision {shlex.quote(each)}" for each in revision)
        return f"sdz-convert models remove {name} && sdz-convert models add {name} {shlex.quote(source)}{options}"

    def prior(self) -> Prior:
        """Read the model's prior from its file; `pillow_sdz.models.model_data` keeps it for the process.

        Raises:
            SdzModelError: the model has none, or its file does not match the manifest.
        """
        listed = self.codes.prior
        if listed is None:
            raise SdzModelError(
                f"model {self.full_name} has no prior, which scalar payloads need",
                file=str(self.folder / MANIFEST_NAME),
                field="codes.prior",
                remedy="use a model that has one, or palettes",
            )
        from pillow_sdz.payloads.scalar.prior import Prior, PriorShape

        shape = PriorShape(self.codes.channels, listed.groups, listed.shared_width, listed.group_width)
        path = self.folder / PRIOR_NAME
        with naming_file(path):
            return Prior.from_bytes(read_listed(self, "prior", path, shape.byte_count, listed.sha256), shape)

    def preview_networks(self) -> PreviewNetworks | None:
        """Read the model's preview networks; `pillow_sdz.models.model_data` keeps them for the process.

        Raises:
            SdzModelError: their file does not match the manifest.
        """
        if self.preview is None:
            return None
        from pillow_sdz.payloads.preview_networks import PreviewNetworks, PreviewShape

        shape = PreviewShape(self.codes.channels, self.preview.networks)
        path = self.folder / PREVIEW_NAME
        with naming_file(path):
            data = read_listed(self, "preview file", path, shape.byte_count, self.preview.sha256)
            return PreviewNetworks.from_bytes(data, shape)


def read_manifest(folder: Path) -> Manifest:
    """Read and check ``folder``/model.json.

    Raises:
        SdzModelError: it is missing, not JSON, or a field is missing, of the wrong type or out of range.
    """
    path = folder / MANIFEST_NAME
    with naming_file(path):
        return _parse(_read_json(path), folder)


def _read_json(path: Path) -> object:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise SdzModelError(f"cannot read the model's manifest: {error}", remedy=REINSTALL) from error
    if len(raw) > MAX_MANIFEST_BYTES:
        raise SdzModelError("too large for a manifest", field="size", expected=f"at most {MAX_MANIFEST_BYTES} bytes")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise SdzModelError(f"not a model manifest: {error}", remedy=REINSTALL) from error


def _parse(fields: object, folder: Path) -> Manifest:
    if not isinstance(fields, dict) or fields.get("format") != "pillow_sdz model":
        raise wrong_field("format", fields.get("format") if isinstance(fields, dict) else fields, '"pillow_sdz model"')
    mapping, context = fields.get("codes"), fields.get("context")
    if not isinstance(mapping, dict) or not isinstance(context, dict):
        raise wrong_field("codes, context", mapping, "objects")
    name, fingerprint = fields.get("name"), fields.get("fingerprint")
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        raise wrong_field("name", name, "lower-case letters, digits, dots, underscores and inner hyphens")
    if not is_digest(fingerprint):
        raise wrong_field("fingerprint", fingerprint, "64 hexadecimal digits")
    configs = fields.get("configs", {})
    if not isinstance(configs, dict) or not all(k in CONFIG_FILES and is_digest(v) for k, v in configs.items()):
        raise wrong_field("configs", configs, f"an object of 64 hexadecimal digits by {', '.join(CONFIG_FILES)}")
    training = fields.get("training_data", [])
    if not isinstance(training, list):
        raise wrong_field("training_data", training, "a list")
    codes = read_code_mapping(mapping)
    return Manifest(
        folder=folder,
        name=name,
        version=whole_field(fields, "version", 1, MAX_VERSION),
        fingerprint=fingerprint,
        codes=codes,
        context=ReceptiveRadius(
            *(whole_field(context, part, 0, MAX_CONTEXT) for part in ("encoder", "decoder", "unet"))
        ),
        latent_scaling=real_field(fields, "latent_scaling", 1 / MAX_SCALE, MAX_SCALE),
        denoise_steps=whole_field(fields, "steps", 0, MAX_DENOISE_STEPS),
        preview_matrix=_preview_matrix(fields.get("preview_matrix"), codes.channels),
        licence=str(fields.get("licence", "unknown")),
        training_data=tuple(item for item in training if isinstance(item, dict)),
        latent_shift=real_field(fields, "latent_shift", -MAX_SHIFT, MAX_SHIFT) if "latent_shift" in fields else 0.0,
        window=None if fields.get("window") is None else whole_field(fields, "window", *WINDOW_SIDES),
        empty_prompt=digest_field(fields, "empty_prompt"),
        source=str(fields.get("source", "")),
        configs=tuple(sorted(configs.items())),
        encoder=digest_field(fields, "encoder"),
        graphs=read_graph_files(fields.get("graphs")),
        preview=read_preview_file(fields.get("preview")),
    )


def _preview_matrix(listed: object, channels: int) -> tuple[tuple[int, ...], ...]:
    if not isinstance(listed, list) or len(listed) != channels + 1 or not all(map(_is_matrix_row, listed)):
        raise wrong_field("preview_matrix", listed, f"{channels + 1} rows of 3 whole numbers from -128 to 127")
    return tuple(tuple(row) for row in listed)


def _is_matrix_row(row: object) -> bool:
    return isinstance(row, list) and len(row) == 3 and all(is_whole(value, -128, 127) for value in row)
