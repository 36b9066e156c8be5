"""spec/sdz.md against the code: colour spaces, the preset dictionary and compact EXIF."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest
import reference_metadata
from hypothesis import given, settings
from specification import SPEC, table
from tiff_streams import directories

from pillow_sdz.container import colour_spaces, compact_exif, dictionary, tiff
from pillow_sdz.plugin.colour.spaces import D50, D65_TO_D50, FIXED, SPACES


def test_colour_spaces() -> None:
    rows = table("values: COLOUR_SPACES")
    assert [(int(row[0]), row[1] or None) for row in rows] == list(enumerate(colour_spaces.COLOUR_SPACES))
    grey = {row[1] for row in rows if row[2] == "`L`, `LA`"}
    assert grey == colour_spaces.GREY_SPACES
    assert {row[2] for row in rows if row[1] not in grey} == {"all"}


def test_preset_dictionary() -> None:
    printed = reference_metadata.dictionary()
    assert printed == dictionary.preset_dictionary()
    found = re.search(r"These are (\d+) bytes with the SHA-256\n`(\w+)`", SPEC)
    assert found
    assert (int(found[1]), found[2]) == (len(printed), hashlib.sha256(printed).hexdigest())


def test_units_of_exif() -> None:
    """The sizes in the text are those of the code, and all types have a form."""
    text = re.sub(r"\s+", " ", SPEC.split("### Compact EXIF", 1)[1].split("### Text", 1)[0])
    found = re.search(r"are 1 for types (.+?), 2 for (.+?), 4 for (.+?), and 8 for (.+?)\.", text)
    assert found
    sizes = {
        int(kind): size
        for size, kinds in zip((1, 2, 4, 8), found.groups(), strict=True)
        for kind in re.findall(r"\d+", kinds)
    }
    assert sizes == tiff.UNIT_SIZES == reference_metadata.SIZES
    assert sorted(sizes) == [*range(1, 14), 129]


@settings(deadline=None)
@given(directories())
def test_compact_exif_is_what_the_specification_says(directory: tiff.Directory) -> None:
    compact = compact_exif.pack(directory)
    assert compact is not None
    assert reference_metadata.tiff_of(compact) == compact_exif.unpack(compact) == tiff.write_tiff(directory)


def xyz(x: float, y: float) -> list[float]:
    return [x / y, 1.0, (1 - x - y) / y]


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d\.\d+", text)]


BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
"""From X, Y, Z to the responses of cones (ICC.1:2022, annex E)."""


def test_colorants_follow_from_the_primaries() -> None:
    text = SPEC.split("| name | red x, y | green x, y | blue x, y |\n|---|---|---|---|\n", 1)[1].split("\n\n", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert [row[0] for row in rows] == [name for name, space in SPACES.items() if space.colorants is not None]
    white = np.array(xyz(*numbers(SPEC.split("D65 as their white", 1)[1].split(")", 1)[0])))
    gains = (BRADFORD @ (np.array(D50) / FIXED)) / (BRADFORD @ white)
    adaptation = np.linalg.inv(BRADFORD) @ np.diag(gains) @ BRADFORD
    assert np.abs(adaptation * FIXED - D65_TO_D50).max() <= 0.5
    for name, *primaries in rows:
        unscaled = np.array([xyz(*numbers(primary)) for primary in primaries]).T
        exact = adaptation @ (unscaled * np.linalg.solve(unscaled, white)) * FIXED
        stored = np.array(SPACES[name].colorants).T
        assert np.abs(stored - exact).max() <= 1.5
        assert stored.sum(1).tolist() == list(D50)


@pytest.mark.parametrize("name", SPACES)
def test_tone_curves(name: str) -> None:
    text = SPEC.split("| names | tone curve |\n|---|---|\n", 1)[1].split("\n\n", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    (formula,) = [formula for names, formula in rows if name in names.split(", ")]
    power = formula.replace("^", "**")
    low, _, high = power.partition(" if v < ")
    limit, _, rest = high.partition("; otherwise ")
    for v in np.linspace(0, 1, 1001):
        value = eval(rest if rest and v >= float(limit) else low, {"v": v})
        assert SPACES[name].curve(v) == pytest.approx(value, abs=4e-5)
