"""Build the set of pictures on which generative codecs go wrong.

    python tools/guard_set/build.py OUT --photos FOLDER [--japanese-font ipag.ttf]

Writes PNG files of 256 to 768 pixels a side into OUT, and ``manifest.json``, which has for each of them: group, source
and licence, lines of text (truth, language, height and box), boxes of faces and of lattices, and what QR codes say.
The pixels are the same each time with the same versions of Pillow, FreeType and matplotlib. FOLDER holds the photos
that `tools.guard_set` names; it is the user's, and neither they nor the pictures made of them are distributed.
"""

from __future__ import annotations

import hashlib
import json
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from tools.guard_set.documents import documents
from tools.guard_set.drawings import drawings, qr_codes
from tools.guard_set.faces import faces
from tools.guard_set.lattices import lattices
from tools.guard_set.lettering import JAPANESE, Fonts
from tools.guard_set.photos import Photos
from tools.guard_set.signs import signs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.guard_set.entries import Entry

PLAIN: Final = (
    "chelsea", "rocket", "grass", "cid22_0060", "cid22_0090", "pixabay700_0135", "pixabay700_0225", "tinycoco_0062",
)  # fmt: skip
"""Photos without text, faces or lattices: controls, which a guard must not make worse."""


def entries(photos: Photos, fonts: Fonts) -> Iterator[Entry]:
    """All pictures of the set, in a fixed order."""
    return chain(
        signs(photos, fonts),
        documents(photos, fonts),
        drawings(photos, fonts),
        qr_codes(photos, fonts),
        faces(photos),
        lattices(photos),
        (photos.get(name).entry(f"plain_{name}", "plain") for name in PLAIN),
    )


def write(out: Path, made: Iterator[Entry]) -> list[dict[str, Any]]:
    """Write pictures and manifest.

    Args:
        out: a folder; made if it does not exist.
        made: the pictures.

    Returns:
        The manifest's records, each with the SHA-256 of the picture's RGB bytes.

    Raises:
        ValueError: an entry breaks a rule of the set; see `Entry.check`.
    """
    out.mkdir(parents=True, exist_ok=True)
    records = []
    for entry in made:
        entry.check()
        entry.image.save(out / f"{entry.name}.png")
        records.append(entry.record() | {"sha256": hashlib.sha256(entry.image.tobytes()).hexdigest()})
    (out / "manifest.json").write_text(json.dumps(records, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return records


FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--photos", "folder", type=FOLDER, required=True, help="the folder with the photos that the set names")
@click.option("--japanese-font", type=click.Path(dir_okay=False, path_type=Path), default=JAPANESE, show_default=True)
def main(out: Path, folder: Path, japanese_font: Path) -> None:
    """The command; its help is the module's docstring."""
    try:
        records = write(out, entries(Photos(folder), Fonts(japanese_font)))
    except FileNotFoundError as error:
        raise click.ClickException(str(error)) from error
    characters = sum(len(line["text"]) for record in records for line in record["lines"])
    counts = ", ".join(f"{sum(len(r[key]) for r in records)} {key}" for key in ("lines", "faces", "lattices", "qr"))
    click.echo(f"{len(records)} pictures, {counts}, {characters} characters")


if __name__ == "__main__":
    main()
