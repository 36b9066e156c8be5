"""Loaders of training data: Hugging Face's datasets, and torchvision's ImageFolder."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from programs import PICTURE, PROCESS, SIZE, InstalledProgram

if TYPE_CHECKING:
    from pathlib import Path

    from environments import LightEnvironment

pytestmark = pytest.mark.slow

IMAGE_FEATURE = """
import json, sys
from pathlib import Path
import pillow_sdz
from datasets import Dataset, Image

def prepare(row):
    import pillow_sdz  # worker processes that are started afresh do not have the import above
    return {"size": row["image"].size}

paths = [str(path) for path in sorted(Path(sys.argv[1]).rglob("*.sdz"))]
data = Dataset.from_dict({"image": paths}).cast_column("image", Image())
print(json.dumps([data[0]["image"].mode, [list(size) for size in data.map(prepare, num_proc=2)["size"]]]))
"""

IMAGE_FOLDER = """
import json, sys
import pillow_sdz
from datasets import load_dataset
from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder

ImageFolder.EXTENSIONS.append(".sdz")
data = load_dataset("imagefolder", data_dir=sys.argv[1], split="train")
names = data.features["label"].names
print(json.dumps([[names[row["label"]], row["image"].size] for row in data]))
"""

TORCHVISION = """
import json, sys
import pillow_sdz
from torchvision.datasets import ImageFolder
from torchvision.transforms import ToTensor

data = ImageFolder(sys.argv[1], ToTensor(), is_valid_file=lambda path: path.endswith(".sdz"))
print(json.dumps([[data.classes[label], list(tensor.shape)] for tensor, label in data]))
"""

WITHOUT_OPERATORS = """
import torch

library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
"""
"""torchvision's compiled operators need the torch that they were built with, which on PyPI is one with CUDA. It refuses
to be imported without the two that this declares. ImageFolder uses neither."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of pictures, one and two of them."""
    for name in ("cat/1", "cup/1", "cup/2"):
        path = tmp_path / "pictures" / f"{name}.sdz"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PICTURE, path)
    return tmp_path / "pictures"


def result(environment: LightEnvironment, code: str, folder: Path) -> Any:
    variables = PROCESS | {"HF_HOME": str(folder.parent / "cache"), "HF_HUB_OFFLINE": "1"}
    return json.loads(environment.code(code, folder, env=variables).stdout.splitlines()[-1])


def test_image_feature_of_datasets(program: InstalledProgram, folder: Path) -> None:
    environment = program("datasets", "Pillow", megabytes=420)
    assert result(environment, IMAGE_FEATURE, folder) == ["RGB", [list(SIZE)] * 3]


def test_imagefolder_of_datasets(program: InstalledProgram, folder: Path) -> None:
    environment = program("datasets", "Pillow", megabytes=420)
    assert result(environment, IMAGE_FOLDER, folder) == [["cat", list(SIZE)], ["cup", list(SIZE)], ["cup", list(SIZE)]]


def test_imagefolder_of_torchvision(program: InstalledProgram, folder: Path) -> None:
    environment = program("--no-deps", "torchvision==0.28.0", megabytes=30)  # of torch 2.13
    loaded = environment.code("import torchvision", check=False)
    code = TORCHVISION if loaded.returncode == 0 else WITHOUT_OPERATORS + TORCHVISION
    shape = [3, *reversed(SIZE)]
    assert result(environment, code, folder) == [["cat", shape], ["cup", shape], ["cup", shape]]
