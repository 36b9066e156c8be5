"""A ComfyUI server on the CPU, and its HTTP API."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

STARTED_WITHIN, DONE_WITHIN = 300, 300
"""Seconds that starting and a prompt may take."""

STUBS = {
    "torchvision": {"__init__.py": "from . import transforms\n", "transforms.py": ""},
    "torchaudio": {"__init__.py": "from . import transforms\n", "transforms.py": "class MelScale:\n    pass\n"},
}
"""Modules that stand in for packages that are not installed: ComfyUI imports them at its start, and these checks
use nothing of them. (torchvision from PyPI does not match the CPU build of torch.)"""


class Server:
    """Runs ``main.py`` of a checkout of ComfyUI until the end of the with block.

    Args:
        checkout: folder of ComfyUI.
        base: folder with ``custom_nodes``, ``input``, ``output``, ``temp`` and ``models``.
        options: more options of ``main.py``.
        environment: more environment variables.

    Attributes:
        log: what the server prints.
    """

    def __init__(self, checkout: Path, base: Path, options: list[str], environment: dict[str, str]) -> None:
        self.log = base / f"server{len(list(base.glob('server*.log')))}.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._address = f"127.0.0.1:{free.getsockname()[1]}"
        host, port = self._address.split(":")
        self._command = [
            sys.executable, str(checkout / "main.py"), "--cpu", "--listen", host, "--port", port, "--base-directory",
            str(base), "--database-url", "sqlite:///:memory:", "--disable-auto-launch", "--disable-api-nodes", *options,
        ]  # fmt: skip
        self._environment = {**os.environ, **environment}
        paths = [str(_stubs(base / "stubs")), self._environment.get("PYTHONPATH", "")]
        self._environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT, env=self._environment)
        end = time.monotonic() + STARTED_WITHIN
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            try:
                self.get("/system_stats")
            except OSError:
                time.sleep(0.5)
            else:
                return self
        self.__exit__()
        raise SystemExit(f"the server did not start:\n{self.log.read_text()[-3000:]}")

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    def get(self, path: str, **query: str) -> bytes:
        """What the server answers to GET."""
        url = f"http://{self._address}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        with urllib.request.urlopen(url, timeout=60) as response:
            body: bytes = response.read()
        return body

    def media_type(self, path: str, **query: str) -> str:
        """The media type of what the server answers to GET."""
        with urllib.request.urlopen(f"http://{self._address}{path}?{urllib.parse.urlencode(query)}") as response:
            return str(response.headers.get_content_type())

    def run(self, prompt: dict[str, Any], workflow: dict[str, Any] | None = None) -> Result:
        """Queue a prompt as the front end does, and wait until it is done."""
        extra = {} if workflow is None else {"extra_data": {"extra_pnginfo": {"workflow": workflow}}}
        body = json.dumps({"prompt": prompt, "client_id": "check", **extra}).encode()
        request = urllib.request.Request(f"http://{self._address}/prompt", body)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                number = json.load(response)["prompt_id"]
        except urllib.error.HTTPError as error:
            answer = json.load(error)
            details = [each["details"] for node in answer["node_errors"].values() for each in node["errors"]]
            return Result({}, "; ".join(details) or answer["error"]["message"], set())
        end = time.monotonic() + DONE_WITHIN
        while time.monotonic() < end:
            history = json.loads(self.get(f"/history/{number}")).get(number)
            if history is not None:
                said = dict(history["status"]["messages"])
                failure = said.get("execution_error", {}).get("exception_message")
                cached = set(said.get("execution_cached", {}).get("nodes", []))
                return Result(history["outputs"], None if failure is None else failure.strip(), cached)
            time.sleep(0.1)
        raise SystemExit(f"a prompt was not done within {DONE_WITHIN} s")


class Result:
    """What became of a prompt.

    Attributes:
        outputs: what each output node shows, by its number.
        error: the message that the user gets, or None.
        cached: the nodes that did not run again.
    """

    def __init__(self, outputs: dict[str, Any], error: str | None, cached: set[str]) -> None:
        self.outputs = outputs
        self.error = error
        self.cached = cached


def _stubs(folder: Path) -> Path:
    """A folder for PYTHONPATH with `STUBS` for what is not installed."""
    for package, contents in STUBS.items():
        if find_spec(package) is None:
            (folder / package).mkdir(parents=True, exist_ok=True)
            for name, text in contents.items():
                (folder / package / name).write_text(text)
    return folder
