"""A stand-in for ComfyUI's module ``folder_paths``: the folders, and the same rules for names."""

from __future__ import annotations

import os
import re
from pathlib import Path

BASE = ""
"""The folder that has the others; a test sets it."""


def _directory(name: str) -> str:
    return str(Path(BASE, name))


def get_input_directory() -> str:
    """Where pictures to load are."""
    return _directory("input")


def get_output_directory() -> str:
    """Where files are saved."""
    return _directory("output")


def get_temp_directory() -> str:
    """Where previews are saved."""
    return _directory("temp")


def annotated_filepath(name: str) -> tuple[str, str | None]:
    """``cat.sdz [output]`` -> the name and the folder; without an annotation the folder is None. Nothing is checked."""
    for kind in ("output", "input", "temp"):
        if name.endswith(f"[{kind}]"):
            return name[: -len(kind) - 3], _directory(kind)
    return name, None


def get_save_image_path(
    filename_prefix: str, output_dir: str, image_width: int = 0, image_height: int = 0
) -> tuple[str, str, int, str, str]:
    """Folder, name, next number, subfolder and prefix of files to save.

    Raises:
        Exception: the folder is outside of ``output_dir``.
    """
    filename_prefix = filename_prefix.replace("%width%", str(image_width)).replace("%height%", str(image_height))
    subfolder, name = os.path.split(os.path.normpath(filename_prefix))
    folder = Path(os.path.normpath(Path(output_dir, subfolder)))
    if Path(output_dir) not in (folder, *folder.parents):
        raise Exception(f"Saving image outside the output folder is not allowed: {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    found = [re.match(re.escape(name) + r"_(\d+)", each.name) for each in folder.iterdir()]
    counter = 1 + max((int(match[1]) for match in found if match), default=0)
    return str(folder), name, counter, subfolder, filename_prefix
