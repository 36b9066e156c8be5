"""The header of a file: fixed fields, the magic first, checked against limits and against each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from construct import BitStruct, Bytes, Const, Int8ul, Int16ul, Nibble, Struct

from pillow_sdz import limits
from pillow_sdz.coding.boxes import build_box, parse_box
from pillow_sdz.container.colour_spaces import COLOUR_SPACES, GREY_MODES, GREY_SPACES
from pillow_sdz.container.magic import MAGIC
from pillow_sdz.errors import NEEDS_NEWER_VERSION, SdzFormatError, SdzLimitError, SdzTruncatedError, SdzVersionError
from pillow_sdz.payloads import kinds

HEADER: Final = Struct(
    "magic" / Const(MAGIC),
    "version" / Int8ul,
    "flags" / Int8ul,
    "colour" / BitStruct("colour_space" / Nibble, "mode" / Nibble),
    "payload" / BitStruct("kind" / Nibble, "layers" / Nibble),
    "width" / Int16ul,
    "height" / Int16ul,
    "factor" / Int8ul,
    "channels" / Int8ul,
    "latent_width" / Int16ul,
    "latent_height" / Int16ul,
    "quantiser" / Int8ul,
    "noise" / Int8ul,
    "denoise_steps" / Int8ul,
    "fingerprint" / Bytes(8),
)
HEADER_BYTES: Final = HEADER.sizeof()
"""Size of the header, the magic included."""

VERSION: Final = 0
"""Format version written and read. 0 means draft: until release 1.0 the format may change without notice."""

MODES: Final = ("L", "LA", "RGB", "RGBA")
"""Modes of Pillow, by their number in the header."""

FLAG_SYNTHESISED: Final = 1
"""Bit 0 of the flags; see `Header.synthesised`."""

FLAG_PATCHED: Final = 2
"""Bit 1 of the flags; see `Header.patched`."""

_ALL_FLAGS: Final = FLAG_SYNTHESISED | FLAG_PATCHED

NO_FINGERPRINT: Final = bytes(8)
"""The fingerprint in files that need no model."""


@dataclass(frozen=True)
class Header:
    """The fields of the header, decoded.

    Attributes:
        mode: Pillow mode of the decoded picture: "L", "LA", "RGB" or "RGBA".
        payload: kind of payload, one of `pillow_sdz.payloads.kinds.KINDS`.
        layer_count: number of layer sections, 1 to the `max_layers` of the payload kind.
        width: picture width in pixels, 1 to 65535.
        height: picture height in pixels, 1 to 65535.
        factor: downsampling factor of the model: 1, 2, 4, 8, 16, 32 or 64.
        channels: latent channels, 1 to 64.
        latent_width: ceil(width / factor).
        latent_height: ceil(height / factor).
        fingerprint: first 8 bytes of the model's SHA-256, see `pillow_sdz.models.fingerprint`; `NO_FINGERPRINT` if the
            payload kind needs no model.
        noise: rms quantisation error of the codes in quarters of a code, 0 to 255 (255 means 255 or more).
        denoise_steps: U-Net steps that a reader should take by default, 0 to 255; 0 means none.
        quantiser: 0, the uniform code mapping of the model's manifest.
        synthesised: True if decoding may show detail that was not in the original.
        patched: True if a patches section follows the last layer.
        version: format version, 0.
        colour_space: one of `pillow_sdz.container.colour_spaces.COLOUR_SPACES`; None if the file has a profile of its
            own, or none.
    """

    mode: str
    payload: str
    layer_count: int
    width: int
    height: int
    factor: int
    channels: int
    latent_width: int
    latent_height: int
    fingerprint: bytes
    noise: int
    denoise_steps: int
    quantiser: int = 0
    synthesised: bool = True
    patched: bool = False
    version: int = VERSION
    colour_space: str | None = None

    @property
    def has_alpha(self) -> bool:
        """Whether the mode asks for an alpha section."""
        return self.mode in ("LA", "RGBA")

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Shape of the code array: (latent_height, latent_width, channels)."""
        return self.latent_height, self.latent_width, self.channels


def check_header(header: Header) -> None:
    """Check the header's fields against the limits and against each other.

    Raises:
        SdzFormatError: a field contradicts another or is out of its range.
        SdzVersionError: a field has a value reserved for later versions.
        SdzLimitError: the picture or its latent is too large.
    """

    def demand(ok: bool, name: str, found: object, expected: str) -> None:
        if not ok:
            raise SdzFormatError("is out of range", field=name, found=found, expected=expected)

    if header.version != VERSION:
        raise SdzVersionError(NEEDS_NEWER_VERSION, field="version", found=header.version, expected=VERSION)
    if header.quantiser != 0:
        raise SdzVersionError(NEEDS_NEWER_VERSION, field="quantiser", found=header.quantiser, expected=0)
    demand(header.mode in MODES, "mode", header.mode, "one of " + ", ".join(MODES))
    spaces = ", ".join(filter(None, COLOUR_SPACES))
    demand(header.colour_space in COLOUR_SPACES, "colour_space", header.colour_space, f"one of {spaces}, or None")
    if header.colour_space in GREY_SPACES and header.mode not in GREY_MODES:
        raise SdzFormatError(
            f"is for grey, and the mode is {header.mode}", field="colour_space", found=header.colour_space
        )
    demand(header.payload in kinds.KINDS, "payload", header.payload, "one of " + ", ".join(kinds.KINDS))
    max_layers, needs_model = kinds.payload(header.payload).max_layers, kinds.payload(header.payload).needs_model
    demand(1 <= header.layer_count <= max_layers, "layers", header.layer_count, f"1 to {max_layers}")
    limits.check_picture(header.width, header.height)
    demand(header.factor in limits.FACTORS, "factor", header.factor, f"one of {limits.FACTORS}")
    demand(1 <= header.channels <= limits.MAX_CHANNELS, "channels", header.channels, f"1 to {limits.MAX_CHANNELS}")
    for name, side, latent in (
        ("latent_width", header.width, header.latent_width),
        ("latent_height", header.height, header.latent_height),
    ):
        positions = -(-side // header.factor)
        expected = f"{positions}, the {name[7:]} {side} divided by {header.factor}, rounded up"
        demand(latent == positions, name, latent, expected)
    values = header.latent_width * header.latent_height * header.channels
    if not needs_model:
        _check_without_model(header)
    elif values > limits.MAX_LATENT_VALUES:
        raise SdzLimitError(
            "the latent is too large",
            field="latent",
            found=f"{values} values",
            expected=f"at most {limits.MAX_LATENT_VALUES}",
            remedy="raise pillow_sdz.limits.MAX_LATENT_VALUES if you trust the file",
        )
    demand(len(header.fingerprint) == 8, "fingerprint", f"{len(header.fingerprint)} bytes", "8 bytes")
    demand(0 <= header.noise <= 255, "noise", header.noise, "0 to 255")
    demand(0 <= header.denoise_steps <= 255, "denoise_steps", header.denoise_steps, "0 to 255")


def _check_without_model(header: Header) -> None:
    """Refuse values that mean nothing without a model, so that the same picture has the same header.

    Raises:
        SdzFormatError: a field has another value than it must have.
    """
    for name, expected in (
        ("factor", 1), ("channels", 3), ("noise", 0), ("denoise_steps", 0), ("synthesised", False), ("patched", False),
        ("fingerprint", NO_FINGERPRINT),
    ):  # fmt: skip
        if (found := getattr(header, name)) != expected:
            shown = (each.hex() if isinstance(each, bytes) else each for each in (found, expected))
            raise SdzFormatError(
                f"is not allowed with payload {header.payload}", field=name, found=next(shown), expected=next(shown)
            )


def read_header(view: memoryview) -> Header:
    """Parse and check the header.

    Args:
        view: the whole file, its magic already checked.

    Raises:
        SdzTruncatedError: the file ends within the header.
        SdzVersionError: a field has a value reserved for later versions.
        SdzFormatError: a field contradicts another or is out of its range.
        SdzLimitError: the picture or its latent is too large.
    """
    if len(view) < HEADER_BYTES:
        raise SdzTruncatedError(
            "the file ends within the header",
            field="header",
            found=f"{len(view)} bytes",
            expected=f"{HEADER_BYTES} bytes",
            remedy="get the file again",
        )
    box = parse_box(HEADER, view, 0, field="header")
    for name, value, known in (
        ("version", box.version, range(VERSION + 1)),
        ("flags", box.flags, range(_ALL_FLAGS + 1)),
        ("colour_space", box.colour.colour_space, range(len(COLOUR_SPACES))),
        ("mode", box.colour.mode, range(len(MODES))),
        ("payload", box.payload.kind, range(len(kinds.KINDS))),
    ):
        if value not in known:
            raise SdzVersionError(NEEDS_NEWER_VERSION, field=name, found=value, expected=f"0 to {known[-1]}")
    header = Header(
        mode=MODES[box.colour.mode],
        payload=kinds.KINDS[box.payload.kind],
        layer_count=box.payload.layers,
        width=box.width,
        height=box.height,
        factor=box.factor,
        channels=box.channels,
        latent_width=box.latent_width,
        latent_height=box.latent_height,
        fingerprint=box.fingerprint,
        noise=box.noise,
        denoise_steps=box.denoise_steps,
        quantiser=box.quantiser,
        synthesised=bool(box.flags & FLAG_SYNTHESISED),
        patched=bool(box.flags & FLAG_PATCHED),
        version=box.version,
        colour_space=COLOUR_SPACES[box.colour.colour_space],
    )
    check_header(header)
    return header


def header_bytes(header: Header) -> bytes:
    """Serialise a header that `check_header` accepts, in `HEADER_BYTES` bytes."""
    return build_box(
        HEADER,
        magic=MAGIC,
        version=header.version,
        flags=FLAG_SYNTHESISED * header.synthesised | FLAG_PATCHED * header.patched,
        colour={"colour_space": COLOUR_SPACES.index(header.colour_space), "mode": MODES.index(header.mode)},
        payload={"kind": kinds.KINDS.index(header.payload), "layers": header.layer_count},
        width=header.width,
        height=header.height,
        factor=header.factor,
        channels=header.channels,
        latent_width=header.latent_width,
        latent_height=header.latent_height,
        quantiser=header.quantiser,
        noise=header.noise,
        denoise_steps=header.denoise_steps,
        fingerprint=header.fingerprint,
    )
