"""Networks of a model in ONNX Runtime: graphs read and checked, sessions made, run, and let go of before a fork.

onnxruntime is imported by `runtime` only, when the first session is made.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.coding.threads import cores
from pillow_sdz.errors import SdzDependencyError, SdzError, SdzModelError, naming_file, needs_packages
from pillow_sdz.models.fork_lock import ForkLock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.models.manifest import Manifest

MAX_GRAPH_BYTES: Final = 1 << 20
"""Longest graph that is read; those of the shipped model have some 40 kB, because they hold no weights."""

_SETTINGS: Final = {
    "session.intra_op.allow_spinning": "0",  # threads that wait by spinning take the processor from other programs
    "session.inter_op.allow_spinning": "0",
    "session.disable_prepacking": "1",  # it copies weights once more, and makes convolutions no faster
}
"""Settings of a session, see onnxruntime_session_options_config_keys.h."""

_WEIGHTS_FOLDER: Final = "session.model_external_initializers_file_folder_path"
"""The setting that names the folder of external data for a graph that is given as bytes."""


TELEMETRY_VARIABLE: Final = "ORT_DISABLE_TELEMETRY"
"""onnxruntime reads it when it is imported. Unless it is set, the official builds since 1.29 report every session to
their maker, and have a thread for it, for which a forked child waits forever when it exits."""

_import_lock = ForkLock()


def runtime() -> Any:
    """The module onnxruntime, without telemetry unless the host program has imported it before, with or without.

    Raises:
        SdzDependencyError: it is not installed, or broken.
    """
    with _import_lock(), needs_packages("decoding with ONNX Runtime"):
        if "onnxruntime" in sys.modules:
            return sys.modules["onnxruntime"]
        before = os.environ.get(TELEMETRY_VARIABLE)
        os.environ[TELEMETRY_VARIABLE] = "1"
        try:
            return importlib.import_module("onnxruntime")
        except ImportError as error:
            if error.name is not None:
                raise
            problem = f"onnxruntime did not load: {error}"  # as after an interrupted import
            raise SdzDependencyError(problem, remedy="start the process again, or install onnxruntime again") from error
        finally:
            if before is None:
                del os.environ[TELEMETRY_VARIABLE]
            else:
                os.environ[TELEMETRY_VARIABLE] = before


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
        _graphs.add(self)

    def __call__(self, **inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run the network.

        Args:
            inputs: its inputs by name, as `pillow_sdz.models.graph_files` describes them.

        Raises:
            SdzModelError: the graph is missing or damaged, or there is not enough memory.
            SdzDependencyError: this version of onnxruntime cannot run it.
        """
        session = self.ready()
        try:
            (result,) = session.run(None, inputs, _run_options())
        except Exception as error:  # its classes derive from nothing more special
            problem = f"ONNX Runtime failed: {_first_line(error)}"
            remedy = "set a smaller tile_size, or runtime='torch'"
            raise SdzModelError(problem, file=str(self._path), remedy=remedy) from error
        output: NDArray[np.float32] = result
        return output

    def ready(self) -> Any:
        """The session, made on the first call.

        Raises:
            SdzError: as for a call of the network.
        """
        with self._lock:
            self._session = self._session or self._new_session()
            return self._session

    def release(self) -> None:
        """Let go of the session; the next call makes a new one."""
        with self._lock:
            self._session = None

    def _new_session(self) -> Any:
        onnxruntime = runtime()
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


def prepare(*graphs: Graph) -> None:
    """Make the sessions of graphs in another thread, one after the other; errors are raised where they are used."""

    def work() -> None:
        with contextlib.suppress(SdzError):
            for graph in graphs:
                graph.ready()

    threading.Thread(target=work, name="pillow_sdz sessions").start()


_graphs: weakref.WeakSet[Graph] = weakref.WeakSet()


def _release_sessions() -> None:
    """Before a fork: the threads of a session do not exist in the child, which would wait for them when it exits."""
    for graph in list(_graphs):
        graph.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_release_sessions)


def _run_options() -> Any:
    """Options of one call: memory for intermediate results goes back to the system afterwards."""
    options = runtime().RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
