"""What the detector of lettering, faces and lattices is trained with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from pillow_sdz.models.networks.detector import Detector, DilatedBlock
from tools.train.detector_cells import CERTAIN, SUSPECTED, lattice_scores
from tools.train.detector_data import Pool, add_signs
from tools.train.detector_lattices import add_lattice
from tools.train.detector_network import NormalisedDetector, folded
from tools.train.detector_photos import (
    CELL,
    FACE,
    IGNORED,
    LATTICE,
    MOST_WEIGHT,
    SIDE,
    SMALL_FACE,
    TEXT,
    Photo,
    face_labels,
)  # fmt: skip

CELLS = SIDE // CELL


def plain_photo(faces: list[tuple[float, float, float, float, float]]) -> Photo:
    ramp = np.linspace(40, 200, 400)[:, None, None] + np.zeros((400, 500, 3))
    return Photo(Image.fromarray(ramp.astype(np.uint8)), faces)


def test_folded_normalisation_gives_the_same() -> None:
    torch.manual_seed(0)
    network = NormalisedDetector()
    for block in network.detector.blocks:
        assert isinstance(block, DilatedBlock)
        torch.nn.init.normal_(block.expand.weight, std=0.1)
    pictures = torch.rand(4, 3, 64, 96) * 255
    for _ in range(20):
        network(pictures)
    network.eval()
    plain = Detector()
    plain.load_state_dict(folded(network.state_dict()))
    with torch.no_grad():
        expected = network(pictures)
        difference = (plain(pictures) - expected).abs().mean()
    assert difference < 0.02 * expected.std()  # the first layers of the training form compute in bfloat16


def test_cells_of_a_face() -> None:
    labels = face_labels([(16, 24, 48, 64, 1)], 96, 96)
    np.testing.assert_allclose(labels[3:8, 2:6], SMALL_FACE / 40)
    assert set(labels[2, 1:7]) == {IGNORED}
    assert labels[0].max() == labels[0].min() == 0


@pytest.mark.parametrize(("box", "label"), [((16, 24, 48, 64, 0), IGNORED), ((20, 20, 28, 30, 1), IGNORED)])
def test_doubtful_and_tiny_faces_are_ignored(box: tuple[float, float, float, float, float], label: float) -> None:
    labels = face_labels([box], 96, 96)
    assert set(np.unique(labels)) == {label, 0}


def test_signs_are_labelled_where_pixels_change() -> None:
    # Over several pictures: which letters the fonts of a machine draw, and how, differs.
    shares = []
    for seed in range(12):
        before = Image.new("RGB", (SIDE, SIDE), (120, 120, 120))
        labels = np.zeros((3, CELLS, CELLS), np.float32)
        after = np.asarray(add_signs(np.random.default_rng(seed), before.copy(), labels), np.int16)
        difference = np.abs(after - np.asarray(before, np.int16)).max(2)
        changed = difference.reshape(CELLS, CELL, CELLS, CELL).max((1, 3)) > 20
        lettering = labels[TEXT] > 0
        assert lettering.sum() > 10
        shares.append((changed[lettering].mean(), changed[~lettering].mean()))
    labelled, others = np.mean(shares, 0)
    assert labelled > 0.85
    assert others < 0.5


def test_lattices_are_periodic_and_decoys_are_not_labelled() -> None:
    flat = np.full((SIDE, SIDE, 3), 128, np.uint8)
    covers = [add_lattice(np.random.default_rng(seed), flat)[1] for seed in range(12)]
    assert 0 < sum(cover.max() > 0 for cover in covers) < 12


def test_periodic_cells_are_seen() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(128, 30, (240, 320))
    pickets = np.where(np.arange(320) % 12 < 5, 220, 90) + rng.normal(0, 5, (240, 320))
    edge = np.where(np.arange(320) < 160, 220, 90) + rng.normal(0, 5, (240, 320))
    found = [lattice_scores(Image.fromarray(p.clip(0, 255).astype(np.uint8))) for p in (noise, pickets, edge)]
    assert found[0].max() < SUSPECTED
    assert found[1].min() > CERTAIN
    assert found[2].max() < CERTAIN


def test_a_resumed_run_sees_the_same_batches() -> None:
    photos = [plain_photo([(200, 100, 260, 170, 1)]), plain_photo([])]
    whole, resumed = Pool(photos, 3, 4), Pool(photos, 3, 4)
    for step in range(3):
        expected = whole.batch(step, 2, 2)
    for one, other in zip(resumed.batch(2, 2, 2), expected, strict=True):
        torch.testing.assert_close(one, other)
    pictures, labels = expected
    assert pictures.shape == (2, 3, SIDE, SIDE)
    assert labels.shape == (2, 3, CELLS, CELLS)
    assert {IGNORED, 0.0, 1.0} <= set(torch.unique(labels).tolist())
    assert labels.max() <= MOST_WEIGHT
    assert len({FACE, LATTICE, TEXT}) == labels.shape[1]
