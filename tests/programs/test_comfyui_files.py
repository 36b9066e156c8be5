"""Which files the nodes see and write, and the pack as ComfyUI and its registry read it."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import torch
from comfyui_pack import PACK, RefusedError, loaded
from PIL import Image

import pillow_sdz

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from comfyui_pack import Pack

LOADERS = ("SdzLoadLatent", "SdzLoadImage")


@pytest.fixture
def pack(tmp_path: Path, data: bytes, toy: object) -> Iterator[Pack]:
    """With files in many places: in its folders, beside them, and linked to."""
    base = tmp_path / "comfyui"
    with loaded(base) as pack:
        for name in ("input/a.sdz", "input/b/c.SDZ", "output/d.sdz", "secret.sdz", "input/.sdz-x.sdz", "input/f.png"):
            (base / name).parent.mkdir(exist_ok=True)
            (base / name).write_bytes(data)
        (base / "input" / "link.sdz").symlink_to(base / "secret.sdz")
        (base / "input" / "circle.sdz").symlink_to("circle.sdz")
        (base / "input" / "damaged.sdz").write_bytes(data[:-5])
        yield pack


def test_the_list_of_files(pack: Pack) -> None:
    pack.module.files._names_at.cache_clear()  # it is kept for a second
    for node in LOADERS:
        assert pack.options(node, "file")["options"] == ["a.sdz", "b/c.SDZ", "damaged.sdz", "d.sdz [output]"]


@pytest.mark.parametrize("name", ["a.sdz", "a.sdz [input]", "b/c.SDZ", "b/../a.sdz", "d.sdz [output]"])
def test_files_that_are_there(pack: Pack, name: str) -> None:
    assert pack.run("SdzLoadImage", file=name).args[0].shape == (1, 20, 40, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../secret.sdz", "outside of the input folder"),
        ("b/../../secret.sdz", "outside of the input folder"),
        ("../secret.sdz [output]", "outside of the output folder"),
        ("../input/a.sdz [output]", "outside of the output folder"),
        ("/etc/passwd", "outside of the input folder"),
        ("link.sdz", "outside of the input folder"),
        ("circle.sdz", "outside of the input folder"),
        ("", "outside of the input folder"),
        ("a\0.sdz", "there is no .sdz file"),
        ("f.png", "there is no .sdz file"),
        ("b", "there is no .sdz file"),
        ("missing.sdz\nINFO: all is well", r"there is no \.sdz file 'missing\.sdz\\nINFO"),
        ("damaged.sdz", r"damaged\.sdz: .*get the file again"),
    ],
)
def test_files_that_are_refused(pack: Pack, name: str, message: str) -> None:
    for node in LOADERS:
        with pytest.raises(RefusedError, match=message):
            pack.run(node, file=name)
        with pytest.raises((ValueError, OSError), match=message):
            pack.nodes[node].execute(name)  # where the name comes from another node, nothing is checked before


def test_a_picture_with_too_many_pixels_is_refused(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for node in LOADERS:
        with pytest.raises(RefusedError, match="exceeds limit of 200 pixels"):
            pack.run(node, file="a.sdz")


def test_a_name_that_another_node_gives_is_not_known_when_inputs_are_checked(pack: Pack) -> None:
    assert all(pack.nodes[node].validate_inputs(file=None) is True for node in LOADERS)
    assert pack.nodes["SdzSaveLatent"].validate_inputs(model=None) is True


def test_a_node_runs_again_when_its_file_changes(pack: Pack) -> None:
    for node in LOADERS:
        names = ("a.sdz", "b/c.SDZ", "damaged.sdz")
        before, same, other = (pack.nodes[node].fingerprint_inputs(name) for name in names)
        assert before == same != other


@pytest.mark.parametrize("prefix", ["../photo", "a/../../photo", "/tmp/photo"])
def test_no_file_outside_of_the_output_folder(pack: Pack, prefix: str) -> None:
    before = sorted(pack.base.rglob("*"))
    with pytest.raises(Exception, match="outside the output folder"):
        pack.run("SdzSaveImage", images=torch.zeros(1, 8, 8, 3), filename_prefix=prefix, model="tiny", quality=50)
    assert sorted(pack.base.rglob("*")) == before


def test_what_comfyui_reads_of_the_module(pack: Pack) -> None:
    assert list(pack.nodes) == ["SdzSaveLatent", "SdzLoadLatent", "SdzSaveImage", "SdzLoadImage"]
    assert not hasattr(pack.module, "NODE_CLASS_MAPPINGS"), "ComfyUI would ignore comfy_entrypoint"
    for name, node in pack.nodes.items():
        schema = node.define_schema()
        assert schema.is_output_node == ("Save" in name)
        assert {each.value for each in schema.hidden} == ({"PROMPT", "EXTRA_PNGINFO"} if "Save" in name else set())


def test_what_the_registry_reads() -> None:
    project = tomllib.loads((PACK / "pyproject.toml").read_text())
    assert "comfyui" not in project["project"]["name"].lower(), "the registry's rule"
    assert project["project"]["version"] == pillow_sdz.__version__
    assert {"PublisherId", "DisplayName", "Icon"} <= set(project["tool"]["comfy"])
    assert (PACK / "LICENSE").read_bytes() == (PACK.parents[1] / "LICENSE").read_bytes()


def test_the_examples_fit_the_nodes(pack: Pack) -> None:
    kinds: dict[str, int] = {}
    for path in (PACK / "example_workflows").glob("*.json"):
        workflow: dict[str, Any] = json.loads(path.read_text())
        nodes = {each["id"]: each for each in workflow["nodes"]}
        for number, origin, slot, target, entry, kind in workflow["links"]:
            assert number in nodes[origin]["outputs"][slot]["links"]
            assert nodes[target]["inputs"][entry] == {**nodes[target]["inputs"][entry], "link": number, "type": kind}
        for each in workflow["nodes"]:
            kinds[each["type"]] = kinds.get(each["type"], 0) + 1
            if each["type"] not in pack.nodes:
                continue
            inputs = pack.nodes[each["type"]].define_schema().inputs
            widgets = [one for one in inputs if one.options]
            assert [one.id for one in inputs if not one.options] == [one["name"] for one in each["inputs"]]
            assert len(each["widgets_values"]) == len(widgets)
            for one, value in zip(widgets, each["widgets_values"], strict=True):
                assert isinstance(value, type(one.options.get("default", "")))
    assert kinds["SdzSaveLatent"] == kinds["SdzLoadLatent"] == kinds["VAEEncode"] == kinds["KSampler"] == 1
    assert Image.registered_extensions()[".sdz"] == "SDZ"
