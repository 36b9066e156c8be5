"""Installing and removing: what is written is removed to the byte, and files of others are left alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from desktop_tree import place_in, tree

from pillow_sdz.errors import SdzOptionError
from pillow_sdz.integrations.desktop import install as module
from pillow_sdz.integrations.desktop import marked_block
from pillow_sdz.integrations.desktop.contents import Place, contents, system_place
from pillow_sdz.integrations.desktop.install import install, status, uninstall
from pillow_sdz.plugin.atomic_file import AtomicFile

pytestmark = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="for the desktops of Linux and BSD")


def test_uninstall_leaves_the_tree_as_it_was(place: Place, root: Path) -> None:
    before = tree(root)
    written = install(place).done
    assert len(written) == len(set(written)) == (6 if place.program else 5)
    after = tree(root)
    for path in written:
        assert path.removeprefix("lines in ").lstrip("/") in after
    assert set(status(place).values()) == {"installed"}  # type: ignore[union-attr]
    assert len(uninstall(place).done) == len(written)
    assert tree(root) == before
    assert uninstall(place).done == ()
    assert status(place) is None


def test_installing_again_changes_nothing(place: Place, root: Path) -> None:
    install(place)
    before = tree(root)
    assert install(place).done == ()
    assert tree(root) == before


def test_an_empty_system(tmp_path: Path) -> None:
    place = system_place("/usr", tmp_path)
    install(place)
    assert (tmp_path / "usr/bin/sdz-thumbnailer").stat().st_mode & 0o111
    assert (tmp_path / "etc/magic").read_bytes().startswith(marked_block.BEGIN)
    uninstall(place)
    assert tree(tmp_path) == {}


def test_all_users_can_read_what_is_installed_for_them(root: Path) -> None:
    before = tree(root)
    mask = os.umask(0o077)
    try:
        install(place_in(root, "system"))
    finally:
        os.umask(mask)
    new = {path: each for path, each in tree(root).items() if path not in before}
    assert {mode for mode, content in new.values() if content is None} == {0o755}
    assert {mode for mode, content in new.values() if content is not None} == {0o644, 0o755}


def test_an_older_installation_is_brought_up_to_date(place: Place, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(root)
    wanted = contents(place)
    older = [type(each)(each.path, b"older " + each.data, each.mode) for each in wanted]
    stale = type(wanted[0])(place.data / "thumbnailers" / "old-name.thumbnailer", b"stale")
    with monkeypatch.context() as patch:
        patch.setattr(module, "contents", lambda _: [*older, stale])
        patch.setattr(marked_block, "block_of", lambda lines: marked_block.BEGIN + b"# older\n" + marked_block.END)
        install(place)
        assert place.real(stale.path).exists()
    assert "of another version" in status(place).values()  # type: ignore[union-attr]
    done = install(place).done
    assert str(stale.path) in done
    assert not place.real(stale.path).exists()
    assert set(status(place).values()) == {"installed"}  # type: ignore[union-attr]
    assert b"# older" not in place.real(place.magic).read_bytes()
    uninstall(place)
    assert tree(root) == before


@pytest.mark.parametrize("how", ["file", "folder", "link"])
def test_files_of_others_are_in_the_way(place: Place, root: Path, how: str) -> None:
    path = place.real(contents(place)[-1].path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if how == "file":
        path.write_bytes(contents(place)[-1].data)  # the same bytes, from a package perhaps
    elif how == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    before = tree(root)
    with pytest.raises(SdzOptionError, match="was not put there") as error:
        install(place)
    assert str(path) in str(error.value)
    assert tree(root) == before


def test_a_changed_file_is_not_overwritten_and_not_removed(place: Place, root: Path) -> None:
    install(place)
    path = place.real(contents(place)[-1].path)
    path.write_bytes(path.read_bytes() + b"# mine\n")
    assert status(place)[str(contents(place)[-1].path)] == "changed"  # type: ignore[index]
    before = tree(root)
    with pytest.raises(SdzOptionError, match="was changed since"):
        install(place)
    assert tree(root) == before
    outcome = uninstall(place)
    assert any("was changed" in note and path.name in note for note in outcome.notes)
    assert path.read_bytes().endswith(b"# mine\n")
    assert not place.real(place.record).exists()


def test_what_is_missing_is_installed_again(place: Place) -> None:
    install(place)
    path = contents(place)[-1].path
    place.real(path).unlink()
    assert status(place)[str(path)] == "missing"  # type: ignore[index]
    assert str(path) in install(place).done
    place.real(path).unlink()
    assert str(path) not in uninstall(place).done


def test_lines_around_ours_are_kept(place: Place) -> None:
    magic = place.real(place.magic)
    old, mode = magic.read_bytes(), magic.stat().st_mode
    install(place)
    assert magic.stat().st_mode == mode
    magic.write_bytes(b"0 string A first\n" + magic.read_bytes() + b"0 string Z last\n")
    assert install(place).done == ()
    uninstall(place)
    assert magic.read_bytes() == b"0 string A first\n" + old + b"0 string Z last\n"


def test_our_lines_changed_by_others_are_left(place: Place) -> None:
    install(place)
    magic = place.real(place.magic)
    changed = magic.read_bytes().replace(b"SDZ image", b"SDZ picture")
    magic.write_bytes(changed)
    assert status(place)[str(place.magic)] == "changed"  # type: ignore[index]
    with pytest.raises(SdzOptionError, match="remove them by hand"):
        install(place)
    assert any("lines in" in note for note in uninstall(place).notes)
    assert magic.read_bytes() == changed


def test_links_to_the_magic_file_are_followed(place: Place, root: Path) -> None:
    magic = place.real(place.magic)
    (root / "dotfiles").write_bytes(magic.read_bytes())
    magic.unlink()
    magic.symlink_to(root / "dotfiles")
    before = tree(root)
    install(place)
    assert magic.is_symlink()
    assert marked_block.BEGIN in (root / "dotfiles").read_bytes()
    uninstall(place)
    assert tree(root) == before


def test_a_failure_takes_back_what_was_written(place: Place, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every file in turn, until all can be written."""
    before, real = tree(root), AtomicFile.commit
    allowed, writes = 0, list[AtomicFile]()

    def commit(file: AtomicFile) -> None:
        writes.append(file)
        if len(writes) > allowed:
            raise OSError(28, "No space left on device")
        real(file)

    monkeypatch.setattr(AtomicFile, "commit", commit)
    for allowed in range(20):
        writes.clear()
        try:
            install(place)
        except OSError:
            assert tree(root) == before, allowed
        else:
            break
    assert allowed == (6 if place.program else 5)


def test_a_failure_of_uninstall_brings_back_what_was_removed(
    place: Place, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(place)
    before, real = tree(root), Path.unlink

    def unlink(path: Path, *args: bool) -> None:
        if path == place.real(place.record):
            raise PermissionError(13, "Permission denied", str(path))
        real(path, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        with pytest.raises(PermissionError):
            uninstall(place)
    assert tree(root) == before


def test_a_folder_that_cannot_be_made(place: Place, root: Path) -> None:
    (root / "usr/local/lib").write_bytes(b"a file")
    (root / "home/.local").write_bytes(b"a file")
    before = tree(root)
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        install(place)
    assert tree(root) == before
