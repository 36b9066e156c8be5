"""What the nodes refuse, and what the user of the server reads then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.comfyui_checks.prompts import node

if TYPE_CHECKING:
    from pathlib import Path

    from tools.comfyui_checks.server import Server
    from tools.comfyui_checks.steps import Steps


def check_errors(server: Server, steps: Steps, base: Path) -> None:
    """Run prompts that must fail, each with its message, and check that none leaves a file."""
    (base / "secret.sdz").write_bytes((base / "output" / "direct_00001_.sdz").read_bytes())
    (base / "input" / "damaged.sdz").write_bytes((base / "output" / "direct_00001_.sdz").read_bytes()[:-20])
    latent = {"latent": node("EmptyLatentImage", width=64, height=64, batch_size=1)}
    wide = {"latent": node("EmptySD3LatentImage", width=64, height=64, batch_size=1)}
    video = {"latent": node("EmptyHunyuanLatentVideo", width=64, height=64, length=1, batch_size=1)}
    masked = latent | {
        "mask": node("SolidMask", value=1.0, width=64, height=64),
        "masked": node("SetLatentNoiseMask", samples=["latent", 0], mask=["mask", 0]),
    }

    def save(origin: str = "latent", **change: object) -> dict[str, object]:
        inputs = {"latent": [origin, 0], "filename_prefix": "refused", "model": "sd15", "quality": 50, **change}
        return node("SdzSaveLatent", **inputs)

    def load(name: str) -> dict[str, dict[str, object]]:
        back = node("SaveLatent", samples=["load", 0], filename_prefix="refused")
        return {"load": node("SdzLoadLatent", file=name), "back": back}

    before = sorted(base.rglob("*.sdz"))
    for words, prompt, message in (
        ("no such file", load("missing.sdz"), "there is no .sdz file"),
        ("a file elsewhere", load("../secret.sdz"), "is outside of"),
        ("a file elsewhere, by [output]", load("../secret.sdz [output]"), "is outside of"),
        ("a picture that is no .sdz", load("photo.png"), "there is no .sdz file"),
        ("a damaged file", load("damaged.sdz"), "damaged.sdz"),
        ("an image's file as a latent", load("image.sdz"), "use Load SDZ (IMAGE)"),
        ("16 channels", wide | {"save": save()}, "has 16 channels"),
        ("a video", video | {"save": save()}, "as those of videos"),
        ("a noise mask", masked | {"save": save("masked")}, "turn on drop_noise_mask"),
        ("a model that is not there", latent | {"save": save(model="sd21")}, "sdz-convert models add"),
        ("a folder elsewhere", latent | {"save": save(filename_prefix="../x")}, "outside the output folder"),
        ("too small a target", latent | {"save": save(target_size=9)}, "the picture does not fit"),
    ):
        result = server.run(prompt)
        steps.expect(f"refused: {words}", result.error, ok=result.error is not None and message in result.error)
    kept = masked | {"save": save("masked", drop_noise_mask=True, filename_prefix="masked")}
    steps.expect("a noise mask that may be dropped", "saved", ok=server.run(kept).error is None)
    made = {path.name for path in set(base.rglob("*.sdz")) - set(before)}
    steps.expect("files made meanwhile", sorted(made), ok=made == {"masked_00001_.sdz"})
