"""Servers: apps of streamlit and gradio show .sdz, also what is uploaded; thumbor scales it."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import time
import urllib.error
import urllib.request
from typing import IO, TYPE_CHECKING

import pytest
from chromium import launched
from PIL import Image
from programs import PICTURE, PROCESS, SIZE, InstalledProgram, decoded, difference, is_picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from environments import LightEnvironment

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def served(environment: LightEnvironment, folder: Path, url: str, *args: object) -> Iterator[None]:
    """Run a server until the block ends, which starts when ``url`` answers."""
    log: IO[bytes]
    with (folder / "server.log").open("w+b") as log:
        process = environment.start(*args, cwd=folder, env=PROCESS | {"HOME": str(folder)}, stdout=log, stderr=log)
        try:
            for _ in range(600):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(url, timeout=30).close()
                    break
                assert process.poll() is None, (folder / "server.log").read_text()
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(30)


STREAMLIT = f"""
import pillow_sdz
import streamlit
from PIL import Image

streamlit.image({str(PICTURE)!r}, caption="file")
upload = streamlit.file_uploader("Photo", type=["sdz"])
if upload:
    streamlit.image(Image.open(upload), caption="upload")
"""


def test_streamlit(program: InstalledProgram, tmp_path: Path) -> None:
    environment = program("streamlit", megabytes=500)
    (tmp_path / "app.py").write_text(STREAMLIT)
    url = f"http://127.0.0.1:{(port := free_port())}"
    options = ["--server.headless=true", "--server.address=127.0.0.1", f"--server.port={port}"]
    command = ["-m", "streamlit", "run", "app.py", *options, "--browser.gatherUsageStats=false"]
    with served(environment, tmp_path, url, *command), launched() as browser:
        page = browser.new_page(viewport={"width": 800, "height": 700})
        page.goto(url)
        image = page.locator("img[src*='/media/']")
        image.first.wait_for(timeout=120_000)
        page.locator("input[type=file]").set_input_files(PICTURE)
        image.nth(1).wait_for(timeout=120_000)
        sources = image.evaluate_all("all => all.map(each => each.src)")
        page.screenshot(path=tmp_path / "streamlit.png")
        pictures = [page.request.get(source).body() for source in sources]
    assert len(pictures) == 2
    for content in pictures:
        with Image.open(io.BytesIO(content)) as shown:
            assert (shown.format, shown.size) == ("JPEG", SIZE)
            assert is_picture(shown, tolerance=4)


GRADIO = """
import json, sys
import PIL, pillow_sdz
import gradio
from gradio_client import Client, handle_file

def turn(image):
    return image.rotate(180)

app = gradio.Interface(turn, gradio.Image(type="pil"), gradio.Image(format="png"), api_name="turn")
app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
made = Client(app.local_url, verbose=False).predict(handle_file(sys.argv[1]), api_name="/turn")
app.close()
print(json.dumps([PIL.__version__, made]))
"""


def test_gradio(program: InstalledProgram, tmp_path: Path) -> None:
    """It asks for a Pillow before 13; the oldest that we need is 11.3."""
    environment = program("gradio", megabytes=370)
    variables = PROCESS | {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    version, made = json.loads(environment.code(GRADIO, PICTURE, env=variables).stdout.splitlines()[-1])
    assert version.startswith("12.")
    with Image.open(made) as image:
        assert difference(image, decoded().rotate(180)) == 0


def test_thumbor(program: InstalledProgram, tmp_path: Path) -> None:
    """It asks for a Pillow before 13, too. Its configuration is Python: one line there is enough."""
    environment = program("thumbor", megabytes=70)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "photo.sdz").write_bytes(PICTURE.read_bytes())
    settings = "import pillow_sdz\nLOADER = 'thumbor.loaders.file_loader'\nFILE_LOADER_ROOT_PATH = 'pictures'\n"
    (tmp_path / "thumbor.conf").write_text(f"{settings}STORAGE = 'thumbor.storages.no_storage'\n")
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = ["-m", "thumbor.server", "--conf", "thumbor.conf", "--ip", "127.0.0.1", "--port", port]
    with served(environment, tmp_path, f"{url}/healthcheck", *command):
        with urllib.request.urlopen(f"{url}/unsafe/90x60/photo.sdz", timeout=60) as answer:
            media_type, content = answer.headers["Content-Type"], answer.read()
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{url}/unsafe/90x60/missing.sdz", timeout=60)
    assert media_type == "image/jpeg"
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (90, 60)
        assert is_picture(image, tolerance=6)
