"""File types with the desktop's own programs, which read what is installed for a user in a folder of the test.

GNOME's and Xfce's thumbnails, and an installation for the whole system, are checked by
`tools/desktop/check_desktop.sh`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from thumbnails import GOLDEN, golden

from pillow_sdz.integrations.desktop import contents
from pillow_sdz.integrations.desktop.contents import DATA, user_place
from pillow_sdz.integrations.desktop.install import install, uninstall

PACKAGES = {"gio": "libglib2.0-bin", "update-mime-database": "shared-mime-info", "file": "file"}


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip where programs of the desktop are missing."""
    if sys.platform in ("win32", "darwin"):
        return pytest.mark.skip(reason="for the desktops of Linux and BSD")
    missing = [program for program in programs if shutil.which(program) is None]
    packages = " ".join(PACKAGES[program] for program in missing)
    return pytest.mark.skipif(bool(missing), reason=f"no {', '.join(missing)}: apt install {packages}")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with everything installed, and files of several sorts."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setattr(contents, "environment_program", lambda: PurePosixPath("/usr/bin/true"))
    install(user_place(Path("/")))
    data = golden("v0/grey").read_bytes()
    for name in ("picture.sdz", "no suffix", "PICTURE.SDZ"):
        (home / name).write_bytes(data)
    with zipfile.ZipFile(home / "map.sdz", "w") as archive:
        archive.writestr("maps/a.smf", "a map")
    return home


def said_by(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, env=os.environ).stdout


@needs("gio", "update-mime-database")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("picture.sdz", "image/x-sdz"),
        ("no suffix", "image/x-sdz"),
        ("PICTURE.SDZ", "image/x-sdz"),
        ("map.sdz", "application/zip"),
    ],
)
def test_gio_tells_pictures_from_maps(home: Path, name: str, kind: str) -> None:
    assert (
        f"standard::content-type: {kind}\n"
        in said_by("gio", "info", "-a", "standard::content-type", home / name) + "\n"
    )
    assert "image-x-sdz" in said_by("gio", "info", "-a", "standard::icon", home / "picture.sdz")


@needs("update-mime-database")
def test_nothing_is_left_of_the_database(home: Path) -> None:
    assert (home / "data" / "mime" / "mime.cache").exists()
    uninstall(user_place(Path("/")))
    assert sorted(path.name for path in home.iterdir()) == ["PICTURE.SDZ", "map.sdz", "no suffix", "picture.sdz"]


@needs("update-mime-database")
def test_other_types_stay_in_the_database(home: Path) -> None:
    packages = home / "data" / "mime" / "packages"
    other = (DATA / "pillow-sdz.xml").read_text("utf-8").replace("image/x-sdz", "image/x-other").replace("SDZ", "OTHER")
    (packages / "other.xml").write_text(other.replace("*.sdz", "*.other"))
    uninstall(user_place(Path("/")))
    found = (packages.parent / "globs2").read_text()
    assert "image/x-other" in found
    assert "sdz" not in found


@needs("file")
def test_libmagic_knows_every_file(home: Path) -> None:
    """Also through ~/.magic, which it reads besides its own."""
    pictures = [*map(str, GOLDEN), str(home / "no suffix")]
    kinds = said_by("file", "-b", "--mime-type", *pictures, home / "map.sdz").split()
    assert kinds == ["image/x-sdz"] * len(pictures) + ["application/zip"]
    assert said_by("file", "-b", golden("v0/grey_alpha")) == "SDZ image, 150 x 100, grey and alpha\n"


def test_the_magic_of_the_type_is_that_of_the_format() -> None:
    from pillow_sdz.container.magic import MAGIC
    from pillow_sdz.plugin.image_file import EXTENSION, MIME

    names = {"m": "http://www.freedesktop.org/standards/shared-mime-info"}
    types = ElementTree.parse(DATA / "pillow-sdz.xml").getroot().findall("m:mime-type", names)
    ours, zip_type = types
    assert ours.get("type") == MIME
    match = ours.find("m:magic/m:match", names)
    assert match is not None
    assert match.get("value", "").encode().decode("unicode_escape").encode("latin-1") == MAGIC
    globs = [each.find("m:glob", names) for each in (ours, zip_type)]
    assert {each.get("pattern") for each in globs if each is not None} == {f"*{EXTENSION}"}
    # of the same weight, so that the first bytes decide
    assert len({each.get("weight") for each in globs if each is not None}) == 1


def test_the_icon_is_an_svg_of_its_own() -> None:
    root = ElementTree.parse(DATA / "image-x-sdz.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("viewBox") == "0 0 64 64"
    text = (DATA / "image-x-sdz.svg").read_text()
    assert "href" not in text
    assert "<script" not in text
