"""The conversion command of ``sdz-convert``: its options and their help, and running it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pillow_sdz import limits
from pillow_sdz.cli import engine_options, fidelity_options
from pillow_sdz.cli.entry import COMMANDS
from pillow_sdz.cli.exit_codes import MEANING, ExitCode
from pillow_sdz.cli.settings import METADATA, Settings, parse_colors, parse_device, parse_size
from pillow_sdz.options import METADATA_LEVELS, STEP
from pillow_sdz.payloads import kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

_ENCODING = ("quality", "colors", "target_size", "model", "payload", "effort", "step", *fidelity_options.ENCODING)
"""Options that only matter where an .sdz is written."""

_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code:>3}  {meaning}" for code, meaning in MEANING.items())


def _version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from pillow_sdz.cli.version import version_text

    click.echo(version_text())
    ctx.exit()


def _parsed(parse: Callable[[str], T]) -> Callable[[click.Context, click.Parameter, str | None], T | None]:
    """A click callback that applies ``parse`` to an option's value if it is given."""

    def callback(_ctx: click.Context, _param: click.Parameter, value: str | None) -> T | None:
        try:
            return None if value is None else parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=_EPILOG,
)
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="Output file, or directory (if it ends in / or is one, or with several inputs), or - for standard output."
    "  [default: beside the input]",
)
@click.option(
    "-f",
    "--format",
    "format_name",
    metavar="FMT",
    help="Output format by suffix or Pillow's name: sdz, png, jpg, webp ...  [default: that of -o, else sdz or png]",
)
@click.option(
    "-q", "--quality", metavar="N", type=click.IntRange(0, 100), help="0 (smallest) to 100 (best).  [default: 50]"
)
@click.option(
    "--colors",
    callback=_parsed(parse_colors),
    metavar="N[,N...]",
    help="Palette entries, 2 to 4096, per layer, instead of quality.",
)
@click.option(
    "--target-size",
    callback=_parsed(parse_size),
    metavar="SIZE",
    help="Size that the file must not exceed, with the best quality that fits: 7842, 5kB, 5KiB.",
)
@click.option("--model", metavar="NAME", help="Model to encode with.  [default: tiny]")
@click.option("--payload", type=click.Choice(kinds.KINDS), help="Kind of payload.  [default: by model and quality]")
@click.option(
    "--step",
    metavar="CODES",
    type=click.FloatRange(*STEP),
    help="The quantiser's step in codes, 1 (best) to 128 (smallest file), instead of quality.",
)
@click.option(
    "--denoise-steps",
    metavar="N",
    type=click.IntRange(0, 255),
    help="U-Net steps. Encoding stores them as the default of readers, decoding takes them.  [default: the model's when"
    " encoding, the file's when decoding]",
)
@click.option("--steps", type=click.IntRange(0, 255), hidden=True)  # deprecated name of --denoise-steps
@click.option(
    "--effort",
    metavar="N",
    type=click.IntRange(0, 9),
    help="0 (fast) to 9 (slow): from 4 on pictures are refined until they come closer to the original; palettes,"
    " direct codes and alpha get smaller.  [default: 4]",
)
@fidelity_options.fidelity_options
@engine_options.engine_options
@click.option("--device", metavar="DEV", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--tile",
    metavar="N",
    type=click.IntRange(64, 65535),
    help="Side in pixels of the tiles that the networks work on; smaller needs less memory.",
)
@click.option("-r", "--recursive", is_flag=True, help="Take the files in directories; keep their tree under -o.")
@click.option("--force", "existing", flag_value="force", help="Replace outputs that exist.")
@click.option("--skip-existing", "existing", flag_value="skip", help="Leave outputs that exist as they are; no error.")
@click.option(
    "-p", "--preserve/--no-preserve", default=True, help="Keep times and permissions of the input.  [default: keep]"
)
@click.option(
    "--strip", type=click.Choice(["all", *METADATA]), multiple=True, help="Metadata not to copy; may be repeated."
)
@click.option(
    "--metadata",
    type=click.Choice(METADATA_LEVELS),
    help="How much metadata to copy: useful (what people and programs read, without embedded thumbnails and maker"
    " notes), all, essential (orientation and colour) or none.  [default: useful when encoding, all when decoding]",
)
@click.option("-i", "--info", "action", flag_value="info", help="Describe .sdz files; writes nothing.")
@click.option(
    "-t", "--test", "action", flag_value="test", help="Check .sdz files without running the networks; writes nothing."
)
@click.option("--preview", "action", flag_value="preview", help="Decode at 1/8 size, in milliseconds, without torch.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per file on standard output.")
@click.option("--quiet", is_flag=True, help="Errors only.")
@click.option("-v", "--verbose", count=True, help="Show the tracebacks of errors, and all warnings.")
@click.option(
    "--progress", type=click.Choice(["auto", "never", "always"]), default="auto", help="Progress bar.  [default: auto]"
)
@click.option(
    "--max-pixels",
    metavar="N",
    type=click.IntRange(1),
    default=limits.MAX_PIXELS,
    show_default=True,
    help="Refuse larger pictures.",
)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_version,
    help="Show versions and models.",
)
def command(**given: Any) -> int:
    """Convert pictures to SDZ files, and SDZ files to pictures.

    The INPUT decides the direction: a picture is encoded to .sdz, an .sdz is decoded to .png or to the format that -f
    or -o name. - is standard input. A directory needs -r: its pictures are encoded; its .sdz files are decoded if -f
    asks for a picture format or if there are no pictures. Hidden files are skipped. Write names that start with a dash
    after --.

    An output appears whole or not at all, under a temporary name until it is complete. An output that exists is an
    error unless --force or --skip-existing is given. --force replaces a symbolic link itself; the file it points to
    stays as it is. Of an animation the first frame is kept. Pixels are not rotated; the EXIF orientation is kept.
    """
    word = given["inputs"][0]
    if word in COMMANDS:
        raise click.UsageError(f"'{word}' is a command and comes first; for a file of this name write ./{word}")
    engine_options.apply(given)
    settings = settings_from(given)
    return int(run(given["inputs"], settings))


def settings_from(given: dict[str, Any]) -> Settings:
    """Turn click's values into settings, and check what click cannot check: options that exclude each other, names of
    formats and devices, palette sizes.

    Raises:
        click.UsageError: a value is wrong; the message names the option.
    """
    from pillow_sdz.cli import file_types
    from pillow_sdz.errors import SdzOptionError
    from pillow_sdz.options import SaveOptions

    if given["steps"] is not None:
        click.echo("sdz-convert: --steps is deprecated: it is called --denoise-steps now", err=True)
        if given["denoise_steps"] is not None:
            raise click.UsageError("--steps and --denoise-steps exclude each other.")
        given["denoise_steps"] = given["steps"]
    save = {name: given[name] for name in (*_ENCODING, "denoise_steps") if given[name] is not None}
    chosen = [name for name in ("target_size", "quality", "colors", "step") if name in save]
    if len(chosen) > 1:
        first, second = (f"--{name.replace('_', '-')}" for name in chosen[:2])
        raise click.UsageError(f"{first} and {second} exclude each other.")
    try:
        SaveOptions(**save)
        device = parse_device(given["device"])
    except SdzOptionError as error:
        raise click.UsageError(str(error)) from error
    found = None if given["format_name"] is None else file_types.resolve(given["format_name"])
    if given["format_name"] is not None and found is None:
        raise click.UsageError(f"-f {given['format_name']}: Pillow writes no such format.")
    action = given["action"] or "convert"
    if action == "preview" and found is not None and found[0] == file_types.SDZ:
        raise click.UsageError("--preview reads .sdz; the output is a picture format.")
    if given["against"] is not None and action != "test":
        raise click.UsageError("--against is for --test.")
    strip = set(given["strip"])
    return Settings(
        action=action,
        against=given["against"],
        output=given["output"],
        format=found and found[0],
        suffix=found and found[1],
        recursive=given["recursive"],
        existing=given["existing"] or "refuse",
        preserve=given["preserve"],
        strip=frozenset(METADATA if "all" in strip else strip),
        metadata=given["metadata"],
        dry_run=given["dry_run"],
        save=save,
        denoise_steps=given["denoise_steps"],
        device=device,
        tile_size=given["tile"],
        jobs=engine_options.jobs(given),
        engine=given["engine"],
        address=given["address"],
        max_pixels=given["max_pixels"],
        json=given["as_json"],
        quiet=given["quiet"],
        verbose=given["verbose"],
        progress=given["progress"],
    )


def run(inputs: tuple[str, ...], settings: Settings) -> ExitCode:
    """Convert, inspect or test all inputs, and report what happened."""
    from pillow_sdz.cli import batch, jobs
    from pillow_sdz.cli.console import Report
    from pillow_sdz.cli.outputs import Outputs

    planned, notes = jobs.plan(inputs, settings)
    report = Report(settings, len(planned))
    for note in notes:
        report.note(note)
    unused = [name for name in _ENCODING if name in settings.save and all(job.format != "SDZ" for job in planned)]
    if planned and unused:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in unused)
        report.note(f"note: no .sdz is written here, so {options} has no effect")
    try:
        batch.run(planned, settings, report, Outputs())
    except batch.InterruptedRunError as interruption:
        with _ignoring_interrupts():
            code = report.finish(interrupted=True)
            if interruption.working:  # threads that run a network cannot be stopped, and Python would wait for them
                sys.stdout.flush()
                os._exit(code)
        return code
    except batch.EngineError as error:
        report.unavailable(str(error))
    return report.finish(interrupted=False)


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C within the block: ending the run takes milliseconds, and a second Ctrl-C must not cut it short."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
