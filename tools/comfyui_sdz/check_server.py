"""Run the nodes in a real ComfyUI, headless on the CPU, through its HTTP API, and print what was seen.

    python tools/comfyui_sdz/check_server.py COMFYUI [FOLDER]

COMFYUI is a checkout of ComfyUI. Its requirements, pillow_sdz with its dependencies, and diffusers must be installed in
the environment that runs this; torchvision and torchaudio need not be. No checkpoint is needed: the networks are small
ones with random weights. FOLDER, which must be new, keeps pictures, files and logs; without it they are removed. The
exit code is 1 if a check failed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

PACK = Path(__file__).resolve().parent
ROOT = PACK.parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402 - after the path
from PIL import Image  # noqa: E402

import pillow_sdz  # noqa: E402
from tools.comfyui_checks import autoencoder  # noqa: E402
from tools.comfyui_checks.errors import check_errors  # noqa: E402
from tools.comfyui_checks.prompts import node  # noqa: E402
from tools.comfyui_checks.server import Server  # noqa: E402
from tools.comfyui_checks.steps import Steps  # noqa: E402

SIDE = 128
"""Side of the photo, in pixels."""


def main(checkout: Path, base: Path) -> int:
    """Prepare a folder for the server, run all steps, and return the number of checks that failed."""
    for name in ("custom_nodes", "input", "output", "temp", "models", "sdz_models"):
        (base / name).mkdir(parents=True)
    (base / "custom_nodes" / "comfyui_sdz").symlink_to(PACK)
    shutil.copy(ROOT / "tools" / "comfyui_checks" / "networks.py", base / "custom_nodes" / "check_networks.py")
    picture = _picture()
    picture.convert("RGB").save(base / "input" / "photo.png")
    picture.save(base / "input" / "alpha.png")
    os.environ["PILLOW_SDZ_MODELS"] = str(base / "sdz_models")
    weights = autoencoder.make(base / "vae")
    pillow_sdz.add_model("sd15", base / "vae")
    environment = {
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PILLOW_SDZ_DTYPE": "float32", "SDZ_CHECK_VAE": str(weights), "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    with Server(checkout, base, ["--force-fp32"], environment) as server:
        system = json.loads(server.get("/system_stats"))["system"]
        print(f"ComfyUI {system['comfyui_version']}, torch {system['pytorch_version']}, pillow_sdz of {ROOT.name}")
        steps = Steps(server, base)
        for step in (steps.nodes, steps.example_save, steps.example_load, steps.scale, steps.batches, steps.images):
            step()
        check_errors(server, steps, base)
    with Server(checkout, base, ["--force-fp32", "--disable-metadata"], environment) as server:
        prompt = {
            "photo": node("LoadImage", image="photo.png"),
            "save": node("SdzSaveImage", images=["photo", 0], filename_prefix="bare", model="tiny", quality=50),
        }
        result = server.run(prompt, {"nodes": []})
        with Image.open(base / "output" / "bare_00001_.sdz") as image:
            texts = {"prompt", "workflow"} & set(image.info)
        steps.expect("--disable-metadata: texts in the file", sorted(texts), ok=result.error is None and not texts)
    print(f"{len(steps.failed)} checks failed", *steps.failed, sep="\n  ")
    return len(steps.failed)


def _picture() -> Image.Image:
    """A picture with soft colours, edges and a soft alpha."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    waves = [128 + 100 * np.sin(9 * rows * (k + 1) + 7 * columns) for k in range(3)]
    alpha = np.where(rows > columns, 255, 255 * columns)
    return Image.fromarray(np.stack([*waves, alpha], 2).astype(np.uint8))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as temporary:
        chosen = Path(sys.argv[2] if len(sys.argv) == 3 else temporary).absolute()
        sys.exit(min(1, main(Path(sys.argv[1]).absolute(), chosen)))
