"""Checks that a model's files are those that its manifest lists: by fingerprint and by SHA-256.

The prior and the unconditional embedding are checked where they are read, in `manifest` and `embedding`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models.configuration import digest, read_config
from pillow_sdz.models.fingerprint import Decoding, decoding_tensors, digest_of, encoder_tensors, fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pillow_sdz.models.fingerprint import Weights
    from pillow_sdz.models.manifest import Manifest


def check_weights(
    manifest: Manifest, vae: Mapping[str, Weights], unet: Mapping[str, Weights] | None, configs: Mapping[str, Any]
) -> None:
    """Check that these are the networks that a manifest names, and that its own numbers are those of its fingerprint.

    Args:
        manifest: of the model's folder.
        vae, unet: the weights by the names of the state dictionaries; None without a U-Net.
        configs: the configurations of ``vae``, ``unet`` and ``scheduler``, the last two only with a U-Net.

    Raises:
        SdzModelError: the fingerprint, or the digest of the encoder if there is one, is another; the message says how
            to get the right files.
    """
    decoding = Decoding(
        manifest.codes,
        configs["vae"],
        configs.get("unet"),
        configs.get("scheduler"),
        manifest.latent_scaling,
        manifest.latent_shift,
    )
    found = fingerprint(decoding_tensors(vae, unet), decoding)
    if found != manifest.fingerprint:
        raise _differs(manifest, "the model is not the one of its manifest", "fingerprint", found, manifest.fingerprint)
    encoder = encoder_tensors(vae)
    if encoder and manifest.encoder is not None and (found := digest_of(encoder)) != manifest.encoder:
        raise _differs(manifest, "the encoder is not the one of its manifest", "encoder", found, manifest.encoder)


def _differs(manifest: Manifest, problem: str, field: str, found: str, expected: str) -> SdzModelError:
    return SdzModelError(
        f"model {manifest.full_name}: {problem}",
        file=str(manifest.folder),
        field=field,
        found=found[:16],
        expected=expected[:16],
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
