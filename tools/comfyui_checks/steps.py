"""What is run in the server and looked at, step by step."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

import pillow_sdz
from tools.comfyui_checks.prompts import node, of_workflow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tools.comfyui_checks.prompts import Prompt
    from tools.comfyui_checks.server import Result, Server

EXAMPLES = Path(__file__).parents[1] / "comfyui_sdz" / "example_workflows"

SCALING = 0.18215
"""What ComfyUI multiplies a LATENT by for the U-Net of Stable Diffusion 1.x."""

HALF_A_CODE = SCALING / 2
"""Half the step of 8-bit codes, in units of the latent: the largest error of a file with ``quality`` 100."""

NETWORKS, ENCODED = "networks", "encoded"
"""Numbers of the nodes that most prompts start with."""


def psnr(one: Image.Image, other: Image.Image) -> float:
    """How close two pictures are, in dB."""
    first, second = (np.asarray(each.convert("RGB"), np.float64) for each in (one, other))
    return float(10 * np.log10(255**2 / max(np.square(first - second).mean(), 1e-9)))


class Steps:
    """Runs prompts and says what came of them.

    Args:
        server: a running one.
        base: its folder.

    Attributes:
        failed: the words of the checks that failed.
    """

    def __init__(self, server: Server, base: Path) -> None:
        self._server, self._base = server, base
        self.failed: list[str] = []

    def expect(self, words: str, seen: object, *, ok: bool) -> None:
        """Print a check and what was seen."""
        print(f"{'ok  ' if ok else 'FAIL'} {words}: {seen}", flush=True)
        if not ok:
            self.failed.append(words)

    def _done(self, words: str, prompt: Prompt, workflow: dict[str, Any] | None = None) -> Result:
        result = self._server.run(prompt, workflow)
        self.expect(words, "done" if result.error is None else result.error, ok=result.error is None)
        return result

    def _start(self, photo: str = "photo.png") -> Prompt:
        return {
            NETWORKS: node("CheckNetworks"),
            "photo": node("LoadImage", image=photo),
            ENCODED: node("VAEEncode", pixels=["photo", 0], vae=[NETWORKS, 2]),
        }

    def _picture(self, saved: dict[str, str]) -> Image.Image:
        return Image.open(io.BytesIO(self._server.get("/view", **saved)))

    def _latent(self, prefix: str) -> NDArray[np.float32]:
        found: NDArray[np.float32] = load_file(self._base / "output" / f"{prefix}_00001_.latent")["latent_tensor"]
        return found

    def nodes(self) -> None:
        """The nodes are there, with the models that fit them."""
        log = self._server.log.read_text()
        self.expect("the pack was imported", "yes", ok="comfyui_sdz" in log and "(IMPORT FAILED)" not in log)
        known = json.loads(self._server.get("/object_info"))
        for name in ("SdzSaveLatent", "SdzLoadLatent", "SdzSaveImage", "SdzLoadImage"):
            self.expect("node", known.get(name, {}).get("display_name"), ok=name in known)
        for name, models in (("SdzSaveLatent", ["sd15"]), ("SdzSaveImage", ["sd15", "tiny"])):
            options = known[name]["input"]["required"]["model"][1]["options"]
            self.expect(f"models of {name}", options, ok=options == models)

        offered = json.loads(self._server.get("/workflow_templates")).get("comfyui_sdz")
        self.expect("examples that are offered", offered, ok=set(offered or ()) == {"load_latent", "save_latent"})

    def example_save(self) -> None:
        """The first example: VAE Encode, Save SDZ."""
        workflow = json.loads((EXAMPLES / "save_latent.json").read_text())
        prompt = of_workflow(workflow, json.loads(self._server.get("/object_info")))
        prompt["1"]["inputs"]["image"] = "photo.png"
        prompt["png"] = node("SaveImage", images=["1", 0], filename_prefix="png")
        result = self._done("save_latent.json", prompt, workflow)
        shown = result.outputs["4"]
        name = {"filename": "photo_00001_.sdz", "subfolder": "latents", "type": "output"}
        self.expect("saved as", shown["sdz"], ok=shown["sdz"] == [name])
        path = self._base / "output" / "latents" / "photo_00001_.sdz"
        size, kind = path.stat().st_size, self._server.media_type("/view", **name)
        raw = self._server.get("/view", **name) == path.read_bytes()
        self.expect("bytes, and what /view answers", (size, kind), ok=raw and kind == "image/x-sdz")
        with Image.open(path) as image, self._picture(result.outputs["png"]["images"][0]) as png:
            texts = {key: image.info.get(key, "") for key in ("prompt", "workflow")}
            kept = all(text == png.info[key] for key, text in texts.items())
            kept &= json.loads(texts["workflow"]) == workflow
        words = f"prompt and workflow, {sum(map(len, texts.values()))} bytes, as in the PNG of Save Image"
        self.expect(words, "the same" if kept else "others", ok=kept)
        preview = self._picture(shown["images"][0])
        self.expect("preview shown", (preview.format, preview.size), ok=preview.size == (16, 16))

    def example_load(self) -> None:
        """The second example: Load SDZ, KSampler at a low denoise, VAE Decode."""
        workflow = json.loads((EXAMPLES / "load_latent.json").read_text())
        prompt = of_workflow(workflow, json.loads(self._server.get("/object_info")))
        prompt |= {"loaded": node("SaveLatent", samples=["2", 0], filename_prefix="loaded")}
        prompt |= {"sampled": node("SaveLatent", samples=["5", 0], filename_prefix="sampled")}
        result = self._done("load_latent.json", prompt, workflow)
        size = self._picture(result.outputs["7"]["images"][0]).size
        self.expect("picture of it", size, ok=size == (128, 128))
        loaded, sampled = self._latent("loaded"), self._latent("sampled")
        noise = float((sampled - loaded).std()) * SCALING
        words = "noise that KSampler adds, for a latent of standard deviation 1"
        self.expect(words, f"{noise:.2f}", ok=0.2 < noise < 0.7)
        alike = float(np.corrcoef(loaded.ravel(), sampled.ravel())[0, 1])
        self.expect("correlation of sampled and loaded LATENT", f"{alike:.2f}", ok=alike > 0.8)
        again = self._server.run(prompt, workflow)
        self.expect("run again: cached", sorted(again.cached), ok="2" in again.cached)
        path = self._base / "output" / "latents" / "photo_00001_.sdz"
        pillow_sdz.write_latent(pillow_sdz.read_latent(path).latent / 2, path, model="sd15")
        again = self._server.run(prompt, workflow)
        self.expect("file changed: cached", sorted(again.cached), ok=again.cached >= {"1"} and "2" not in again.cached)

    def scale(self) -> None:
        """A LATENT comes back within half a code, and decodes to the same picture here and in Pillow."""
        prompt = self._start() | {
            "save": node("SdzSaveLatent", latent=[ENCODED, 0], filename_prefix="direct", model="sd15", quality=100),
            "raw": node("SaveLatent", samples=[ENCODED, 0], filename_prefix="raw"),
        }
        self._done("save at quality 100", prompt)
        prompt = {
            NETWORKS: node("CheckNetworks"),
            "load": node("SdzLoadLatent", file="direct_00001_.sdz [output]"),
            "back": node("SaveLatent", samples=["load", 0], filename_prefix="back"),
            "decode": node("VAEDecode", samples=["load", 0], vae=[NETWORKS, 2]),
            "image": node("SaveImage", images=["decode", 0], filename_prefix="decoded"),
        }
        result = self._done("load it", prompt)
        raw, back = self._latent("raw"), self._latent("back")
        worst, spread = float(np.abs(raw - back).max()), float(raw.std())
        words = f"largest error of the LATENT, whose standard deviation is {spread:.2f}"
        self.expect(words, f"{worst:.4f}", ok=worst <= HALF_A_CODE * 1.001 < spread)
        with Image.open(self._base / "output" / "direct_00001_.sdz") as image:
            image.dtype, image.device = "float32", "cpu"  # type: ignore[attr-defined]
            decoded = self._picture(result.outputs["image"]["images"][0])
            levels = np.abs(np.asarray(image, np.int16) - np.asarray(decoded, np.int16)).max()
        self.expect("VAE Decode against Image.open, in levels", int(levels), ok=levels <= 2)

    def batches(self) -> None:
        """One file an item, with its number in the name; and the batch index."""
        prompt = self._start() | {
            "three": node("RepeatLatentBatch", samples=[ENCODED, 0], amount=3),
            "save": node(
                "SdzSaveLatent", latent=["three", 0], filename_prefix="batch/%batch_num%", model="sd15", quality=20
            ),
            "last": node("LatentFromBatch", samples=["three", 0], batch_index=2, length=1),
            "one": node("SdzSaveLatent", latent=["last", 0], filename_prefix="one", model="sd15", quality=20),
        }
        result = self._done("a batch of 3", prompt)
        names = [each["filename"] for each in result.outputs["save"]["sdz"]]
        self.expect("files", names, ok=names == ["0_00001_.sdz", "1_00002_.sdz", "2_00003_.sdz"])
        text = pillow_sdz.read_latent(self._base / "output" / "one_00001_.sdz").text
        self.expect("batch index of the third", text.get("comfyui_batch_index"), ok=text["comfyui_batch_index"] == "2")

    def images(self) -> None:
        """IMAGE and MASK to a file and back, by the model of the package."""
        prompt: Prompt = {
            "photo": node("LoadImage", image="alpha.png"),
            "both": node("JoinImageWithAlpha", image=["photo", 0], alpha=["photo", 1]),
            "save": node("SdzSaveImage", images=["both", 0], filename_prefix="image", model="tiny", quality=60),
        }
        self._done("Save SDZ (IMAGE)", prompt)
        shutil.copy(self._base / "output" / "image_00001_.sdz", self._base / "input" / "image.sdz")
        prompt = {
            "load": node("SdzLoadImage", file="image_00001_.sdz [output]"),
            "mask": node("MaskToImage", mask=["load", 1]),
            "image": node("SaveImage", images=["load", 0], filename_prefix="image"),
            "alpha": node("SaveImage", images=["mask", 0], filename_prefix="alpha"),
            "core": node("LoadImage", image="image.sdz"),
            "same": node("SaveImage", images=["core", 0], filename_prefix="core"),
        }
        result = self._done("Load SDZ (IMAGE), and ComfyUI's own Load Image", prompt)
        image, mask, core = (self._picture(result.outputs[each]["images"][0]) for each in ("image", "alpha", "same"))
        photo = Image.open(self._base / "input" / "alpha.png")
        close = psnr(image, photo)
        self.expect("image against the photo", f"{close:.1f} dB", ok=close > 20)
        opaque = np.asarray(photo.getchannel("A"), np.int16) + np.asarray(mask.convert("L"), np.int16)
        words = "alpha and mask add up to"  # ComfyUI's Save Image rounds down
        self.expect(words, f"{opaque.min()} to {opaque.max()}", ok=opaque.min() >= 254 and opaque.max() == 255)
        self.expect("Load Image against Load SDZ (IMAGE)", f"{psnr(core, image):.0f} dB", ok=psnr(core, image) > 60)
