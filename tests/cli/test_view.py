"""``sdz-convert view`` as a program: what it opens, what it prints, when it ends, and what it imports."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import urllib.request
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import toy_model
from cli_fakes import FAKED, Run, environment, photo, python
from toy_files import file_of
from viewing import PATIENCE, page_behind

from pillow_sdz.cli import view
from pillow_sdz.cli.viewer import redirect, server

if TYPE_CHECKING:
    from collections.abc import Callable

posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

VISIT = (
    FAKED
    + """
import json, os, signal, sys, threading, urllib.request, webbrowser
from viewing import page_behind

def visit(opened):
    url = page_behind(opened)
    get = lambda path: urllib.request.urlopen(url + path, timeout=30).read()
    assert b"<!DOCTYPE html>" in get("")
    assert json.loads(get("0"))["width"] == 40
    assert get("0/preview.png").startswith(b"\\x89PNG")
    heavy = {"torch", "diffusers", "safetensors", "imagequant", "transformers", "onnxruntime", "jinja2"}
    print(sorted(heavy & set(sys.modules)), flush=True)
    os.kill(os.getpid(), signal.SIGINT)

webbrowser.open = lambda url: threading.Thread(target=visit, args=(url,)).start() or True
main(["view", *sys.argv[1:]])
"""
)
"""A program whose browser looks at the page and the preview, and then is Ctrl-C."""


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], object]], None]:
    """Let a function be the browser: it gets the address in a thread, and when it ends the page is closed."""
    monkeypatch.setattr(view, "CLOSED_SECONDS", 0.05)
    monkeypatch.setattr(view, "_TICK", 0.01)
    monkeypatch.setattr(server, "BEAT", 0.02)

    def install(look: Callable[[str], object]) -> None:
        def visit(url: str) -> None:
            with urllib.request.urlopen(url + "events", timeout=PATIENCE) as events:
                events.readline()
                look(url)

        def open_page(address: str) -> bool:
            threading.Thread(target=visit, args=(page_behind(address),), daemon=True).start()
            return True

        monkeypatch.setattr(webbrowser, "open", open_page)

    return install


def test_it_opens_the_page_and_ends_when_that_is_closed(run: Run, path: Path, browser: Callable[..., None]) -> None:
    seen = []
    browser(lambda url: seen.append((url, urllib.request.urlopen(url + "files", timeout=PATIENCE).read())))
    assert run("view", path.name) == 0
    ((url, files),) = seen
    assert run.out == f"{url}\n"
    assert files == b'{"files": ["cat.sdz"]}'
    assert "Ctrl-C" in run.err
    assert run("view", "--quiet", path.name) == 0
    assert run.err == ""


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="command lines there do not show the address")
def test_the_secret_is_on_no_command_line(
    run: Run, path: Path, browser: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is opened is a file that nobody else can read, and that is gone afterwards."""
    browser(lambda url: None)
    visit, seen = webbrowser.open, list[tuple[str, Path, list[int]]]()

    def open_page(address: str) -> bool:
        file = Path(urllib.request.url2pathname(address.removeprefix("file://")))
        seen.append((address, file, [stat.S_IMODE(each.stat().st_mode) for each in (file, file.parent)]))
        return visit(address)

    monkeypatch.setattr(webbrowser, "open", open_page)
    assert run("view", path.name) == 0
    ((address, file, modes),) = seen
    assert address.startswith("file:///")
    assert run.out.strip().split("/")[-2] not in address
    assert modes == [0o600, 0o700]
    assert not file.parent.exists()


def test_where_no_file_can_be_written_the_page_itself_is_opened(
    run: Run, path: Path, browser: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_keywords: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found")

    browser(lambda url: None)
    visit, seen = webbrowser.open, list[str]()

    def open_page(address: str) -> bool:
        seen.append(address)
        return visit(address)

    monkeypatch.setattr(redirect, "TemporaryDirectory", refuse)
    monkeypatch.setattr(webbrowser, "open", open_page)
    assert run("view", path.name) == 0
    assert run.out == f"{seen[0]}\n"


def test_folders_and_standard_input(run: Run, tmp_path: Path, data: bytes, browser: Callable[..., None]) -> None:
    (tmp_path / "album" / "2025").mkdir(parents=True)
    for name in ("b.sdz", "a.sdz", "2025/c.sdz", ".hidden.sdz"):
        (tmp_path / "album" / name).write_bytes(data)
    photo(tmp_path / "album" / "a.png")
    seen: list[bytes] = []
    browser(
        lambda url: seen.extend(
            urllib.request.urlopen(url + path, timeout=PATIENCE).read() for path in ("files", "3/preview.png")
        )
    )
    assert run("view", "album", "-", stdin=data) == 0
    assert seen[0].decode() == '{"files": ["album/a.sdz", "album/b.sdz", "album/2025/c.sdz", "-"]}'
    assert seen[1].startswith(b"\x89PNG")


def test_what_cannot_be_read(run: Run, path: Path, tmp_path: Path, browser: Callable[..., None]) -> None:
    browser(lambda url: None)
    photo(tmp_path / "a.png")
    assert run("view", "missing.sdz", "a.png", path.name) == 1
    assert "sdz-convert: missing.sdz: no such file\n" in run.err
    assert "sdz-convert: a.png: magic" in run.err
    assert run.out.startswith("http://"), "the others are shown"
    assert run("view", "missing.sdz", "a.png") == 1
    assert run.out == ""
    (tmp_path / "empty").mkdir()
    assert run("view", "empty") == 3
    assert "no .sdz files" in run.err


def test_wrong_usage(run: Run, path: Path) -> None:
    for arguments in ([], [path, "--port", "0"], [path, "--port", "65536"], [path, "--device", "toaster"]):
        assert run("view", *arguments) == 2
        assert run.out == ""


def test_a_port_that_is_taken(run: Run, path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run("view", path.name, "--port", port, "--no-browser") == 1
    assert f"port {port}: Address already in use; without --port a free one is taken" in run.err


def test_without_a_browser_it_says_so_and_goes_on(
    run: Run, path: Path, browser: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser(lambda url: None)
    visit = webbrowser.open
    monkeypatch.setattr(webbrowser, "open", lambda url: not visit(url))
    assert run("view", path.name) == 0
    assert "no browser was found" in run.err


def test_the_limit_on_pixels(run: Run, path: Path, browser: Callable[..., None]) -> None:
    seen = []
    browser(lambda url: seen.append(urllib.request.urlopen(url + "0", timeout=PATIENCE).read()))
    assert run("view", path.name, "--max-pixels", 100) == 0
    assert "found 40 x 20 = 800, expected at most 100 pixels" in json.loads(seen[0])["problem"]


@posix
@pytest.mark.parametrize("more", [["--no-decode"], []])
def test_the_page_and_the_preview_need_no_network_and_ctrl_c_ends_it(tmp_path: Path, more: list[str]) -> None:
    (tmp_path / "a.sdz").write_bytes(file_of(toy_model.blocks(40, 24)))
    ended = python(VISIT, "a.sdz", *more, cwd=tmp_path, text=True)
    assert ended.stdout.splitlines()[1:] == ["[]"]
    assert ended.stderr.splitlines() == [
        "If no page appears, open the address above.",
        "Closing the page ends the program, and so does Ctrl-C.",
    ]
    assert ended.returncode == 0


@posix
def test_ctrl_c_while_a_network_computes(tmp_path: Path) -> None:
    (tmp_path / "a.sdz").write_bytes(file_of(toy_model.blocks(40, 24)))
    code = FAKED + (
        "import os, sys, time, urllib.request, webbrowser\n"
        "def decode(*_):\n    os.write(2, b'decoding\\n')\n    time.sleep(600)\n"
        "toy.model.decode = decode\n"
        "from viewing import page_behind\n"
        "webbrowser.open = lambda url: urllib.request.urlopen(page_behind(url) + '0', timeout=30).read()\n"
        "main(sys.argv[1:])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "view", "--quiet", "a.sdz"],
        env=environment(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "decoding\n"
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert out.startswith("http://127.0.0.1:")


def test_help_imports_nothing_large(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pillow_sdz.cli import main\n"
        "try:\n    main(['view', '--help'])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "assert not {'torch', 'jinja2', 'pillow_sdz.cli.viewer'} & set(sys.modules)"
    )
    ended = python(code, cwd=tmp_path, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "--no-decode" in ended.stdout
