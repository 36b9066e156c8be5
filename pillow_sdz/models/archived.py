"""Model folders within a ZIP archive."""

from __future__ import annotations

import os
import zipfile


class ArchivedFolder(zipfile.Path):
    """A folder or file in an archive, with those methods of `pathlib.Path` that finding and describing models need."""

    def stat(self) -> os.stat_result:
        """That of the archive."""
        assert self.root.filename is not None
        return os.stat(self.root.filename)  # noqa: PTH116 - a name, as zipfile has it
