"""ONNX Runtime gives torch's pixels; its graphs are those that the tool builds; damage and forks are handled."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from model_folders import edit_manifest
from PIL import Image
from safetensors.torch import load_file, save_file

import pillow_sdz
from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import registry
from pillow_sdz.models.graph_files import DECODER_GRAPH, GRAPH_FILES, UNET_GRAPH
from pillow_sdz.models.half_weights import WEIGHTS_NAME
from pillow_sdz.models.onnx_sessions import TELEMETRY_VARIABLE, Graph
from tools.export_onnx import export
from tools.onnx_graphs import build

if TYPE_CHECKING:
    from fresh import FreshPython
    from numpy.typing import NDArray

SIZES = [(1, 1), (1, 2), (3, 2), (16, 16), (17, 31)]
"""Heights and widths of latents; the U-Net halves them."""

VECTORS = sorted((Path(__file__).parents[1] / "vectors" / "v0-tiny-8").glob("*/file.sdz"))


def latents(height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(height).normal(0, 0.7, (height, width, 8)).astype(np.float32)


@pytest.mark.parametrize("name", GRAPH_FILES)
def test_the_graphs_are_those_that_the_tool_builds(name: str) -> None:
    manifest = registry.find("tiny")
    shipped = (manifest.folder / name).read_bytes()
    assert shipped == build(manifest.folder, name), "run tools/export_onnx.py"
    assert hashlib.sha256(shipped).hexdigest() == dict(manifest.graphs)[name].sha256
    assert len(shipped) < 50_000, "weights stay in the safetensors files"
    onnx.checker.check_model(str(manifest.folder / name), full_check=True)


def test_exporting_lists_the_graphs(copy: Path) -> None:
    expected = dict(registry.find("tiny").graphs)
    for name in GRAPH_FILES:
        (copy / name).unlink()
    assert export(copy) == expected
    assert all((copy / name).is_file() for name in GRAPH_FILES)


@pytest.mark.parametrize("size", SIZES)
def test_the_decoder_gives_torchs_pixels(size: tuple[int, int]) -> None:
    manifest, latent = registry.find("tiny"), latents(*size)
    height, width = (8 * side for side in size)
    expected = registry.load(manifest, "cpu").decode(latent, height, width)
    found = registry.load_onnx(manifest).decode(latent, height, width)
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found != expected).mean() < 0.01


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("noise", "denoise_steps"), [(0.05, 1), (0.3, 4), (3.0, 2)])
def test_the_unet_gives_torchs_latents(size: tuple[int, int], noise: float, denoise_steps: int) -> None:
    manifest, latent = registry.find("tiny"), latents(*size)
    expected = registry.load(manifest, "cpu").denoise(latent, noise, denoise_steps)
    model = registry.load_onnx(manifest)
    np.testing.assert_allclose(model.denoise(latent, noise, denoise_steps), expected, rtol=1e-4, atol=1e-4)
    assert np.abs(expected - latent).max() > 1e-3
    assert model.denoise(latent, noise, 0) is latent
    assert model.noise_at(0.5) == registry.load(manifest, "cpu").noise_at(0.5)


@pytest.mark.parametrize("file", VECTORS, ids=lambda file: file.parent.name)
@pytest.mark.parametrize("settings", [{}, {"denoise_steps": 3, "strength": 0.2}, {"tile_size": 64}], ids=str)
def test_golden_files(file: Path, settings: dict[str, Any]) -> None:
    pictures = []
    for runtime in ("torch", "onnx"):
        with Image.open(file) as image:
            for name, value in {**settings, "runtime": runtime}.items():
                setattr(image, name, value)
            pictures.append(np.array(image).astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


def test_it_opens_and_does_not_save(picture: Image.Image) -> None:
    model = registry.load_onnx(registry.find("tiny"))
    with pytest.raises(pillow_sdz.SdzDependencyError, match="encoding needs torch; pip install torch"):
        model.encode(np.asarray(picture))


@pytest.mark.parametrize("name", GRAPH_FILES)
def test_a_changed_graph_is_refused(copy: Path, name: str) -> None:
    path = copy / name
    path.write_bytes(path.read_bytes().replace(b"pillow_sdz", b"pillow_sdy"))
    model = registry.load_onnx(registry.find("tiny"))
    match = rf"{Path(name).name}: SHA-256: the network is not the one of model tiny-8"
    for _ in range(2):
        with pytest.raises(SdzModelError, match=match):
            model.decode(model.denoise(latents(2, 2), 0.1, 1), 16, 16)
    path.unlink()
    with pytest.raises(SdzModelError, match=rf"{Path(name).name}: cannot read a network"):
        model.decode(model.denoise(latents(2, 2), 0.1, 1), 16, 16)


def test_weights_in_another_order_are_refused_because_the_graph_would_read_others(copy: Path) -> None:
    path = copy / "vae" / WEIGHTS_NAME
    tensors = load_file(path)
    save_file(tensors, path, {"note": "the header is longer now, and all tensors are elsewhere"})
    with pytest.raises(SdzModelError, match=r"layout: the graphs of model tiny-8 were made for another file"):
        registry.load_onnx(registry.find("tiny"))
    assert registry.load(registry.find("tiny"), "cpu"), "torch finds tensors by their names"


def test_another_scheduler_is_left_to_torch(copy: Path) -> None:
    config = copy / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace('"clip_sample": false', '"clip_sample": true'))
    edit_manifest(copy, lambda fields: fields["configs"].pop("scheduler/scheduler_config.json"))
    with pytest.raises(SdzModelError, match=r"scheduler_config\.json: this scheduler needs torch; set runtime"):
        registry.load_onnx(registry.find("tiny"))


def test_threads_do_not_spin_and_memory_goes_back() -> None:
    graph = Graph(registry.find("tiny"), DECODER_GRAPH)
    graph(latent=latents(2, 2))
    options = graph._session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.intra_op_num_threads == len(os.sched_getaffinity(0))


def test_a_failure_while_it_runs_is_one_line_with_a_remedy() -> None:
    with pytest.raises(SdzModelError, match=r"unet\.onnx: ONNX Runtime failed: .*; set a smaller tile_size"):
        Graph(registry.find("tiny"), UNET_GRAPH)(sample=latents(2, 2)[..., :3], timestep=np.array(1))


def test_several_threads_share_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, latent = registry.find("tiny"), latents(9, 9)
    expected = registry.load_onnx(manifest).decode(latent, 72, 72)
    monkeypatch.setattr(registry, "_loaded", {})
    made: list[str] = []
    new_session = Graph._new_session

    def spy(graph: Graph) -> Any:
        made.append(graph._path.name)
        return new_session(graph)

    monkeypatch.setattr(Graph, "_new_session", spy)
    found: list[NDArray[np.uint8]] = []
    threads = [
        threading.Thread(target=lambda: found.append(registry.load_onnx(manifest).decode(latent, 72, 72)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == ["decoder.onnx", "unet.onnx"]
    assert len(found) == 4
    assert all(np.array_equal(picture, expected) for picture in found)


def test_a_forked_child_decodes_and_exits(fresh_python: FreshPython) -> None:
    """It must neither wait for threads that only its parent has, nor report to anybody (then it has such a thread)."""
    fresh_python(
        f"""
        import os, sys, time
        import pillow_sdz
        from PIL import Image
        pillow_sdz.options.decode.runtime = "onnx"
        parent = Image.open({str(VECTORS[0])!r}).tobytes()
        assert "torch" not in sys.modules and {TELEMETRY_VARIABLE!r} not in os.environ
        child = os.fork()
        if child == 0:
            sys.exit(Image.open({str(VECTORS[0])!r}).tobytes() != parent)
        for _ in range(600):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                break
            time.sleep(0.1)
        else:
            os.kill(child, 9)
            raise AssertionError("the child hangs")
        assert status == 0, status
        assert Image.open({str(VECTORS[0])!r}).tobytes() == parent
        """
    )


def test_telemetry_is_off_and_the_variable_is_restored(fresh_python: FreshPython) -> None:
    fresh_python(
        f"""
        import os, sys
        os.environ[{TELEMETRY_VARIABLE!r}] = "mine"
        seen = []
        class Watch:
            def find_spec(self, name, path=None, target=None):
                if name == "onnxruntime":
                    seen.append(os.environ[{TELEMETRY_VARIABLE!r}])
        sys.meta_path.insert(0, Watch())
        from pillow_sdz.models.onnx_sessions import runtime
        assert runtime() is runtime()
        assert seen == ["1"], seen
        assert os.environ[{TELEMETRY_VARIABLE!r}] == "mine"
        """
    )


def test_a_model_without_a_unet(copy: Path, picture: Image.Image) -> None:
    import shutil

    from pillow_sdz.models.configuration import read_config
    from pillow_sdz.models.fingerprint import Decoding, decoding_tensors, fingerprint

    shutil.rmtree(copy / "unet")
    codes = registry.find("tiny").codes
    parts = decoding_tensors(load_file(copy / "vae" / WEIGHTS_NAME), None)
    named = fingerprint(parts, Decoding(codes, read_config(copy / "vae" / "config.json")))
    edit_manifest(copy, lambda fields: fields.update(fingerprint=named, configs={}))
    edit_manifest(copy, lambda fields: fields["graphs"].pop(UNET_GRAPH))
    os.utime(copy / "model.json", ns=(1, 1))
    file = io.BytesIO()
    picture.save(file, "SDZ", effort=0)
    pictures = []
    for runtime in ("torch", "onnx"):
        image: Any = Image.open(file)
        image.runtime = runtime
        pictures.append(np.array(image).astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 1
