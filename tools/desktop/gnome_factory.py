"""Make thumbnails with GNOME's own factory, from the thumbnailer that is installed for image/x-sdz.

Run by the system's Python, which has the introspection of GNOME:  gnome_factory.py FOLDER FILE...

The factory runs the program of the entry in bubblewrap, as GNOME Files does. It fails where user namespaces are not
allowed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gi

gi.require_version("GnomeDesktop", "3.0")
from gi.repository import Gio, GLib, GnomeDesktop  # noqa: E402

SIZES = {"normal": GnomeDesktop.DesktopThumbnailSize.NORMAL, "large": GnomeDesktop.DesktopThumbnailSize.LARGE}


def main() -> int:
    """Print a line for each thumbnail; returns how many failed."""
    folder, failed = Path(sys.argv[1]), 0
    for name, size in SIZES.items():
        factory = GnomeDesktop.DesktopThumbnailFactory.new(size)
        for file in map(Path, sys.argv[2:]):
            uri = file.absolute().as_uri()
            info = Gio.File.new_for_uri(uri).query_info("standard::content-type,time::modified", 0, None)
            kind, modified = info.get_content_type(), info.get_attribute_uint64("time::modified")
            if not factory.can_thumbnail(uri, kind, modified):
                print(f"{file.name}: {kind}: there is no thumbnailer for it")
                failed += kind == "image/x-sdz"
                continue
            try:
                picture = factory.generate_thumbnail(uri, kind, None)
            except GLib.Error as error:
                print(f"{file.name}: {name}: failed: {error.message}")
                failed += 1
                continue
            factory.save_thumbnail(picture, uri, modified, None)
            found = factory.lookup(uri, modified)
            target = folder / f"{file.stem}-gnome-{name}.png"
            picture.savev(str(target), "png", [], [])
            print(f"{file.name}: {name}: {picture.get_width()} x {picture.get_height()}, in the cache: {bool(found)}")
    return failed


if __name__ == "__main__":
    sys.exit(min(main(), 1))
