"""Errors: their text and parts, the file that they name, and pickling; errors for missing packages; warnings."""

from __future__ import annotations

import copy
import pickle
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from pillow_sdz import errors
from pillow_sdz.errors import (
    PACKAGES,
    SdzDependencyError,
    SdzError,
    SdzFormatError,
    SdzLimitError,
    SdzOptionError,
    SdzTruncatedError,
    naming_file,
    needs_packages,
    notice,
    require_installed,
)

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
def test_message_leaves_out_what_is_missing(parts: dict[str, Any], text: str) -> None:
    assert str(SdzError("no", **parts)) == text


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


def named(error: Exception, *files: str | Path | None) -> Exception:
    """The error as it leaves blocks that name files, the innermost first."""
    try:
        with naming_file(files[0]):
            if files[1:]:
                raise named(error, *files[1:])
            raise error
    except Exception as left:
        return left


@pytest.mark.parametrize("kind", SUBCLASSES)
def test_naming_gives_an_error_its_file(kind: type[SdzError]) -> None:
    error = kind("is wrong", field="width", found=0, expected="1", remedy="r")
    left = named(error, "cat.sdz")
    assert left is error
    assert (error.file, error.field, error.problem) == ("cat.sdz", "width", "is wrong")
    assert str(error) == "cat.sdz: width: is wrong (found 0, expected 1); r"
    assert error.args == (str(error),)


def test_naming_takes_paths() -> None:
    path = Path("folder") / "cat.sdz"
    assert str(named(SdzError("no"), path)) == f"{path}: no"


def test_naming_adds_once_and_keeps_the_nearer_name() -> None:
    assert str(named(SdzError("no"), "outer", "inner")) == "inner: no"
    assert str(named(SdzError("no", file="nearest"), "outer", "inner")) == "nearest: no"
    assert str(named(SdzError("no"), "outer", None)) == "outer: no"
    assert str(named(SdzError("no"), None, "inner")) == "inner: no"


def test_naming_nothing_adds_nothing() -> None:
    error = SdzFormatError("no", field="x")
    assert str(named(error, None)) == "x: no"
    assert error.file is None


@pytest.mark.parametrize("other", [ValueError("x"), OSError(2, "x"), KeyError("x")])
def test_naming_leaves_other_errors_alone(other: Exception) -> None:
    before = str(other), other.args
    assert named(other, "cat.sdz") is other
    assert (str(other), other.args) == before


def test_naming_keeps_cause_traceback_and_notes() -> None:
    def deep() -> None:
        raise SdzTruncatedError("ends") from ValueError("why")

    with pytest.raises(SdzTruncatedError, match=r"^cat\.sdz: ends$") as caught, naming_file("cat.sdz"):
        deep()
    assert isinstance(caught.value.__cause__, ValueError)
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "deep"
    caught.value.add_note("n")
    assert "n" in traceback.format_exception(caught.value)[-1]


def test_a_named_error_survives_pickling() -> None:
    error = named(SdzLimitError("too large", found=3), "cat.sdz")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is SdzLimitError
        assert str(twin) == "cat.sdz: too large (found 3)"
        assert vars(twin) == vars(error)


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("module", ["{}", "{}.part.inner"])
def test_a_missing_package_is_named_with_its_command(package: str, module: str) -> None:
    missing = ModuleNotFoundError("No module named it", name=module.format(package))
    with pytest.raises(SdzDependencyError) as caught, needs_packages("a step"):
        raise missing
    assert str(caught.value) == f"a step needs {package} (No module named it); pip install {package}"
    assert caught.value.__cause__ is missing
    with (
        pytest.raises(SdzDependencyError, match=r"pip install 'pillow-sdz\[sd\]'$"),
        needs_packages("a step", "'pillow-sdz[sd]'"),
    ):
        raise missing


def test_a_package_that_is_there_but_broken_is_named_too() -> None:
    with pytest.raises(SdzDependencyError, match=r"needs torch \(libcudart is missing\)"), needs_packages("a step"):
        raise ImportError("libcudart is missing", name="torch._C")


@pytest.mark.parametrize("name", ["pillow_sdz.codec", "torchvision", "", None])
def test_other_failed_imports_are_no_missing_packages(name: str | None) -> None:
    with pytest.raises(ImportError) as caught, needs_packages("a step"):
        raise ImportError("no", name=name)
    assert not isinstance(caught.value, SdzError)


def test_required_packages_are_looked_for_without_importing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "blocked_module", None)
    monkeypatch.delitem(sys.modules, "this", raising=False)
    require_installed("a step", {"this": "this-package", "json": "json-package"}, "pip install x")
    assert "this" not in sys.modules
    wanted = {"no_such_module": "first-package", "json": "json-package", "blocked_module": "second-package"}
    with pytest.raises(SdzDependencyError) as caught:
        require_installed("a step", wanted, "pip install x")
    assert str(caught.value) == "a step needs first-package, second-package; pip install x"


def test_a_notice_points_to_the_line_outside_of_the_package() -> None:
    scope: dict[str, Any] = {"__name__": "pillow_sdz.inner", "notice": notice}
    exec("def inner():\n    notice('look', FutureWarning)", scope)
    with pytest.warns(FutureWarning, match="look") as seen:
        scope["inner"]()
    assert seen[0].filename == __file__
