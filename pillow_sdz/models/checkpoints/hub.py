"""Checkpoints from the Hugging Face hub, by its own client: the files that a model needs, at one commit.

huggingface_hub is imported within `download`, so that its absence is an error only there.
"""

from __future__ import annotations

import errno
import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzModelError, naming_file, needs_packages
from pillow_sdz.models.checkpoints.checkpoint import (
    NETWORK_STEM,
    PICKLES,
    TEXT_ENCODER_STEM,
    pickle_refused,
    weight_names,
)
from pillow_sdz.models.checkpoints.pipeline import PIPELINE_NAME, check_parts
from pillow_sdz.models.configuration import CONFIG_NAME, SCHEDULER_CONFIG_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

ENDPOINT_VARIABLE: Final = "HF_ENDPOINT"
"""The hub client's environment variable: another address of the hub."""

DEFAULT_REVISION: Final = "main"

TOKENIZER_FILES: Final = (
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
)
"""Files of a tokenizer; those that a repository has are downloaded."""


def download(repository: str, revision: str | None, *, vae_only: bool) -> tuple[Path, str]:
    """Download a repository's files into the hub client's own cache.

    Args:
        repository: ``owner/name``.
        revision: commit, tag or branch; None is ``main``.
        vae_only: download the autoencoder alone.

    Returns:
        The folder that holds them in diffusers' layout, and the commit.

    Raises:
        SdzModelError: there is no such repository or revision, the hub cannot be reached, or files are missing or
            there only as pickles.
        SdzDependencyError: the hub's client cannot be imported.
    """
    with needs_packages("downloading"):
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    endpoint = os.environ.get(ENDPOINT_VARIABLE) or None
    revision = revision or DEFAULT_REVISION
    wanted: list[str] = []
    with naming_file(repository):
        try:
            info = HfApi(endpoint=endpoint).model_info(repository, revision=revision)
            commit, names = str(info.sha), {item.rfilename for item in info.siblings or ()}
            wanted = select(names, vae_only=vae_only)
            patterns = [glob.escape(name) for name in wanted]
            folder = snapshot_download(repository, revision=commit, endpoint=endpoint, allow_patterns=patterns)
        except SdzModelError:
            raise
        except HfHubHTTPError as error:
            if getattr(error.response, "status_code", 500) < 500:
                raise _refused(revision, error) from error
            raise _unreachable(revision, wanted, vae_only, error) from error
        except LocalEntryNotFoundError as error:
            raise _unreachable(revision, wanted, vae_only, error) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _not_understood(error) from error
        except Exception as error:  # versions of the client use different HTTP libraries, with their own errors
            if not isinstance(error, OSError) and "http" not in type(error).__module__:
                raise
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
                raise SdzModelError(
                    f"the hub's cache cannot be written: {error}",
                    remedy="make room, or name another folder with HF_HOME",
                ) from error
            raise _unreachable(revision, wanted, vae_only, error) from error
    return Path(folder), commit


def select(names: set[str], *, vae_only: bool) -> list[str]:
    """The files of a repository that a model is made of, out of all its ``names``.

    >>> select({"config.json", "diffusion_pytorch_model.safetensors", "README.md"}, vae_only=False)
    ['config.json', 'diffusion_pytorch_model.safetensors']

    Raises:
        SdzModelError: some are missing, or there only as pickles.
    """
    folders = {name.split("/")[0] for name in names if "/" in name}
    if "vae" not in folders and PIPELINE_NAME not in names:
        return [CONFIG_NAME, *_weights(names, "", NETWORK_STEM)]
    if vae_only:
        return [f"vae/{CONFIG_NAME}", *_weights(names, "vae/", NETWORK_STEM)]
    check_parts(folders)
    wanted = [f"{part}/{CONFIG_NAME}" for part in ("vae", "unet", "text_encoder")]
    wanted += [f"scheduler/{SCHEDULER_CONFIG_NAME}", *(name for name in names if name == PIPELINE_NAME)]
    if missing := [name for name in wanted if name not in names]:
        raise _incomplete(missing)
    wanted += [f"tokenizer/{name}" for name in TOKENIZER_FILES if f"tokenizer/{name}" in names]
    for part, stem in (("vae", NETWORK_STEM), ("unet", NETWORK_STEM), ("text_encoder", TEXT_ENCODER_STEM)):
        wanted += _weights(names, f"{part}/", stem)
    return wanted


def _weights(names: set[str], folder: str, stem: str) -> list[str]:
    """The files with the weights of one network: one file, or an index and its shards."""
    if folder + CONFIG_NAME not in names:
        raise _incomplete([folder + CONFIG_NAME])
    for name in weight_names(stem):
        if folder + name not in names:
            continue
        if not name.endswith(".json"):
            return [folder + name]
        shards = sorted(each for each in names if each.startswith(f"{folder}{stem}") and "-of-" in each)
        return [folder + name, *(each for each in shards if each.endswith(".safetensors"))]
    pickle = next((each for each in sorted(names) if each.startswith(folder) and each.endswith(PICKLES)), None)
    if pickle is not None:
        raise pickle_refused(pickle)
    raise _incomplete([f"{folder}{stem}.safetensors"])


def _incomplete(missing: Iterable[str]) -> SdzModelError:
    return SdzModelError(
        "the repository has not all the files of a model in diffusers' layout",
        expected=", ".join(missing),
        remedy="if it has a checkpoint in a single file, download that and add the file",
    )


def _refused(revision: str, error: Any) -> SdzModelError:
    """The error for refusals of the hub: no such repository or revision, or no access without logging in."""
    name, reason = type(error).__name__, " ".join(str(error).split())[:200]
    problem, remedy = f"the hub refuses: {reason}", None
    if name == "RevisionNotFoundError":
        problem = "the repository has no such revision"
    elif name == "RepositoryNotFoundError":
        problem, remedy = "the hub has no such repository, or it is private", "for private ones, log in: hf auth login"
    elif name == "GatedRepoError":
        problem, remedy = "the repository is gated", "accept its licence on its page, then log in: hf auth login"
    return SdzModelError(problem, field="revision", found=revision, remedy=remedy)


def _not_understood(error: Exception) -> SdzModelError:
    """The error for names that the client refuses, and for answers that the hub never gives, such as a login page."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return SdzModelError(
        f"no folder, and no repository that the hub's client understands: {reason}",
        expected="a folder, a .safetensors file, or owner/name of the Hugging Face hub",
    )


def _unreachable(revision: str, wanted: list[str], vae_only: bool, error: Exception) -> SdzModelError:
    """The error if the hub cannot be reached: it lists the files that are needed, and says where to put them."""
    if not wanted:
        parts = ["vae"] if vae_only else ["vae", "unet"]
        wanted = [f"{part}/{name}" for part in parts for name in (CONFIG_NAME, f"{NETWORK_STEM}.safetensors")]
        if not vae_only:
            wanted += [f"text_encoder/{CONFIG_NAME}", f"text_encoder/{TEXT_ENCODER_STEM}.safetensors"]
            wanted += [f"scheduler/{SCHEDULER_CONFIG_NAME}", "tokenizer/vocab.json", "tokenizer/merges.txt"]
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return SdzModelError(
        f"the hub cannot be reached: {reason}",
        field="revision",
        found=revision,
        remedy=f"download these files elsewhere, put them into a folder FOLDER under the same names, and add that "
        f"(sdz-convert models add NAME FOLDER): {', '.join(wanted)}",
    )
