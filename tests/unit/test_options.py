"""Save options: ranges, contradictions, misspelt and foreign names."""

from fractions import Fraction

import numpy as np
import pytest

from pillow_sdz.errors import SdzOptionError
from pillow_sdz.options import ENCODING, FOREIGN, FRAMES, METADATA, SaveOptions, near_misses, save_options


def options(**keywords):
    return save_options(keywords, {})[0]


def test_defaults():
    expected = SaveOptions(
        quality=50,
        colors=None,
        model="tiny",
        steps=None,
        payload=None,
        effort=4,
        target_size=None,
        step=None,
    )
    assert options() == expected
    assert options(**dict.fromkeys(ENCODING)) == expected  # None counts as not given


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("quality", (0, 50, 100, np.int64(7))),
        ("colors", (2, 256, 4096, np.uint16(64), (2,), (4096,) * 8)),
        ("model", ("tiny", "tiny-8")),
        ("steps", (0, 1, 255)),
        ("payload", ("scalar", "palette", "direct")),
        ("step", (4, 4.0, 21.3, 128, np.float32(7.5), np.int64(9), Fraction(9, 2))),
        ("effort", (0, 9)),
        ("target_size", (1, 5000)),
    ],
)
def test_values(name, values):
    for value in values:
        kept = getattr(options(**{name: value}), name)
        assert kept == value
        assert type(kept) in (int, str, tuple, float)


def test_sequences_of_colors_become_tuples():
    assert options(colors=[256, np.int32(64)]).colors == (256, 64)
    assert hash(options(colors=[256, 64]))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("quality", (-1, 101, 50.0, "50", True, "high", (50,))),
        ("colors", (1, 4097, "256", 2.5, True, (), (2,) * 9, (256, 1), ("256",), b"22")),
        ("model", ("", 1, b"tiny")),
        ("steps", (-1, 256, 1.0, False, "1")),
        ("payload", ("", "raw", 0, "Direct")),
        ("effort", (-1, 10, 4.5, True)),
        ("target_size", (0, -5, 5e3, "5kB", True)),
        ("step", (0.9, 128.01, 0, -4, float("nan"), float("inf"), "21", True, (21,), 5j)),
    ],
)
def test_wrong_values(name, values):
    for value in values:
        with pytest.raises(SdzOptionError, match=f"^{name}: ") as caught:
            options(**{name: value})
        assert caught.value.expected is not None
        with pytest.raises(SdzOptionError):
            SaveOptions(**{name: value})


@pytest.mark.parametrize(
    "together",
    [
        {"target_size": 5000, "quality": 50},
        {"target_size": 5000, "colors": 256},
        {"target_size": 5000, "payload": "direct"},
        {"colors": 256, "payload": "direct"},
        {"colors": 256, "payload": "scalar"},
        {"step": 21, "quality": 50},
        {"step": 21, "target_size": 5000},
        {"step": 21, "colors": 256},
        {"step": 21, "payload": "palette"},
        {"step": 21, "payload": "direct"},
        {"target_size": 5000, "payload": "scalar"},
    ],
)
def test_contradictions(together):
    with pytest.raises(SdzOptionError, match="together with"):
        options(**together)


def test_a_step_goes_with_its_payload():
    assert options(step=21, payload="scalar").step == 21
    assert options(quality=80, payload="scalar").quality == 80


def test_quality_that_would_change_nothing():
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
        ("stepps", "steps"),
        ("targetsize", "target_size"),
        ("target-size", "target_size"),
        ("efort", "effort"),
        ("pay_load", "payload"),
        ("models", "model"),
        ("icc", "icc_profile"),
        ("iccprofile", "icc_profile"),
        ("texts", "text"),
        ("exif_", "exif"),
    ],
)
def test_misspelt(misspelt, meant):
    with pytest.raises(SdzOptionError, match=f"{misspelt}: no such option; did you mean .*{meant}"):
        options(**{misspelt: 1})


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_options_of_other_formats(name):
    with pytest.warns(UserWarning, match=f"option {name} means nothing"):
        assert options(**{name: 1}) == SaveOptions()


def test_unknown_options_that_resemble_nothing():
    with pytest.warns(UserWarning, match="option zebra means nothing"):
        options(zebra=1)


def test_hints():
    with pytest.warns(UserWarning, match="effort"):
        options(speed=6)


def test_no_option_is_taken_for_another():
    assert not FOREIGN & {*ENCODING, *METADATA, *FRAMES}
    assert all(near_misses(name)[0] == name for name in (*ENCODING, *METADATA))


def test_every_option_of_pillows_savers_is_known():
    """A keyword that some saver of Pillow reads must not be taken for a misspelling of ours."""
    import re
    from pathlib import Path

    import PIL

    found = set()
    for file in Path(PIL.__file__).parent.glob("*ImagePlugin.py"):
        found |= set(re.findall(r"""info(?:\.get\(|\[)"([a-z_]+)""", file.read_text("utf-8")))
    assert {"progressive", "optimize"} <= found
    known = {*ENCODING, *METADATA, *FRAMES, *FOREIGN}
    assert {name for name in found - known if near_misses(name)} <= {"mp"}  # a key of image.info, no keyword
