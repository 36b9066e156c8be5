"""Where the models are that come with the package: a folder, or a part of the ZIP archive that the package is in."""

from __future__ import annotations

from pathlib import Path
from typing import cast


def shipped_folder() -> Path:
    """The folder with the package's models.

    Python imports modules from an archive (`zipimport`), but `pathlib.Path` does not look into one. There it is a
    `pillow_sdz.models.archived.ArchivedFolder`, which does for all that is read of a model without its weights.
    """
    folder = Path(__file__).parent / "data"
    archive = getattr(__spec__.loader, "archive", None)  # of a zipimporter: the path of the archive
    if archive is None:
        return folder
    from pillow_sdz.models.archived import ArchivedFolder  # imports zipfile, which takes milliseconds

    return cast("Path", ArchivedFolder(archive, f"{folder.relative_to(archive).as_posix()}/"))
