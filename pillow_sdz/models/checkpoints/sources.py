"""Where a checkpoint comes from: a folder, a file, or a repository of the Hugging Face hub."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzModelError, SdzOptionError, naming_file
from pillow_sdz.models.checkpoints.checkpoint import PICKLES, Checkpoint, pickle_refused
from pillow_sdz.models.checkpoints.hub import download
from pillow_sdz.models.checkpoints.pipeline import read_folder
from pillow_sdz.models.checkpoints.single_file import read_file
from pillow_sdz.models.configuration import CLASS_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pillow_sdz.models.checkpoints.checkpoint import SourceOptions

REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
"""The form of a repository's name on the hub."""

SCHEDULER_OPTIONS: Final = {
    "ddim": "DDIMScheduler",
    "pndm": "PNDMScheduler",
    "euler": "EulerDiscreteScheduler",
    "lms": "LMSDiscreteScheduler",
    "unipc": "UniPCMultistepScheduler",
}
"""diffusers' schedulers by the names that users give them."""


def read_source(source: str, options: SourceOptions) -> Checkpoint:
    """Read a checkpoint from wherever it is.

    Raises:
        SdzModelError: it is not there, incomplete, damaged or unsupported.
        SdzOptionError: there is no such scheduler, or an option does not apply to this kind of source.
        SdzDependencyError: transformers, which the unconditional embedding needs, is missing.
    """
    if options.scheduler not in (None, *SCHEDULER_OPTIONS):
        raise SdzOptionError(
            "no such scheduler", field="scheduler", found=options.scheduler, expected=", ".join(SCHEDULER_OPTIONS)
        )
    try:
        path = Path(source).expanduser()
    except RuntimeError as error:  # a path such as ~nobody, if there is no such user
        raise SdzModelError(f"no such folder: {error}", file=source) from error
    _check_options(options, is_file=path.is_file(), is_local=path.exists())
    if path.is_dir():
        checkpoint = replace(read_folder(path, vae_only=options.vae_only), source=str(path.resolve()))
    elif path.is_file():
        check_file(path)
        checkpoint = replace(read_file(path, options), source=str(path.resolve()))
    elif REPOSITORY.fullmatch(source):
        folder, commit = download(source, options.revision, vae_only=options.vae_only)
        checkpoint = replace(read_folder(folder, vae_only=options.vae_only), source=f"{source} --revision {commit}")
    else:
        raise SdzModelError(
            "no such file or folder, and not the name of a repository",
            file=source,
            expected="a folder in diffusers' layout, a .safetensors file, or owner/name of the Hugging Face hub",
        )
    if options.scheduler is not None:
        if checkpoint.scheduler is None:
            raise _unused("scheduler", options.scheduler, "a model with a U-Net")
        checkpoint = replace(
            checkpoint, scheduler=_with_class(checkpoint.scheduler, SCHEDULER_OPTIONS[options.scheduler])
        )
    return checkpoint


def _check_options(options: SourceOptions, *, is_file: bool, is_local: bool) -> None:
    """Refuse options that do not apply to this kind of source.

    Raises:
        SdzOptionError: there are some; the error names the first.
    """
    if options.revision is not None and is_local:
        raise _unused("revision", options.revision, "a repository of the Hugging Face hub")
    for name in ("family", "prediction", "config"):
        if (value := getattr(options, name)) is not None and not is_file:
            raise _unused(name, str(value), "a single file; folders and repositories have their own configurations")


def _unused(name: str, found: str, expected: str) -> SdzOptionError:
    return SdzOptionError("does not apply to this source", field=name, found=found, expected=f"only with {expected}")


def _with_class(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A scheduler's configuration with the same noise schedule for another class."""
    return {"clip_sample": False, **config, CLASS_KEY: name}  # DDIM clips by default; latents are not bounded


def check_file(path: Path) -> None:
    """Refuse files that are not safetensors, by their suffix and their first bytes.

    Raises:
        SdzModelError: it is a pickle, or something else.
    """
    with naming_file(path):
        try:
            with path.open("rb") as file:
                start = file.read(9)
        except OSError as error:
            raise SdzModelError(f"cannot be read: {error}") from error
        pickled = start[8:] != b"{" and start.startswith((b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"))
        if pickled or path.suffix.lower() in PICKLES:
            raise pickle_refused()
        if path.suffix.lower() != ".safetensors":
            raise SdzModelError("not a checkpoint", found=path.suffix, expected=".safetensors")
