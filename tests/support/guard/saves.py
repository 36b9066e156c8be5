"""Cases of ``Image.save``: modes, options, metadata and profiles. Only the networks are replaced by stand-ins."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from guard import calls, file_bytes
from guard.inputs import codes, samples_of_planes
from guard.pictures import EXIF, ICC, a_picture, infos, pictures
from guard.results import Written, told

if TYPE_CHECKING:
    from collections.abc import Iterator


def saved(image: Image.Image, model: str, **options: Any) -> Written:
    """The file that ``Image.save`` writes."""
    stream = io.BytesIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        image.save(stream, "SDZ", model=model, **calls.new_names(options))
    data = stream.getvalue()
    return Written(data, file_bytes.plain_file(data), tuple(str(each.message) for each in caught))


def attempt(image: Image.Image, model: str, **options: Any) -> Written | str:
    """As `saved`, or the text of the exception."""
    try:
        return saved(image, model, **options)
    except Exception as error:
        return told(error)


def option_sets() -> Iterator[dict[str, Any]]:
    """Options of ``Image.save``."""
    yield {}
    yield from ({"quality": quality} for quality in (0, 1, 20, 49, 51, 75, 90, 95, 96, 99, 100))
    yield from ({"colors": colors} for colors in (2, 5, 16, 64, 4096, (16,), (9, 4), [12, 6, 3], (2,) * 8))
    yield from ({"step": step} for step in (1, 1.5, 4, 4.04, 27, 60.5, 128))
    yield from ({"payload": payload} for payload in ("scalar", "palette", "direct"))
    yield from ({"payload": "palette", "quality": quality} for quality in (0, 10, 60, 97, 100))
    yield from ({"payload": "scalar", "quality": quality} for quality in (0, 99, 100))
    yield {"payload": "direct", "quality": 3}
    yield {"colors": 6, "quality": 3}
    for effort in range(10):
        yield {"effort": effort, "colors": (20, 7)}
        yield {"effort": effort, "payload": "direct"}
    yield {"effort": 0}
    yield from ({"target_size": size} for size in (1, 150, 200, 260, 100_000))
    yield from ({"steps": steps} for steps in (0, 1, 50, 255))
    yield {"steps": 9, "payload": "direct"}
    yield {"text": {"Title": "Coffee \u2615", "step": "one"}}
    yield {"exif": EXIF}
    yield {"exif": EXIF[6:], "xmp": "<x:xmpmeta/>", "icc_profile": ICC, "text": {"a": "b" * 900}}
    yield {"xmp": b"<x:xmpmeta/>", "icc_profile": None, "exif": b"", "text": {}}
    yield {"speed": 4, "optimize": True, "dpi": (72, 72)}
    yield {"lossless": True, "quality": 80}


def saved_modes() -> Iterator[tuple[str, Written | str]]:
    for name, image in pictures():
        yield f"mode {name}", attempt(image, "toy")
        yield f"mode {name}, colors 12", attempt(image, "noprior", colors=12, effort=1)
        yield f"mode {name}, direct, tiny-8", attempt(image, "tiny", payload="direct")


def saved_options() -> Iterator[tuple[str, Written | str]]:
    """Each set of options with each of the models that it is relevant to."""
    for options in option_sets():
        where = ", ".join(f"{name} {value}" for name, value in options.items()).replace("'", "")
        where = where if len(where) < 70 else ", ".join(options)
        yield f"toy, {where or 'no options'}", attempt(a_picture(), "toy", **options)
        if not set(options) & {"effort", "steps"}:
            yield f"tiny-8, {where or 'no options'}", attempt(a_picture(), "tiny-8", **options)
        if set(options) <= {"quality", "colors", "payload", "target_size"}:
            yield f"noprior, {where or 'no options'}", attempt(a_picture(), "noprior", **options)
    yield "noprior, step 27", attempt(a_picture(), "noprior", step=27)


def saved_alpha() -> Iterator[tuple[str, Written | str]]:
    rgba = a_picture().convert("RGBA")
    rgba.putalpha(Image.fromarray(samples_of_planes()["soft disc"]))
    for effort in (0, 4, 9):
        yield f"toy, alpha, effort {effort}", attempt(rgba, "toy", effort=effort)
        yield f"toy, alpha, target 900, effort {effort}", attempt(rgba, "toy", effort=effort, target_size=900)


def saved_large() -> Iterator[tuple[str, Written | str]]:
    large = a_picture(200, 270, 3)
    for options in ({}, {"quality": 70}, {"colors": (40, 9)}, {"target_size": 900}):
        for model in ("toy", "noprior", "tiny-8") if "target_size" not in options else ("tiny-8",):
            yield f"{model}, 270 x 200, {options}".replace("'", ""), attempt(large, model, **options)


def saved_metadata() -> Iterator[tuple[str, Written | str]]:
    """What is kept of an image's info, and of colour profiles that fit its mode or do not."""
    for name, info in infos().items():
        image = a_picture(16, 16)
        image.info.update(info)
        yield f"info, {name}", attempt(image, "toy")
    for name, space in (("RGB", b"RGB "), ("grey", b"GRAY"), ("CMYK", b"CMYK"), ("unknown", b"what")):
        for mode in ("RGB", "L", "CMYK"):
            image = Image.frombytes(mode, (8, 8), codes(1, 8, 8, len(Image.new(mode, (1, 1)).getbands())).tobytes())
            image.info["icc_profile"] = bytes(16) + space + bytes(40)
            yield f"profile of {name} in mode {mode}", attempt(image, "toy")


def saves() -> Iterator[tuple[str, Written | str]]:
    """All files but those of `profile`."""
    for cases in (saved_modes, saved_options, saved_alpha, saved_large, saved_metadata):
        yield from cases()


def profile() -> Iterator[tuple[str, Written]]:
    """Files with palettes by libimagequant: of the profile of 2022, and of a model with four channels."""
    options = {"profile": "buehlmann2022"}
    image = Image.fromarray(np.kron(codes(7, 64, 64, 3), np.ones((8, 8, 1), np.uint8)))
    yield "512 x 512", saved(image, "four", **options)
    yield "four, quality 20", saved(a_picture(), "four", quality=20)
    yield "four, colors 16 8", saved(a_picture(200, 270), "four", colors=(16, 8))
