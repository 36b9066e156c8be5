"""Score .sdz, and AVIF and WebP at the same bytes, on the set that `build.py` wrote.

    python tools/guard_set/score.py OUT --json RESULT.json [--save quality=50] [--against guard=false]
        [--perceptual WEIGHTS_FOLDER] [--metrics LPIPS-Alex,SSIMULACRA2] [--only GROUP_OR_NAME] [--everything]

Each picture is saved with the options of --save, and compared with AVIF (speed 6, 4:2:0) and WebP (method 6) of the
quality whose file comes closest in size. --against names options of a second .sdz of the same size, which tell what the
first ones gain. Scored are: characters that tesseract reads wrong, QR codes that scan, LPIPS of faces, SSIMULACRA2 of
lattices, and metrics of the whole: the table has means, RESULT.json everything. ``original`` is what is read in the
picture itself.

LPIPS and DISTS need --perceptual (see pillow_sdz/evaluation/perceptual.py). LPIPS-VGG is not taken of WebP, and DISTS
of plain photos alone, unless --everything is given: they take most of the time.

What was measured is kept in OUT/cache.jsonl, by the pixels of both pictures, and files of .sdz in a folder beside
RESULT.json: a run that was interrupted goes on where it was. After a change of the encoder, name another RESULT.json.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import torch
from PIL import Image
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

import pillow_sdz  # noqa: F401  (registers .sdz with Pillow)
from pillow_sdz.evaluation.codecs import Codec, decoded, saved
from pillow_sdz.evaluation.metrics import available
from tools.guard_set.cache import Cache, digest
from tools.guard_set.matching import by_target, equal, matched
from tools.guard_set.measure import Measurer
from tools.guard_set.summary import WHOLE, table, verdicts

if TYPE_CHECKING:
    from collections.abc import Callable

OTHERS: Final = (
    Codec("avif", "AVIF", "AVIF", (), options={"speed": 6, "subsampling": "4:2:0", "max_threads": 1}),
    Codec("webp", "WebP", "WEBP", (), options={"method": 6}),
)
"""What .sdz is compared with; one thread, since tiles of AVIF and with them its bytes depend on their number."""

SLOW: Final = ("LPIPS-VGG", "DISTS")
"""Metrics that take seconds: left out of WebP, and of the second .sdz but for the plain photos."""

PLAIN: Final = "plain"
"""The group of photos without anything to guard."""

FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)
FILE: Final = click.Path(dir_okay=False, path_type=Path)


def options(texts: tuple[str, ...]) -> dict[str, Any]:
    """Keywords of ``Image.save`` from ``KEY=VALUE``; a value is JSON, or else a string."""
    result = {}
    for text in texts:
        key, _, value = text.partition("=")
        try:
            result[key] = json.loads(value)
        except ValueError:
            result[key] = value
    return result


def kept(folder: Path, name: str, facts: object, make: Callable[[], bytes]) -> bytes:
    """The bytes of a .sdz, which is written if it is not there; ``facts`` (options) are part of the file's name."""
    path = folder / f"{name}.{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:8]}.sdz"
    if not path.exists():
        path.write_bytes(make())
    return path.read_bytes()


def at_size(codec: Codec, image: Image.Image, size: int, cache: Cache) -> tuple[bytes, int]:
    """The file of another codec that comes closest to a size, and its quality; sizes by quality are kept."""
    name = digest(image)

    def size_of(quality: int) -> int:
        key = f"{name} {codec.name} {dict(codec.options)} {quality}"
        return int(cache.get(key, lambda: len(codec.encode(image, quality))))

    quality = matched(size_of, codec.lowest, codec.highest, size)
    return codec.encode(image, quality), quality


def other(image: Image.Image, save: dict[str, Any], against: dict[str, Any], file: bytes) -> bytes:
    """A second .sdz as large as another: with the same options but for some, or if that has another size, by target."""
    data = saved(image, "SDZ", **(save | against))
    if equal(len(data), len(file)):
        return data
    return by_target(lambda limit: saved(image, "SDZ", **against, target_size=limit), len(file))


def score(
    record: dict[str, Any], image: Image.Image, save: dict[str, Any], against: dict[str, Any] | None,
    measurer: Measurer, files: Path,
) -> dict[str, Any]:  # fmt: skip
    """The row of a picture; see `tools.guard_set.summary.Row`."""
    name = record["name"]
    file = kept(files, name, save, lambda: saved(image, "SDZ", **save))
    made: dict[str, tuple[bytes, dict[str, Any]]] = {"sdz": (file, {})}
    if against is not None:
        made["against"] = kept(files, name, [save, against, len(file)], partial(other, image, save, against, file)), {}
    for codec in OTHERS:
        data, quality = at_size(codec, image, len(file), measurer.cache)
        made[codec.name] = data, {"quality": quality}
    readable = record | {"faces": [], "lattices": []}
    codecs: dict[str, Any] = {"original": measurer.measure(readable, image, image, only_read=True)}
    for codec_name, (data, facts) in made.items():
        spared = codec_name == "webp" or (codec_name == "against" and record["group"] != PLAIN)
        left_out = SLOW if spared else ()
        scores = measurer.measure(record, image, decoded(data), left_out)
        codecs[codec_name] = {
            "bytes": len(data),
            "bpp": len(data) * 8 / (image.width * image.height),
            **facts,
            **scores,
        }
    characters = sum(len(line["text"]) for line in record["lines"])
    return {"name": name, "group": record["group"], "characters": characters, "codecs": codecs}


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("out", type=FOLDER)
@click.option("--save", multiple=True, metavar="KEY=VALUE", help="an option of Image.save; repeat for more")
@click.option("--against", multiple=True, metavar="KEY=VALUE", help="an option of the .sdz to compare with")
@click.option("--json", "result", type=FILE, required=True, help="where the result goes")
@click.option("--perceptual", type=FOLDER, help="folder with the weights of LPIPS and DISTS")
@click.option("--metrics", default=",".join(WHOLE), show_default=True, help="metrics of the whole, with commas")
@click.option("--only", multiple=True, help="only pictures of this group or name; repeat for more")
@click.option("--everything", is_flag=True, help="all metrics of all pictures and codecs")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
def main(
    out: Path, save: tuple[str, ...], against: tuple[str, ...], result: Path, perceptual: Path | None, metrics: str,
    only: tuple[str, ...], everything: bool, threads: int,
) -> None:  # fmt: skip
    """The command; its help is the module's docstring."""
    torch.set_num_threads(threads)
    found, skipped = available(metrics.split(","), perceptual)
    for message in skipped:
        click.echo(message, err=True)
    measurer = Measurer(found, Cache(out / "cache.jsonl"), everything)
    files = result.with_suffix(".files")
    files.mkdir(parents=True, exist_ok=True)
    rows = []
    records = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    for record in tqdm([each for each in records if not only or {each["name"], each["group"]} & set(only)]):
        with Image.open(io.BytesIO((out / f"{record['name']}.png").read_bytes())) as image:
            rows.append(
                score(record, image.convert("RGB"), options(save), options(against) or None, measurer, files)
            )  # fmt: skip
        facts = {"save": options(save), "against": options(against) or None, "pictures": rows}
        result.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    click.echo(table(rows))
    for promise, is_kept, figures in verdicts(rows):
        click.echo(f"{'?' if is_kept is None else 'yes' if is_kept else 'NO':>4}  {promise}: {figures}")


if __name__ == "__main__":
    main()
