"""Reading a file without networks or torch: structure, metadata, alpha, codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from pillow_sdz import limits
from pillow_sdz.codec.patching import decode_sheet
from pillow_sdz.coding.planes import decode_alpha
from pillow_sdz.container.metadata import decode_metadata
from pillow_sdz.container.patches import parse_patches
from pillow_sdz.container.sections import parse
from pillow_sdz.container.stored_error import parse_error, parse_error_map
from pillow_sdz.errors import SdzLimitError
from pillow_sdz.models import model_data, registry
from pillow_sdz.payloads import kinds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.container.header import Header
    from pillow_sdz.container.metadata import Metadata
    from pillow_sdz.container.patches import Patches
    from pillow_sdz.container.sections import Container
    from pillow_sdz.container.stored_error import StoredError
    from pillow_sdz.payloads.protocol import StoredPayload


_PIECE_BYTES: Final = 1 << 20
"""Bytes that are read from a stream at a time."""


@dataclass(frozen=True)
class SdzFile:
    """A file whose structure has been read, while its sections are still coded.

    Attributes:
        container: header and coded section bodies.
        payload: the payload, with the heads of its layers parsed.
        patches: the patches, with their rectangles checked, or None.
    """

    container: Container
    payload: StoredPayload
    patches: Patches | None

    @property
    def header(self) -> Header:
        """The header."""
        return self.container.header

    @property
    def progressive(self) -> bool:
        """Whether a part of a layer can be decoded."""
        return kinds.payload(self.header.payload).progressive

    @property
    def needs_model(self) -> bool:
        """Whether the codes stand for a model's latent; if not, they are the pixels."""
        return kinds.payload(self.header.payload).needs_model

    def metadata(self) -> Metadata:
        """Decode the metadata.

        Raises:
            SdzError: a section is damaged or too large.
        """
        return decode_metadata(self.container.metadata, self.header.colour_space)

    def alpha(self) -> NDArray[np.uint8] | None:
        """Decode the alpha plane, (H, W), or None where there is none.

        Raises:
            SdzError: the section is damaged.
        """
        if self.container.alpha is None:
            return None
        return decode_alpha(self.container.alpha, self.header.width, self.header.height)

    def error(self) -> StoredError | None:
        """Decode what the file says about its error, or None where it says nothing.

        Raises:
            SdzError: the section is damaged.
        """
        return None if self.container.error is None else parse_error(self.container.error)

    def error_map(self) -> NDArray[np.uint8] | None:
        """Decode the error map, (rows, columns), or None where there is none.

        Raises:
            SdzError: the section is damaged.
        """
        if self.container.error_map is None:
            return None
        return parse_error_map(self.container.error_map, self.header.width, self.header.height)

    def codes(self, stride: int = 1) -> NDArray[np.uint8]:
        """Decode the codes, or those of a grid; see `pillow_sdz.payloads.protocol.StoredPayload.decode`.

        Raises:
            SdzError: the codes are damaged, need the prior of a model that is missing, or do not fit their model.
        """
        self._check_model()
        return self.payload.decode(model_data.of_fingerprint(self.header.fingerprint), stride)

    def check(self) -> None:
        """Decode all sections only to find errors; codes that need a missing model are skipped.

        Raises:
            SdzError: a section is damaged, or contradicts the model if that is installed.
        """
        self.metadata()
        self.alpha()
        self.error()
        self.error_map()
        self._check_model()
        self.payload.check(model_data.of_fingerprint(self.header.fingerprint))
        self.check_patches()

    def check_patches(self) -> None:
        """Decode the sheet of the patches only to find errors.

        Raises:
            SdzError: it is damaged, or Pillow was built without its coding.
        """
        if self.patches is not None:
            decode_sheet(self.patches)

    def _check_model(self) -> None:
        """Refuse a file whose channels or factor contradict its model, if that is installed."""
        header = self.header
        if self.needs_model and registry.name_of(header.fingerprint) is not None:
            registry.find_fitting(header.fingerprint, header.channels, header.factor)


def read(data: bytes, *, allow_truncated: bool = False) -> SdzFile:
    """Read a file: structure, limits, checksums, the heads of layers and patches. Section bodies are not decoded.

    Args:
        data: the whole file.
        allow_truncated: see `pillow_sdz.container.sections.parse`.

    Raises:
        SdzError: as for `pillow_sdz.container.sections.parse`, `pillow_sdz.payloads.protocol.Payload.read` and
            `pillow_sdz.container.patches.parse_patches`.
    """
    container = parse(data, allow_truncated=allow_truncated)
    header = container.header
    payload = kinds.payload(header.payload).read(
        container.layers, header.latent_shape, header.noise, container.truncation
    )
    patches = None if container.patches is None else parse_patches(container.patches, header.width, header.height)
    return SdzFile(container, payload, patches)


def read_all(stream: IO[bytes]) -> bytes:
    """Read a stream to its end, in bounded pieces, because it may be endless.

    Raises:
        SdzLimitError: the stream is longer than `limits.MAX_FILE_BYTES`.
    """
    pieces, length = [], 0
    while piece := stream.read(_PIECE_BYTES):
        pieces.append(piece)
        length += len(piece)
        if length > limits.MAX_FILE_BYTES:
            raise SdzLimitError(
                "is too long", field="file", expected=f"at most {limits.MAX_FILE_BYTES} bytes",
                remedy="raise pillow_sdz.limits.MAX_FILE_BYTES if you trust the file",
            )  # fmt: skip
    return b"".join(pieces)
