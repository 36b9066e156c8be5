"""The stored pictures: .sdz files, each named by the SHA-256 of its bytes, so a name always means the same bytes.

    pictures/3f/3fa9....sdz
    uploads/81/81c0...          the name of the picture that an upload became

The second kind of file makes uploading twice cheap: the same upload is not encoded again. It may be deleted any time.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from tools.web_server.files import remove_abandoned, write_whole

if TYPE_CHECKING:
    from pathlib import Path

_NAME: Final = re.compile(r"[0-9a-f]{64}")


class Store:
    """Pictures in a folder, which several processes may use at the same time.

    Args:
        folder: made if it is missing.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._pictures = folder / "pictures"
        self._uploads = folder / "uploads"
        for each in (self._pictures, self._uploads):
            each.mkdir(parents=True, exist_ok=True)
            remove_abandoned(each)

    def put(self, data: bytes) -> str:
        """Store a picture, if it is not there yet; returns its name.

        Raises:
            OSError: it could not be written; then nothing is left of it.
        """
        name = hashlib.sha256(data).hexdigest()
        try:
            known = self.read(name) == data
        except FileNotFoundError:
            known = False
        if not known:
            write_whole(self._path(name), data, durable=True)
        return name

    def read(self, name: str) -> bytes:
        """The bytes of a picture.

        Raises:
            FileNotFoundError: there is none of this name.
            OSError: it cannot be read.
        """
        return self._path(name).read_bytes()

    def has(self, name: str) -> bool:
        """Whether there is a picture of this name; any text may be asked for."""
        return _NAME.fullmatch(name) is not None and self._path(name).is_file()

    def remember_upload(self, digest: str, name: str) -> None:
        """Note what picture an upload has become.

        Args:
            digest: SHA-256 of the upload and of the options that it was saved with.
            name: of the picture.

        Raises:
            OSError: it could not be written.
        """
        write_whole(self._uploads / digest[:2] / digest, name.encode(), durable=False)

    def find_upload(self, digest: str) -> str | None:
        """The name of the picture that an upload has become, if the picture is still there."""
        try:
            name = (self._uploads / digest[:2] / digest).read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return None
        return name if self.has(name) else None

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise FileNotFoundError("no such picture")
        return self._pictures / name[:2] / f"{name}.sdz"
