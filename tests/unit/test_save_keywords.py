"""The keywords of ``image.save``: defaults, misspelt and foreign names."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import PIL
import pytest

from pillow_sdz.errors import SdzOptionError
from pillow_sdz.options import SaveOptions
from pillow_sdz.plugin.save_keywords import DEPRECATED, ENCODING, FOREIGN, FRAMES, METADATA, near_misses, save_options


def options(**keywords: Any) -> SaveOptions:
    return save_options(keywords, {})[0]


def test_defaults() -> None:
    expected = SaveOptions(
        quality=50,
        colors=None,
        model="tiny",
        denoise_steps=None,
        payload=None,
        effort=4,
        target_size=None,
        step=None,
        metadata="useful",
    )
    assert options() == expected
    assert options(**dict.fromkeys(ENCODING)) == expected  # None counts as not given


def test_quality_that_would_change_nothing() -> None:
    with pytest.warns(UserWarning, match="quality was ignored"):
        assert options(quality=80, colors=64).colors == 64
    with pytest.warns(UserWarning, match="quality was ignored"):
        options(quality=80, payload="direct")
    assert options(quality=80, payload="palette").quality == 80


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("qualty", "quality"),
        ("Quality", "quality"),
        ("colours", "colors"),
        ("color", "colors"),
        ("n_colors", "colors"),
        ("denoise_stepps", "denoise_steps"),
        ("stepps", "step"),
        ("targetsize", "target_size"),
        ("target-size", "target_size"),
        ("efort", "effort"),
        ("pay_load", "payload"),
        ("models", "model"),
        ("icc", "icc_profile"),
        ("iccprofile", "icc_profile"),
        ("texts", "text"),
        ("exif_", "exif"),
        ("meta_data", "metadata"),
        ("meta", "metadata"),
    ],
)
def test_misspelt(misspelt: str, meant: str) -> None:
    with pytest.raises(SdzOptionError, match=f"{misspelt}: no such option; did you mean .*{meant}"):
        options(**{misspelt: 1})


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_options_of_other_formats(name: str) -> None:
    with pytest.warns(UserWarning, match=f"option {name} means nothing"):
        assert options(**{name: 1}) == SaveOptions()


def test_unknown_options_that_resemble_nothing() -> None:
    with pytest.warns(UserWarning, match="option zebra means nothing"):
        options(zebra=1)


def test_hints() -> None:
    with pytest.warns(UserWarning, match="effort"):
        options(speed=6)


def test_no_option_is_taken_for_another() -> None:
    assert not FOREIGN & {*ENCODING, *METADATA, *FRAMES}
    assert all(near_misses(name)[0] == name for name in (*ENCODING, *METADATA))


def test_every_option_of_pillows_savers_is_known() -> None:
    """A keyword that some saver of Pillow reads must not be taken for a misspelling of ours."""
    found = set()
    for file in Path(PIL.__file__).parent.glob("*ImagePlugin.py"):
        found |= set(re.findall(r"""info(?:\.get\(|\[)"([a-z_]+)""", file.read_text("utf-8")))
    assert {"progressive", "optimize"} <= found
    known = {*ENCODING, *METADATA, *FRAMES, *FOREIGN}
    assert {name for name in found - known if near_misses(name)} <= {"mp"}  # a key of image.info, no keyword


def test_the_encoding_keywords_are_the_fields_of_the_options() -> None:
    assert tuple(field.name for field in fields(SaveOptions)) == ENCODING
    names = "quality colors model denoise_steps payload effort target_size step profile metadata guard"
    names += " error error_map"
    assert set(names.split()) == set(ENCODING)
    assert set(DEPRECATED.values()) < set(ENCODING)
    assert not set(DEPRECATED) & {*ENCODING, *METADATA, *FRAMES, *FOREIGN}


@pytest.mark.parametrize(("old", "new"), DEPRECATED.items())
def test_deprecated_keywords_work_with_a_warning(old: str, new: str) -> None:
    for value in (0, 7):
        with pytest.warns(DeprecationWarning, match=f"^{old} is deprecated: it is called {new} now$"):
            assert options(**{old: value}) == options(**{new: value})
    assert options(**{old: None}) == SaveOptions()  # not given
    with (
        pytest.warns(DeprecationWarning, match=old),
        pytest.raises(SdzOptionError, match=f"^{old}: .*together with {new}"),
    ):
        options(**{old: 1, new: 1})
