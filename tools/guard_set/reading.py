"""Reading: lines of text by tesseract, QR codes by ZXing."""

from __future__ import annotations

import os
import subprocess
import tempfile
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from tools.bench.details import levenshtein

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ENLARGED: Final = 3
"""By how much lines are enlarged for tesseract, which was made for scans of 300 dots an inch."""

PLAIN: Final = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "‚": "'", "—": "-", "–": "-"})
"""Typographic marks -> those of the truth, which has typewriters' only."""


def normalised(text: str, language: str) -> str:
    """A text in the form in which texts are compared: NFKC, plain quotes, single spaces; in Japanese no spaces."""
    words = unicodedata.normalize("NFKC", text).translate(PLAIN).split()
    return ("" if language == "jpn" else " ").join(words)


def misread(text: str, truth: str, language: str) -> int:
    """How many characters of a line are read wrong: the edit distance, at most the length of the truth."""
    truth = normalised(truth, language)
    return min(len(truth), levenshtein(normalised(text, language), truth))


def read_lines(image: Image.Image, lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """What tesseract reads in each line of a picture; it gets one line at a time and is told its language.

    Args:
        image: RGB.
        lines: records of lines in the manifest: ``box`` and ``language``.

    Raises:
        FileNotFoundError: tesseract is not installed.
        subprocess.CalledProcessError: tesseract fails, for instance for want of a language.
    """
    texts = [""] * len(lines)
    grey = image.convert("L")
    for language in sorted({line["language"] for line in lines}):
        chosen = [number for number, line in enumerate(lines) if line["language"] == language]
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for number in chosen:
                part = grey.crop(tuple(lines[number]["box"]))
                part = part.resize((part.width * ENLARGED, part.height * ENLARGED), Image.Resampling.BICUBIC)
                paths.append(Path(folder) / f"{number}.png")
                part.save(paths[-1])
            pages = _tesseract(paths, Path(folder), language)
        for number, page in zip(chosen, pages, strict=True):
            texts[number] = " ".join(page.split())
    return texts


def _tesseract(paths: Sequence[Path], folder: Path, language: str) -> list[str]:
    """The text of each picture; one process reads them all, since loading a language takes longest."""
    names = folder / "names.txt"
    names.write_text("".join(f"{path}\n" for path in paths))
    command = ["tesseract", str(names), "-", "--psm", "7", "-l", language]
    environment = os.environ | {"OMP_THREAD_LIMIT": "1"}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    pages = output.split("\f")[: len(paths)]
    if len(pages) != len(paths):
        raise ValueError(f"tesseract read {len(pages)} of {len(paths)} lines")
    return pages


def scanned(image: Image.Image, payloads: Sequence[str]) -> list[bool]:
    """Whether each of the QR codes of a picture is found and says what it should."""
    import zxingcpp

    found = {barcode.text for barcode in zxingcpp.read_barcodes(image)}
    return [payload in found for payload in payloads]
