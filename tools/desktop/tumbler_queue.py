"""Ask tumbler, the thumbnail service of Xfce, for thumbnails over D-Bus, and wait for its signals.

Run by the system's Python in a session of its own:  dbus-run-session -- python3 tumbler_queue.py FOLDER FILE...
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from gi.repository import Gio, GLib

NAME = "org.freedesktop.thumbnails.Thumbnailer1"
PATH = "/org/freedesktop/thumbnails/Thumbnailer1"
MIME = "image/x-sdz"
FLAVORS = ("normal", "large")
SECONDS = 120


def main() -> int:
    """Print a line for each signal; returns how many thumbnails were not made."""
    folder, files = Path(sys.argv[1]), list(map(Path, sys.argv[2:]))
    uris = [file.absolute().as_uri() for file in files]
    bus = Gio.bus_get_sync(Gio.BusType.SESSION, None)
    failed = 0
    for flavor in FLAVORS:
        _queue(bus, uris, flavor)
        for file, uri in zip(files, uris, strict=True):
            made = _cache() / flavor / f"{hashlib.md5(uri.encode(), usedforsecurity=False).hexdigest()}.png"
            if made.exists():
                shutil.copy(made, folder / f"{file.stem}-tumbler-{flavor}.png")
            else:
                print(f"{file.name}: {flavor}: no thumbnail")
                failed += 1
    return failed


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "thumbnails"


def _queue(bus: Any, uris: list[str], flavor: str) -> None:
    """Queue files, and wait until tumbler has finished with them."""
    loop = GLib.MainLoop()

    def hear(_bus: Any, _sender: str, _path: str, _interface: str, signal: str, arguments: Any) -> None:
        if signal in ("Ready", "Error"):
            print(f"{flavor}: {signal}: {arguments.unpack()[1:]}")
        if signal == "Finished":
            loop.quit()

    subscription = bus.signal_subscribe(NAME, NAME, None, PATH, None, Gio.DBusSignalFlags.NONE, hear)
    arguments = GLib.Variant("(asasssu)", (uris, [MIME] * len(uris), flavor, "default", 0))
    bus.call_sync(NAME, PATH, NAME, "Queue", arguments, None, Gio.DBusCallFlags.NONE, SECONDS * 1000, None)
    GLib.timeout_add_seconds(SECONDS, loop.quit)
    loop.run()
    bus.signal_unsubscribe(subscription)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
