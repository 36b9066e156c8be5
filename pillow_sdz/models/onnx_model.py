"""A model whose networks ONNX Runtime runs on the CPU, in float32; it only decodes.

Weights and configurations are checked as for torch; the graphs by the SHA-256 of their files, and by the layout of the
weights that they were made for.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pillow_sdz.errors import SdzDependencyError, SdzModelError, naming_file
from pillow_sdz.models.configuration import CLASS_KEY, CONFIG_NAME, SCHEDULER_CONFIG_NAME, read_config
from pillow_sdz.models.diffusion.ddim import Ddim, covers
from pillow_sdz.models.fingerprint import ENCODER_PREFIXES
from pillow_sdz.models.graph_files import DECODER_GRAPH, UNET_GRAPH
from pillow_sdz.models.half_weights import WEIGHTS_NAME, read_half
from pillow_sdz.models.integrity import check_digests, check_weights
from pillow_sdz.models.model import Model
from pillow_sdz.models.onnx_sessions import Graph, prepare, runtime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.models.protocols import Scheduler


class Predicted(NamedTuple):
    """What the U-Net of an `OnnxModel` returns: the predicted noise, shaped like its input."""

    sample: NDArray[np.float32]


class OnnxModel(Model):
    """See `Model`. Its arrays are (h, w, C) everywhere, as the graphs take them.

    Args:
        manifest: lists the graphs.
        scheduler: None for a model without a U-Net.
    """

    def __init__(self, manifest: Manifest, scheduler: Scheduler | None) -> None:
        self.manifest, self.scheduler = manifest, scheduler
        self.unet = None if scheduler is None else self._predict
        self._decoder = Graph(manifest, DECODER_GRAPH)
        self._unet = None if scheduler is None else Graph(manifest, UNET_GRAPH)

    @property
    def activation_bytes(self) -> int:
        """See `Model`: graphs compute in float32."""
        return 4

    def prepare(self) -> None:
        """Make the sessions in another thread; whoever needs one before it is there waits for it."""
        prepare(*filter(None, (self._unet, self._decoder)))

    def check_encoder(self) -> None:
        """Raise the error: there is no graph of an encoder."""
        raise SdzDependencyError("encoding needs torch", remedy="pip install torch")

    def _running(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def _encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise NotImplementedError  # `check_encoder` comes first

    def _predict(self, sample: NDArray[np.float32], timestep: int) -> Predicted:
        assert self._unet is not None
        return Predicted(self._unet(sample=sample, timestep=np.array(timestep)))

    def _denoise(self, latents: NDArray[np.float32], noise: float, denoise_steps: int) -> NDArray[np.float32]:
        clean: NDArray[np.float32] = self._denoised(np.ascontiguousarray(latents), noise, denoise_steps)
        return clean

    def _decode(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        picture = self._decoder(latent=np.ascontiguousarray(latents))
        if not np.isfinite(picture).all():
            raise self._not_numbers("float32", "set runtime='torch'")
        picture *= np.float32(127.5)
        picture += np.float32(127.5)
        return np.clip(np.rint(picture, out=picture), 0, 255, out=picture)


def load_onnx_model(manifest: Manifest) -> OnnxModel:
    """Check the weights and configurations of a model with graphs, while another thread makes its sessions.

    Raises:
        SdzModelError: a part is missing or damaged, the fingerprint differs, or the weights are not laid out as the
            graphs expect.
    """
    folder = manifest.folder
    has_unet = (folder / "unet").is_dir()
    parts = ("vae", "unet") if has_unet else ("vae",)
    configs = {part: read_config(folder / part / CONFIG_NAME) for part in parts}
    if has_unet:
        configs["scheduler"] = read_config(folder / "scheduler" / SCHEDULER_CONFIG_NAME)
    check_digests(manifest)
    model = OnnxModel(manifest, _scheduler(folder, configs["scheduler"]) if has_unet else None)
    model.prepare()
    tensors = {part: _weights(manifest, part) for part in parts}
    check_weights(manifest, tensors["vae"], tensors.get("unet"), configs)
    runtime()  # wait until it is imported: competing for the interpreter with what comes next would take far longer
    return model


def _scheduler(folder: Path, config: Mapping[str, Any]) -> Ddim:
    """The scheduler of a model, by its configuration.

    Raises:
        SdzModelError: it is not one that works on arrays.
    """
    with naming_file(folder / "scheduler" / SCHEDULER_CONFIG_NAME):
        if config.get(CLASS_KEY) != "DDIMScheduler" or not covers(config):
            raise SdzModelError("this scheduler needs torch", remedy="set runtime='torch'")
        return Ddim(config)


def _weights(manifest: Manifest, part: str) -> dict[str, NDArray[np.float16]]:
    """The weights of a part that decoding needs; their file must have the layout that its graphs were made for."""
    path: Path = manifest.folder / part / WEIGHTS_NAME
    weights = read_half(path, manifest.reinstall)
    for name, graph in manifest.graphs:
        if name.startswith(f"{part}/") and graph.layout != weights.layout:
            raise SdzModelError(
                f"the graphs of model {manifest.full_name} were made for another file of these weights",
                file=str(path),
                field="layout",
                found=weights.layout[:16],
                expected=graph.layout[:16],
                remedy=f"set runtime='torch', or {manifest.reinstall}",
            )
    return {name: values for name, values in weights.tensors.items() if not name.startswith(ENCODER_PREFIXES)}
