"""Ray itself: started or joined for a run, how many processes it is asked for, and the stream of their results."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.cli.batch import EngineError
from pillow_sdz.cli.many_machines import isolation
from pillow_sdz.cli.many_machines.worker import Attempts, Converter
from pillow_sdz.coding.threads import cores

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from pillow_sdz.cli.many_machines.worker import Share
    from pillow_sdz.cli.settings import Settings

OBJECT_STORE: Final = 100 << 20
"""Bytes of shared memory for Ray on this machine, little more than the least that it takes: only names and rows are in
there, no pictures."""

FILES_IN_BATCH: Final = 16
BYTES_IN_BATCH: Final = 1 << 20
"""Largest number of files in a task, and of their bytes in the mean: what is lost and done again if a process dies. A
task costs some 10 ms besides its conversions."""

TASKS_PER_PROCESS: Final = 16
"""Least number of tasks for each process, so that all of them end at about the same time."""

ANSWER_SECONDS: Final = 10.0

_QUIET: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no report over the network
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_COLOR_PREFIX": "0",
}
"""Ray's settings in the environment, unless the user has set them: few messages, no telemetry."""

_ON_LOOPBACK: Final = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Likewise, for a Ray on this machine alone: it then takes 127.0.0.1 as its address, and listens there only, as it
always does on Windows and macOS. Otherwise whoever reaches the machine could run code in it. (``_node_ip_address`` of
``ray.init`` is no way: Ray replaces a loopback address by the machine's own. Ray 2.60, ``_private/services.py``.)"""


@dataclass(frozen=True)
class Pool:
    """The processes to ask Ray for.

    Attributes:
        size: their number.
        cpus: cores of each; torch takes as many threads.
        gpus: of each; 0 for none.
    """

    size: int
    cpus: int
    gpus: float


@contextmanager
def joined(settings: Settings) -> Iterator[None]:
    """Within the block this process is connected to Ray: to the cluster at the address, or to one of its own.

    Raises:
        EngineError: it cannot be started or reached.
    """
    address = settings.address or os.environ.get("RAY_ADDRESS") or "local"
    if "://" in address:
        raise EngineError(f"Ray at {address} cannot be used: give host:port of the cluster, not of Ray Client")
    for name, value in (_QUIET | (_ON_LOOPBACK if address == "local" else {})).items():
        os.environ.setdefault(name, value)
    import ray
    import ray.data

    local: dict[str, Any] = {"num_cpus": cores(), "include_dashboard": False, "object_store_memory": OBJECT_STORE}
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.WARNING if settings.verbose else logging.ERROR)
    ours = not ray.is_initialized()
    try:
        if ours:
            _check_reachable(address)
            with isolation.signals_kept(), nullcontext() if settings.verbose else isolation.standard_error_hidden():
                ray.init(
                    address=address,
                    log_to_driver=bool(settings.verbose),
                    logging_level=logging.WARNING if settings.verbose else logging.ERROR,
                    **(local if address == "local" else {}),
                )
    except (OSError, OverflowError, RuntimeError, ValueError) as error:  # a port of 99999 is an OverflowError
        where = "on this machine" if address == "local" else f"at {address}"
        cause = str(error.__cause__ or "").strip().splitlines()[-1:]  # Ray puts the reason at the end of a traceback
        raise EngineError(f"Ray {where} cannot be used: {': '.join([str(error), *cause])}") from error
    try:
        with isolation.standard_output_kept(quiet=settings.quiet):
            yield
    finally:
        if ours:
            ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ray waits for minutes where nothing answers; this does not.

    Raises:
        OSError: nobody listens at the address, which is host:port; ``auto`` is not checked.
    """
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()


def pool(settings: Settings) -> Pool:
    """The processes for a run, by what the cluster has and -j.

    One for each GPU, or for each core with one thread: two processes of one thread do more than one of two threads.
    With -j, so many, and each gets its share of the GPUs, and of the cores on the smallest machine as threads.

    Raises:
        EngineError: the cluster has nothing to run on, or no GPU where one is asked for.
    """
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    if not nodes:
        raise EngineError("the Ray cluster has no cores to run on")
    return pool_of(nodes, settings)


def pool_of(nodes: list[dict[str, float]], settings: Settings) -> Pool:
    """See `pool`.

    Args:
        nodes: the resources of each machine: ``CPU``, and ``GPU`` if it has any.
        settings: those of the run.
    """
    gpus = 0 if settings.device == "cpu" else int(sum(node.get("GPU", 0) for node in nodes))
    if settings.device == "cuda" and not gpus:
        raise EngineError("--device cuda: the Ray cluster has no GPU")
    if gpus:
        nodes = [node for node in nodes if node.get("GPU", 0) >= 1]
    cpus = int(sum(node["CPU"] for node in nodes))
    size = settings.jobs or gpus or cpus
    if not gpus:
        size = min(size, cpus)
    each = max(1, min(cpus // size, int(min(node["CPU"] for node in nodes))))
    share = 0.0 if not gpus else 1.0 if size <= gpus else gpus / size
    return Pool(size, each, share)


class _Remote:
    """An `Attempts` in another process, which Ray's handle reaches."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def begin(self, index: int) -> int:
        """See `Attempts.begin`."""
        import ray

        number: int = ray.get(self._handle.begin.remote(index))
        return number

    def finish(self, index: int) -> None:
        """See `Attempts.finish`; does not wait for it."""
        self._handle.finish.remote(index)


def batch_size(files: int, size: int, processes: int) -> int:
    """Files in a task.

    Args:
        files: of the run.
        size: of all of them together, in bytes.
        processes: that work on them.
    """
    by_bytes = BYTES_IN_BATCH * files // max(size, 1)
    by_number = files // (TASKS_PER_PROCESS * processes)
    return max(1, min(FILES_IN_BATCH, by_bytes, by_number))


def converted(jobs: pa.Table, settings: Settings, share: Share, wanted: Pool, in_batch: int) -> Iterator[pa.Table]:
    """Tables of results (`tables.of_results`), as they come from the processes.

    Args:
        jobs: a table of `tables.of_jobs`.
        settings: for the processes.
        share: for the processes.
        wanted: the processes.
        in_batch: jobs in a task.

    Raises:
        EngineError: Ray has failed.
    """
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # the program has its own
    attempts = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Attempts).remote()
    blocks = [jobs.slice(start, in_batch) for start in range(0, len(jobs), in_batch)]
    data = ray.data.from_arrow(blocks).map_batches(
        Converter,
        batch_size=in_batch,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(
            size=min(wanted.size, len(blocks)), max_tasks_in_flight_per_actor=2, max_concurrent_calls_per_actor=1
        ),
        num_cpus=wanted.cpus,
        num_gpus=wanted.gpus or None,
        fn_constructor_kwargs={"settings": settings, "share": share, "attempts": _Remote(attempts)},
    )
    try:
        yield from data.iter_batches(batch_size=None, batch_format="pyarrow")
    except ray.exceptions.RayError as error:
        raise EngineError(f"Ray has failed: {error}") from error
