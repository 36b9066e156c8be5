"""Where the tests of the desktop install: a tree of their own, for one user and for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from desktop_tree import PLACES, make_root, place_in

if TYPE_CHECKING:
    from pathlib import Path

    from pillow_sdz.integrations.desktop.contents import Place


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_root(tmp_path, monkeypatch)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, root: Path) -> Place:
    return place_in(root, request.param)
