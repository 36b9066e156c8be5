"""Which .sdz files there are, what new ones are called, and what the workflow adds to them."""

from __future__ import annotations

import hashlib
import json
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import folder_paths
from comfy.cli_args import args
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIX = ".sdz"

LISTED_AGAIN_AFTER = 1.0
"""Seconds for which a list of files is kept: ComfyUI asks for it many times in a row."""


def choices() -> list[str]:
    """The .sdz files of the input folder and, with ``[output]`` after the name, of the output folder; with subfolders.

    `folder_paths.annotated_filepath` knows that annotation.
    """
    return [
        *_names_in(folder_paths.get_input_directory()),
        *(f"{name} [output]" for name in _names_in(folder_paths.get_output_directory())),
    ]


def _names_in(folder: str) -> list[str]:
    return list(_names_at(folder, int(time.monotonic() / LISTED_AGAIN_AFTER)))


@lru_cache(maxsize=4)
def _names_at(folder: str, _moment: int) -> tuple[str, ...]:
    root = Path(folder).resolve()
    found = (
        Path(parent, name)
        for parent, _, names in os.walk(root)
        for name in names
        if name.lower().endswith(SUFFIX) and not name.startswith(".")
    )
    return tuple(sorted(path.relative_to(root).as_posix() for path in found if _is_in(root, path) and path.is_file()))


def _is_in(root: Path, path: Path) -> bool:
    """Whether a path leads into a folder, also where links are followed; newer versions of ComfyUI ask the same."""
    try:
        return root in path.resolve().parents
    except (OSError, RuntimeError):  # links in a circle
        return False


def path_of(name: str) -> Path:
    """The file that a choice names.

    Args:
        name: as in `choices`.

    Raises:
        ValueError: it names no file, or one outside of the folder: anybody who can send a workflow chooses the name,
            and older versions of ComfyUI do not check it.
    """
    bare, folder = folder_paths.annotated_filepath(name)
    root = Path(folder or folder_paths.get_input_directory()).resolve()
    path = root / bare.replace("\0", "?")  # no path can hold that byte
    if not _is_in(root, path):
        raise ValueError(f"{name!r} is outside of the {root.name} folder; choose a file from the list")
    if path.suffix.lower() != SUFFIX or not path.is_file():
        raise ValueError(f"there is no {SUFFIX} file {name!r} in the {root.name} folder; press R to update the list")
    return path


def problem_of(name: str | None) -> bool | str:
    """What is wrong with a file that was chosen, without decoding it; True if nothing is.

    Args:
        name: as in `choices`; None if it comes from another node and is not known yet.
    """
    if name is None:
        return True
    try:
        with Image.open(path_of(name)):
            return True
    except Exception as error:  # Pillow's readers may raise anything, and its error of too many pixels is no OSError
        return str(error)


def fingerprint_of(name: str) -> str:
    """SHA-256 of the file, in hex: the node runs again when it changes."""
    with path_of(name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def new_files(prefix: str, width: int, height: int) -> Iterator[tuple[Path, str]]:
    """Paths for the items of a batch, named as ComfyUI's Save Image names them, and the subfolder that they are in.

    A file that is there already is never replaced. (Where the prefix has ``%batch_num%``, ComfyUI counts from 1.)

    Args:
        prefix: may name a subfolder, and have ``%date...%`` and the like in it.
        width, height: of the picture in pixels, for the prefix.

    Raises:
        Exception: the prefix leads out of the output folder; ComfyUI's own check.
    """
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_output_directory(), width, height
    )
    number = 0
    while True:
        path = Path(folder, f"{name.replace('%batch_num%', str(number))}_{counter:05}_{SUFFIX}")
        counter += 1
        if not path.exists():
            yield path, subfolder
            number += 1


def workflow_texts(hidden: Any) -> dict[str, str]:
    """The texts that ComfyUI's own nodes write into PNG files, ``prompt`` and ``workflow``: JSON, by key.

    Args:
        hidden: of the node, with ``prompt`` and ``extra_pnginfo``.

    Returns:
        Nothing where ComfyUI runs with ``--disable-metadata``.
    """
    if args.disable_metadata or hidden is None:
        return {}
    prompt = {} if hidden.prompt is None else {"prompt": hidden.prompt}
    return {str(key): json.dumps(value) for key, value in {**prompt, **(hidden.extra_pnginfo or {})}.items()}
