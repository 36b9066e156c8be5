"""``sdz-convert models``: add models from checkpoints of Stable Diffusion, list, show and remove them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from pillow_sdz.cli.failures import UnavailableFailure, failures
from pillow_sdz.cli.printable import printable
from pillow_sdz.models import registry
from pillow_sdz.models.checkpoints.single_file import FAMILIES
from pillow_sdz.models.checkpoints.sources import SCHEDULER_OPTIONS as SCHEDULERS

if TYPE_CHECKING:
    from pillow_sdz.models.manifest import Manifest


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def command() -> None:
    """Manage models, with which pictures are encoded and decoded.

    Added models are stored in the user's data folder, or in the first folder that $PILLOW_SDZ_MODELS names.
    """


@command.command()
@click.argument("name")
@click.argument("source")
@click.option("--revision", metavar="REV", help="Commit, tag or branch of a hub repository.  [default: main]")
@click.option("--vae-only", is_flag=True, help="Add the autoencoder alone: smaller, faster; decoding skips the U-Net.")
@click.option(
    "--scheduler",
    type=click.Choice(list(SCHEDULERS)),
    help="Scheduler of the U-Net's steps.  [default: the checkpoint's]",
)
@click.option(
    "--family",
    type=click.Choice(FAMILIES),
    help="Family of a single file, where its content does not show it, as with an autoencoder alone.",
)
@click.option(
    "--prediction",
    type=click.Choice(["epsilon", "v_prediction"]),
    help="What the U-Net of a single file predicts: epsilon (SD 2 base) or v_prediction (SD 2 at 768 pixels).",
)
@click.option(
    "--config",
    type=click.Path(exists=True, file_okay=False),
    metavar="FOLDER",
    help="diffusers' configurations for a single file of another family.",
)
def add(name: str, source: str, **options: Any) -> None:
    """Add a model called NAME, made from the checkpoint SOURCE.

    SOURCE is a folder in diffusers' layout (a pipeline, or an autoencoder alone), a .safetensors checkpoint, or a
    repository of the Hugging Face hub as owner/name, which is downloaded. Weights in pickles (.ckpt, .bin, .pth) are
    refused. Adding a pipeline needs transformers (pip install 'pillow-sdz[sd]'); decoding pictures with it does not.
    """
    from pillow_sdz.models.checkpoints.add import add_model

    with failures(UnavailableFailure):
        manifest, notes = add_model(name, source, **options)
    for note in notes:
        click.echo(f"{name}: note: {note}")
    click.echo(f"{name}: added, fingerprint {manifest.short_fingerprint.hex()}, in {printable(str(manifest.folder))}")


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per model.")
def list_models(as_json: bool) -> None:
    """List the installed models."""
    with failures(UnavailableFailure):
        models = registry.installed_models()
    for model in models:
        about = _about(model)
        if as_json:
            click.echo(json.dumps(about))
        else:
            unet = "U-Net" if about["unet"] else "no U-Net"
            latent = f"{about['channels']} channels at 1/{about['factor']}"
            click.echo(f"{model.full_name}  {model.short_fingerprint.hex()}  {latent}, {unet}")


@command.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(name: str, as_json: bool) -> None:
    """Show the facts about the model NAME."""
    with failures(UnavailableFailure):
        about = _about(registry.find(name))
    if as_json:
        click.echo(json.dumps(about))
        return
    for key, value in about.items():
        click.echo(f"{key.replace('_', ' ')}: {printable(_text(value))}")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _about(model: Manifest) -> dict[str, Any]:
    codes = model.codes
    return {
        "name": model.name,
        "version": model.version,
        "fingerprint": model.fingerprint,
        "folder": str(model.folder),
        "source": model.source or "pillow_sdz",
        "licence": model.licence,
        "channels": codes.channels,
        "factor": codes.factor,
        "step": codes.step,
        "latent_scaling": model.latent_scaling,
        "latent_shift": model.latent_shift,
        "unet": (model.folder / "unet").is_dir(),
        "steps": model.denoise_steps,
        "prior": codes.prior is not None,
    }


@command.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove the added model NAME. Pictures saved with it cannot be decoded until it is added again."""
    from pillow_sdz.models.checkpoints.add import remove_model

    with failures(UnavailableFailure):
        folder = remove_model(name)
    click.echo(f"{name}: removed from {printable(str(folder))}")
