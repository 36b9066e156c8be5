"""Models from the Hugging Face hub: a local server stands in for it."""

from __future__ import annotations

import errno
import hashlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import huggingface_hub
import pytest
import sd_checkpoints as sd

from pillow_sdz.errors import SdzDependencyError, SdzModelError
from pillow_sdz.models.checkpoints import hub
from pillow_sdz.models.checkpoints.add import add_model, remove_model
from pillow_sdz.models.checkpoints.checkpoint import NETWORK_STEM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "someone/stable-diffusion"


class Hub(ThreadingHTTPServer):
    """Serves one repository at one commit, known as ``main`` and ``v1``, from a folder.

    Attributes:
        folder: the repository's files.
        taken: names of the files that were downloaded.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.taken: list[str] = []

    @property
    def names(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path.startswith(f"/api/models/{REPOSITORY}/revision/"):
            if path.rsplit("/", 1)[1] not in ("main", "v1", COMMIT):
                self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
                return
            files = [{"rfilename": name} for name in self.server.names]
            body = json.dumps({"id": REPOSITORY, "modelId": REPOSITORY, "sha": COMMIT, "siblings": files})
            self.answer(200, body.encode(), {"Content-Type": "application/json"})
        elif path == f"/api/models/{REPOSITORY}/tree/{COMMIT}":
            sizes = {name: (self.server.folder / name).stat().st_size for name in self.server.names}
            entries = [{"type": "file", "path": n, "size": size, "oid": "0" * 40} for n, size in sizes.items()]
            self.answer(200, json.dumps(entries).encode(), {"Content-Type": "application/json"})
        elif path.startswith(f"/{REPOSITORY}/resolve/{COMMIT}/"):
            name = path.removeprefix(f"/{REPOSITORY}/resolve/{COMMIT}/")
            data = (self.server.folder / name).read_bytes()
            if self.command == "GET":
                self.server.taken.append(name)
            etag = hashlib.sha256(data).hexdigest()
            self.answer(200, data, {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"})
        else:
            self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def server(pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    with Hub(pipeline) as running:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{running.server_port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_pipeline_comes_from_the_hub(server: Hub, pipeline: Path, models: Path) -> None:
    (pipeline / "README.md").write_text("not needed")
    (pipeline / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"a pickle beside the weights")
    (pipeline / "unet" / f"{NETWORK_STEM}.fp16.safetensors").write_bytes(b"a variant beside the weights")
    manifest, _ = add_model("sd15", REPOSITORY, revision="v1")
    assert manifest.source == f"{REPOSITORY} --revision {COMMIT}"
    assert sorted(server.taken) == sorted(
        {*server.names} - {"README.md", *(f"unet/{NETWORK_STEM}{end}" for end in (".bin", ".fp16.safetensors"))}
    )
    remove_model("sd15")
    local, _ = add_model("local", pipeline)
    assert local.fingerprint == manifest.fingerprint


def test_only_the_autoencoder_is_downloaded_for_vae_only(server: Hub, models: Path) -> None:
    add_model("vae", REPOSITORY, vae_only=True)
    assert sorted(server.taken) == ["vae/config.json", f"vae/{NETWORK_STEM}.safetensors"]


def test_all_shards_are_downloaded(server: Hub, pipeline: Path, models: Path) -> None:
    sd.shard(pipeline / "unet", NETWORK_STEM)
    add_model("sd15", REPOSITORY)
    assert f"unet/{NETWORK_STEM}-00002-of-00002.safetensors" in server.taken


@pytest.mark.parametrize(
    ("repository", "revision", "match"),
    [
        (REPOSITORY, "v9", r"stable-diffusion: revision: the repository has no such revision \(found v9\)"),
        ("someone/else", None, "the hub has no such repository"),
    ],
)
def test_missing_repositories_and_revisions(
    server: Hub, models: Path, repository: str, revision: str | None, match: str
) -> None:
    with pytest.raises(SdzModelError, match=match):
        add_model("sd15", repository, revision=revision)
    assert not models.exists()


def test_pickles_are_not_even_downloaded(server: Hub, pipeline: Path, models: Path) -> None:
    weights = pipeline / "unet" / f"{NETWORK_STEM}.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(SdzModelError, match=r"someone/stable-diffusion: unet/.*\.bin: weights in pickles are refused"):
        add_model("sd15", REPOSITORY)
    assert not server.taken


def test_incomplete_repositories(server: Hub, pipeline: Path, models: Path) -> None:
    (pipeline / "scheduler" / "scheduler_config.json").unlink()
    with pytest.raises(SdzModelError, match=r"not all the files.*expected scheduler/scheduler_config\.json"):
        add_model("sd15", REPOSITORY)
    (pipeline / "text_encoder_2").mkdir()
    (pipeline / "text_encoder_2" / "config.json").write_text("{}")
    with pytest.raises(SdzModelError, match=r"SDXL.*--vae-only"):
        add_model("sd15", REPOSITORY)
    assert not server.taken


def test_without_a_network_the_files_are_listed(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(SdzModelError, match="the hub cannot be reached") as caught:
        add_model("sd15", REPOSITORY, revision=COMMIT)
    for name in (f"unet/{NETWORK_STEM}.safetensors", "tokenizer/vocab.json", "scheduler/scheduler_config.json"):
        assert name in str(caught.value)
    assert "models add NAME FOLDER" in str(caught.value)
    assert not models.exists()


def test_the_hubs_client_is_asked_for_by_name(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(SdzDependencyError, match=r"downloading needs huggingface_hub .*; pip install huggingface_hub"):
        add_model("sd15", REPOSITORY)


def test_repositories_of_an_autoencoder() -> None:
    names = {"config.json", f"{NETWORK_STEM}.safetensors", f"{NETWORK_STEM}.bin", "README.md"}
    assert hub.select(names, vae_only=False) == ["config.json", f"{NETWORK_STEM}.safetensors"]
    with pytest.raises(SdzModelError, match="pickles"):
        hub.select({"config.json", f"{NETWORK_STEM}.bin"}, vae_only=False)
    with pytest.raises(SdzModelError, match=r"not all the files.*config\.json"):
        hub.select({"model.safetensors"}, vae_only=False)


@pytest.mark.parametrize("repository", ["models/sd--15", "models/sd15.git", "runs/v1..2"])
def test_names_that_no_repository_can_have(server: Hub, models: Path, repository: str) -> None:
    with pytest.raises(SdzModelError, match=f"{repository}: no folder, and no repository that the hub's client"):
        add_model("sd15", repository)


def test_a_login_page_is_no_hub(server: Hub, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handler, "do_GET", lambda self: self.answer(200, b"<html>", {"Content-Type": "text/html"}))
    with pytest.raises(SdzModelError, match="no folder, and no repository"):
        add_model("sd15", REPOSITORY)


def test_a_full_disk_is_not_taken_for_a_missing_network(
    server: Hub, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", full)
    with pytest.raises(SdzModelError, match=r"cache cannot be written: .*No space left.*HF_HOME"):
        add_model("sd15", REPOSITORY)
