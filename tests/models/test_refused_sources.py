"""Sources, names and folders that cannot become a model: the error says why, and nothing is left in the registry."""

from __future__ import annotations

import errno
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pytest
import sd_checkpoints as sd
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pillow_sdz.errors import SdzModelError, SdzOptionError
from pillow_sdz.models import weights
from pillow_sdz.models.checkpoints import new_folder
from pillow_sdz.models.checkpoints.add import add_model
from pillow_sdz.models.checkpoints.sources import check_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Refused: TypeAlias = "Callable[..., SdzModelError]"


@pytest.mark.parametrize("suffix", [".ckpt", ".bin", ".pth", ".pt"])
def test_pickles_by_their_name(refused: Refused, suffix: str, models: Path, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"anything")
    refused(path, "weights in pickles are refused: reading one can run any program.*convert")


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x80\x02}q\x00", b"\x80\x04\x95\x00\x00\x00\x00\x00\x00"])
def test_pickles_under_another_name(refused: Refused, start: bytes, models: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(start + bytes(100))
    refused(path, "weights in pickles are refused")


def test_safetensors_that_start_like_a_pickle(tmp_path: Path) -> None:
    """A safetensors file starts with the length of its header; 640 has the same bytes as the start of a pickle."""
    path = tmp_path / "model.safetensors"
    path.write_bytes((640).to_bytes(8, "little") + b"{" + bytes(639))
    check_file(path)


def test_sources_that_are_not_checkpoints(refused: Refused, models: Path, tmp_path: Path) -> None:
    refused(tmp_path / "nothing", "no such file or folder")
    refused("not a repository", "no such file or folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "neither a pipeline nor an autoencoder")
    (tmp_path / "a.png").write_bytes(b"png")
    refused(tmp_path / "a.png", r"not a checkpoint \(found \.png")
    (tmp_path / "a.safetensors").write_bytes(b"\x08")
    refused(tmp_path / "a.safetensors", r"a\.safetensors: cannot load the weights")


def test_names_that_are_not_allowed_or_taken(pipeline: Path, models: Path) -> None:
    for name in ("", "SD", "../up", "a/b", ".hidden", "a" * 65):
        with pytest.raises(SdzModelError, match="cannot have this name"):
            add_model(name, pipeline)
    for name in ("tiny", "tiny-8"):
        with pytest.raises(SdzModelError, match=f"there already .found {name}.*models remove"):
            add_model(name, pipeline)
    add_model("sd15", pipeline, vae_only=True)
    with pytest.raises(SdzModelError, match="there already"):
        add_model("sd15", pipeline)


def test_a_lack_of_space_is_noticed_before_anything_is_written(
    refused: Refused, pipeline: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(pipeline)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    refused(pipeline, r"no space left for the model \(found 1,000 bytes, expected .*PILLOW_SDZ_MODELS")


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_lack_of_space_while_writing(
    refused: Refused, failure: Exception, pipeline: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[object] = []

    def fill(tensors: Any, path: Any, notes: Any) -> None:
        if written:
            raise failure
        written.append(path)
        save_file(tensors, path, notes)

    monkeypatch.setattr(weights, "save_file", fill)
    refused(pipeline, "no space left for the model")
    assert written, "the first network was written before"


def test_an_interruption_leaves_nothing(pipeline: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(new_folder, "read_manifest", interrupt)
    with pytest.raises(KeyboardInterrupt):
        add_model("sd15", pipeline)
    assert list(models.iterdir()) == []


def test_a_folder_that_cannot_be_written(pipeline: Path, models: Path) -> None:
    models.write_bytes(b"a file where the folder should be")
    with pytest.raises(SdzModelError, match=r"cannot write the model.*PILLOW_SDZ_MODELS"):
        add_model("sd15", pipeline)


class Single(NamedTuple):
    path: Path
    configs: Path


@pytest.fixture
def single(pipeline: Path, tmp_path: Path) -> Single:
    return Single(sd.write_single_file(tmp_path / "one.safetensors", pipeline), pipeline)


def rewrite(path: Path, keep: Callable[[str], bool]) -> None:
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items() if keep(name)}
    save_file(tensors, path)


def test_single_files_that_lack_something(refused: Refused, single: Single, models: Path) -> None:
    refused(single.path, "family: the family of this checkpoint is not known.*--family")
    refused(single.path, "no such family", family="sd9")
    refused(single.path, "weights are not those of its configuration", family="sd1")
    whole = single.path.read_bytes()
    given = {"config": single.configs, "prediction": "epsilon"}
    rewrite(single.path, lambda name: "cond_stage_model" not in name)
    refused(single.path, "the text encoder is missing.*--vae-only", **given)
    single.path.write_bytes(whole)
    rewrite(single.path, lambda name: "input_blocks.1.0.in_layers.2" not in name)
    refused(single.path, r"down_blocks\.0\.resnets\.0\.conv1\.bias: .*a tensor is missing", **given)
    rewrite(single.path, lambda name: "first_stage_model" not in name)
    refused(single.path, "the file holds no autoencoder", **given)


def test_an_autoencoder_in_one_file_needs_its_family(refused: Refused, single: Single, models: Path) -> None:
    rewrite(single.path, lambda name: name.startswith("first_stage_model"))
    refused(single.path, "an autoencoder alone does not show its family.*--family")


def test_the_kind_of_prediction_of_a_single_file_must_be_known(refused: Refused, single: Single, models: Path) -> None:
    path = single.configs / "scheduler" / "scheduler_config.json"
    assert "prediction_type" not in path.read_text()
    refused(single.path, "prediction: the file does not show what its U-Net predicts", config=single.configs)
    manifest, _ = add_model("sd2", single.path, config=single.configs, prediction="v_prediction")
    assert "v_prediction" in (manifest.folder / "scheduler" / "scheduler_config.json").read_text()


def test_options_that_do_not_apply_to_a_source(single: Single, pipeline: Path, models: Path) -> None:
    for source, options in (
        (pipeline, {"prediction": "v_prediction"}),
        (pipeline, {"family": "sd1"}),
        (pipeline, {"config": str(pipeline)}),
        (pipeline, {"revision": "main"}),
        (pipeline, {"vae_only": True, "scheduler": "euler"}),
        ("someone/something", {"prediction": "epsilon"}),
    ):
        with pytest.raises(SdzOptionError, match=f"{list(options)[-1]}: does not apply to this source"):
            add_model("sd15", source, **options)
    with pytest.raises(SdzModelError, match="no such folder"):
        add_model("sd15", "~no-such-user-here/model")
    assert not models.exists() or list(models.iterdir()) == []
