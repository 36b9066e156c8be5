"""Run the server:  python -m tools.web_server [--data FOLDER] [--port N] [--threads N] [--processes N]."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tools.web_server.settings import PREFIX, Settings, cores

if TYPE_CHECKING:
    from collections.abc import MutableMapping


def share_cores(environment: MutableMapping[str, str], jobs: int) -> None:
    """Set how torch computes, unless the environment says so already. torch reads it once, when it is imported.

    Each job gets its share of the cores, and threads that wait for others sleep. Otherwise they would use up the time
    of the others, and with more threads than cores all of it.

    Args:
        environment: of this process and of those that it starts.
        jobs: pictures that all processes encode or decode at the same time.
    """
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    environment.setdefault("OMP_NUM_THREADS", str(max(1, cores() // jobs)))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Folder for pictures and cache.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--threads", type=click.IntRange(1), help="Pictures that a process works on at a time.  [default: cores]")
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1), help="Each loads the model.")
def main(data: Path | None, host: str, port: int, threads: int | None, processes: int) -> None:
    """Keep pictures as .sdz, and serve them as WebP or AVIF. README.md lists the other settings."""
    import uvicorn

    for name, value in (("DATA", data), ("THREADS", threads)):
        if value is not None:
            os.environ[PREFIX + name] = str(value)
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    share_cores(os.environ, settings.threads * processes)
    uvicorn.run("tools.web_server.app:create", factory=True, host=host, port=port, workers=processes)


if __name__ == "__main__":
    main()
