"""Checks that a model's files are those that its manifest lists: the weights by fingerprint, configurations by SHA-256.

The prior and the unconditional embedding are checked where they are read, in `manifest` and `embedding`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models.configuration import digest, read_config
from pillow_sdz.models.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from pillow_sdz.models.manifest import Manifest


def check_weights(manifest: Manifest, tensors: Mapping[str, Tensor]) -> None:
    """Check that these are the weights that a manifest names.

    Args:
        manifest: of the model's folder.
        tensors: all its weights, see `pillow_sdz.models.fingerprint.all_tensors`.

    Raises:
        SdzModelError: their fingerprint is another one; the message says how to get the right weights.
    """
    found = fingerprint(tensors, manifest.codes)
    if found != manifest.fingerprint:
        raise SdzModelError(
            f"the weights of model {manifest.full_name} are not those of its manifest",
            file=str(manifest.folder),
            field="fingerprint",
            found=found[:16],
            expected=manifest.fingerprint[:16],
            remedy=manifest.reinstall,
        )


def check_digests(manifest: Manifest) -> None:
    """Check that a model's configurations are those that its manifest lists.

    Raises:
        SdzModelError: one is missing or differs; the message says how to get the right one.
    """
    for name, expected in manifest.configs:
        path = manifest.folder / name
        if (found := digest(read_config(path))) != expected:
            raise SdzModelError(
                f"the configuration is not the one that model {manifest.full_name} was made with",
                file=str(path),
                field="SHA-256",
                found=found[:16],
                expected=expected[:16],
                remedy=manifest.reinstall,
            )
