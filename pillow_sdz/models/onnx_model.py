"""A model whose networks ONNX Runtime runs on the CPU, in float32; it only decodes.

Weights and configurations are checked as for torch; the graphs by the SHA-256 of their files, and by the layout of the
weights that they were made for. The session of a graph is made when it is first used. onnxruntime is imported within
functions.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from pillow_sdz.errors import SdzDependencyError, SdzModelError, naming_file
from pillow_sdz.models.configuration import CONFIG_NAME, SCHEDULER_CONFIG_NAME, read_config
from pillow_sdz.models.diffusion.ddim import Ddim
from pillow_sdz.models.graph_files import DECODER_GRAPH, UNET_GRAPH
from pillow_sdz.models.half_weights import WEIGHTS_NAME, read_half
from pillow_sdz.models.integrity import check_digests, check_weights
from pillow_sdz.models.loading import load_scheduler
from pillow_sdz.models.model import Model

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.models.protocols import Scheduler

MAX_GRAPH_BYTES: Final = 1 << 20
"""Longest graph that is read; those of the shipped model have some 40 kB, because they hold no weights."""

_SETTINGS: Final = {
    "session.intra_op.allow_spinning": "0",  # threads that wait by spinning take the processor from other programs
    "session.inter_op.allow_spinning": "0",
}
"""Settings of a session, see onnxruntime_session_options_config_keys.h."""

_WEIGHTS_FOLDER: Final = "session.model_external_initializers_file_folder_path"
"""The setting that names the folder of external data for a graph that is given as bytes."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Predicted(NamedTuple):
    """What the U-Net of an `OnnxModel` returns: the predicted noise, shaped like its input."""

    sample: NDArray[np.float32]


class Graph:
    """One network; safe to call from several threads.

    Args:
        manifest: of the model.
        name: one of `pillow_sdz.models.graph_files.GRAPH_FILES` that the manifest lists.
    """

    def __init__(self, manifest: Manifest, name: str) -> None:
        self._manifest, self._path = manifest, manifest.folder / name
        self._expected = dict(manifest.graphs)[name].sha256
        self._lock = threading.Lock()
        self._session: Any = None

    def __call__(self, **inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run the network.

        Args:
            inputs: its inputs by name, as `pillow_sdz.models.graph_files` describes them.

        Raises:
            SdzModelError: the graph is missing or damaged, or there is not enough memory.
            SdzDependencyError: this version of onnxruntime cannot run it.
        """
        with self._lock:
            if self._session is None:
                self._session = self._new_session()
        try:
            (result,) = self._session.run(None, inputs)
        except Exception as error:  # its classes derive from nothing more special
            problem = f"ONNX Runtime failed: {_first_line(error)}"
            remedy = "set a smaller tile_size, or runtime='torch'"
            raise SdzModelError(problem, file=str(self._path), remedy=remedy) from error
        output: NDArray[np.float32] = result
        return output

    def _new_session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = cores(), 1
        options.log_severity_level = 3  # errors only: they are raised as well, but not warnings
        for key, value in _SETTINGS.items() | {(_WEIGHTS_FOLDER, str(self._path.parent))}:
            options.add_session_config_entry(key, value)
        graph = self._read()
        try:
            return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # as above; the graph is the right one, so that it must be the version
            problem = f"onnxruntime {onnxruntime.__version__} cannot run the network: {_first_line(error)}"
            remedy = "pip install --upgrade onnxruntime, or set runtime='torch'"
            raise SdzDependencyError(problem, file=str(self._path), remedy=remedy) from error

    def _read(self) -> bytes:
        """The bytes of the graph, checked."""
        remedy = self._manifest.reinstall
        with naming_file(self._path):
            try:
                with self._path.open("rb") as file:
                    data = file.read(MAX_GRAPH_BYTES)
            except OSError as error:
                raise SdzModelError(f"cannot read a network: {error}", remedy=remedy) from error
            if (found := hashlib.sha256(data).hexdigest()) != self._expected:
                raise SdzModelError(
                    f"the network is not the one of model {self._manifest.full_name}",
                    field="SHA-256",
                    found=found[:16],
                    expected=self._expected[:16],
                    remedy=remedy,
                )
            return data


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__


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
    """Check the weights and configurations of a model with graphs; its graphs are read when they are used.

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
    tensors = {part: _weights(manifest, part) for part in parts}
    check_weights(manifest, tensors["vae"], tensors.get("unet"), configs)
    if not has_unet:
        return OnnxModel(manifest, None)
    scheduler = load_scheduler(folder / "scheduler")
    if not isinstance(scheduler, Ddim):
        raise SdzModelError(
            f"model {manifest.full_name} has a scheduler that needs torch",
            file=str(folder / "scheduler" / SCHEDULER_CONFIG_NAME),
            remedy="set runtime='torch'",
        )
    return OnnxModel(manifest, scheduler)


def _weights(manifest: Manifest, part: str) -> dict[str, NDArray[np.float16]]:
    """The weights of a part, whose file must have the layout that its graphs were made for."""
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
    return weights.tensors
