"""Errors: their text, their parts, and that they survive pickling."""

import copy
import pickle

import pytest

from pillow_sdz import errors
from pillow_sdz.errors import SdzError, SdzFormatError, SdzLimitError, SdzOptionError, SdzTruncatedError

SUBCLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, SdzError)]


def test_message_has_all_parts_in_order() -> None:
    error = SdzFormatError(
        "is wrong", file="a.sdz", field="width", found=0, expected="1 to 65535", remedy="get the file again"
    )
    assert str(error) == "a.sdz: width: is wrong (found 0, expected 1 to 65535); get the file again"
    assert (error.problem, error.file, error.field) == ("is wrong", "a.sdz", "width")
    assert (error.found, error.expected, error.remedy) == (0, "1 to 65535", "get the file again")


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({}, "no"),
        ({"file": "f"}, "f: no"),
        ({"field": "x"}, "x: no"),
        ({"found": 0}, "no (found 0)"),
        ({"expected": ""}, "no (expected )"),
        ({"remedy": "do"}, "no; do"),
        ({"file": "f", "found": 1, "remedy": "do"}, "f: no (found 1); do"),
    ],
)
def test_message_leaves_out_what_is_missing(parts: dict[str, object], text: str) -> None:
    assert str(SdzError("no", **parts)) == text  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", SUBCLASSES)
def test_pickle_and_copy_keep_everything(kind: type[SdzError]) -> None:
    error = kind("is wrong", file="a.sdz", field="width", found=(1, 2), expected=b"x", remedy="r")
    error.add_note("while testing")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert twin.args == error.args
        assert vars(twin) == vars(error)
        assert twin.__notes__ == ["while testing"]


def test_with_file_names_the_file_and_keeps_the_cause() -> None:
    def fail() -> None:
        raise SdzTruncatedError("ends", field="body") from ValueError("why")

    with pytest.raises(SdzTruncatedError) as caught:
        fail()
    named = caught.value.with_file("b.sdz")
    assert type(named) is SdzTruncatedError
    assert str(named) == "b.sdz: body: ends"
    assert str(caught.value) == "body: ends"
    assert isinstance(named.__cause__, ValueError)
    assert named.__traceback__ is caught.value.__traceback__


def test_classes() -> None:
    assert all(issubclass(kind, OSError) for kind in SUBCLASSES)
    assert issubclass(SdzTruncatedError, SdzFormatError)
    assert issubclass(SdzOptionError, ValueError)
    assert not issubclass(SdzLimitError, SdzFormatError)
    assert len(SUBCLASSES) == 8
