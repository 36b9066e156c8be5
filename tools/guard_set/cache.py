"""What was measured once is not measured again: a file of keys and values that grows line by line."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PIL import Image


def digest(image: Image.Image) -> str:
    """A name of a picture's pixels: 24 hexadecimal digits of SHA-256 over size and bytes."""
    return hashlib.sha256(f"{image.mode} {image.size} ".encode() + image.tobytes()).hexdigest()[:24]


class Cache:
    """Values by keys, each appended to a file as soon as it is known, so that an interrupted run loses none.

    Args:
        path: the file of JSON lines; made if it does not exist. A last line that was cut off is ignored.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, Any] = {}
        if path.exists():
            text = path.read_text(encoding="utf-8")
            for line in text.splitlines():
                try:
                    key, value = json.loads(line)
                except ValueError:
                    continue
                self.values[key] = value
            if text and not text.endswith("\n"):  # what follows must not join the line that was cut off
                with path.open("a", encoding="utf-8") as file:
                    file.write("\n")

    def get(self, key: str, compute: Callable[[], Any]) -> Any:
        """The value of a key; computed and kept if it is not known. It must be what JSON gives back unchanged."""
        if key not in self.values:
            self.values[key] = compute()
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, self.values[key]]) + "\n")
        return self.values[key]
