"""Write golden files for the tests, once: an existing one is never written again.

    python tools/make_vectors.py

Each folder of tests/vectors/v0/ holds file.sdz, codes.npy (what the integer part of decoding must give, for ever) and
expected.json (what the headers say). A new format version gets a new folder beside v0; old files stay readable.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import skimage.data
from PIL import Image

import pillow_sdz  # noqa: F401  registers the format
from pillow_sdz.container import VERSION, parse
from pillow_sdz.reading import read_codes

FOLDER = Path(__file__).parent.parent / "tests" / "vectors" / f"v{VERSION}"
INFO = ("model", "fingerprint", "payload", "colors", "step", "layers", "steps", "noise")


def samples() -> dict[str, tuple[Image.Image, dict[str, Any]]]:
    """Name -> picture and options: every payload, coding and section at least once."""
    coffee = Image.fromarray(skimage.data.coffee()).resize((150, 100), Image.Resampling.LANCZOS)
    alpha = Image.radial_gradient("L").resize(coffee.size)
    rgba = coffee.copy()
    rgba.putalpha(alpha)
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    return {
        "default": (coffee, {"colors": 82}),
        "small_palette": (coffee, {"colors": 5, "effort": 0}),
        "fast": (coffee, {"colors": 64, "effort": 1}),
        "two_layers": (coffee, {"colors": (24, 9)}),
        "three_layers": (coffee, {"colors": (16, 8, 4), "effort": 9}),
        "direct": (coffee, {"payload": "direct"}),
        "rgba_with_metadata": (
            rgba,
            {"colors": 82, "text": {"Title": "Coffee \u2615"}, "xmp": xmp, "icc_profile": bytes(range(200))},
        ),
        "grey": (coffee.convert("L"), {"colors": 13, "steps": 3}),
        "grey_alpha": (rgba.convert("LA"), {"colors": (82, 4)}),
        "one_pixel": (coffee.crop((0, 0, 1, 1)), {"payload": "direct"}),
        "wide": (coffee.crop((0, 50, 150, 51)), {"colors": 6}),
        "scalar": (coffee, {}),
        "scalar_fine": (coffee, {"step": 4.0}),
        "scalar_coarse": (rgba, {"step": 128.0, "text": {"Title": "Coffee \u2615"}}),
        "scalar_one_pixel": (coffee.crop((0, 0, 1, 1)), {}),
        "scalar_wide": (coffee.crop((0, 50, 150, 51)).convert("L"), {"quality": 20}),
    }


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
def main() -> None:
    for name, (image, options) in samples().items():
        folder = FOLDER / name
        if folder.exists():
            click.echo(f"{name}: kept")
            continue
        folder.mkdir(parents=True)
        image.save(folder / "file.sdz", **options)
        data = (folder / "file.sdz").read_bytes()
        np.save(folder / "codes.npy", read_codes(parse(data), name))
        with Image.open(folder / "file.sdz") as opened:
            expected = {key: opened.info[key] for key in INFO if key in opened.info} | {
                "size": opened.size,
                "mode": opened.mode,
            }
        (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
        click.echo(f"{name}: {len(data)} bytes")


if __name__ == "__main__":
    main()
