"""A model's prior: in the manifest, in the fingerprint, on the disk."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from model_folders import (
    CHANNELS,
    FACTOR,
    FINGERPRINT,
    PRIOR_BYTES,
    PRIOR_VALUES,
    SHAPE,
    edit_manifest,
    write_model_folder,
)

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import model_data, registry
from pillow_sdz.models.code_mapping import CodeMapping, PriorFile
from pillow_sdz.models.fingerprint import Decoding, fingerprint
from pillow_sdz.models.manifest import read_manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHORT = bytes.fromhex(FINGERPRINT)[:8]
SIZE = len(PRIOR_BYTES)
PRIOR = PriorFile(4, 64, 48, "0" * 64)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(registry.MODELS_VARIABLE, str(tmp_path / "models"))
    monkeypatch.setattr(model_data, "_priors", {})
    return write_model_folder(tmp_path / "models" / "toy")


def test_the_fingerprint_covers_the_prior_only_where_there_is_one() -> None:
    plain = CodeMapping(6 / 255, 3.0, 4, 8)
    assert set(plain.fields()) == {"channels", "factor", "step"}
    with_prior = dataclasses.replace(plain, prior=PRIOR)
    expected = {**plain.fields(), "prior": {"groups": 4, "wide": 64, "deep": 48, "sha256": "0" * 64}}
    assert with_prior.fields() == expected
    assert with_prior.manifest_fields() == expected | {"bound": 3.0}
    changes: list[dict[str, Any]] = [{"groups": 2}, {"shared_width": 63}, {"group_width": 47}, {"sha256": "1" * 64}]
    changed = [PRIOR._replace(**change) for change in changes]
    mappings = [plain, with_prior, *(dataclasses.replace(plain, prior=each) for each in changed)]
    assert len({fingerprint({}, Decoding(mapping, {})) for mapping in mappings}) == len(mappings)
    assert fingerprint({}, Decoding(plain, {})) == hashlib.sha256(Decoding(plain, {}).canonical_json()).hexdigest()


@pytest.mark.parametrize("absent", [True, False])
def test_models_without_a_prior(folder: Path, absent: bool) -> None:
    edit_manifest(folder, lambda fields: fields["codes"].pop("prior") if absent else fields["codes"].update(prior=None))
    manifest = read_manifest(folder)
    assert manifest.codes.prior is None
    reads: list[Callable[[], object]] = [manifest.prior, lambda: model_data.prior(manifest)]
    for read in [*reads, model_data.of(manifest).prior, model_data.of_fingerprint(SHORT).prior]:
        with pytest.raises(SdzModelError, match=r"codes\.prior: model toy-1 has no prior"):
            read()


def test_the_prior_is_found_and_kept(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest.codes.prior == PriorFile(3, 5, 2, hashlib.sha256(PRIOR_BYTES).hexdigest())
    assert manifest.prior().shape == SHAPE
    found = model_data.prior(registry.find_fitting(SHORT, CHANNELS, manifest.codes.factor))
    np.testing.assert_array_equal(np.concatenate(found.initial()), PRIOR_VALUES[: 2 * CHANNELS])
    assert model_data.prior(read_manifest(folder)) is found
    for data in (model_data.of(manifest), model_data.of_fingerprint(SHORT)):
        assert data.prior() is found


def test_a_missing_model_is_an_error_only_when_its_prior_is_asked_for() -> None:
    data = model_data.of_fingerprint(bytes(8))
    with pytest.raises(SdzModelError, match=r"not installed \(found 0000000000000000"):
        data.prior()


def test_files_whose_latents_do_not_fit_their_model(folder: Path) -> None:
    for found in ((4, 8), (3, 1)):
        message = f"channels, factor: the file does not fit its model toy-1 (found {found}, expected (3, 8))"
        with pytest.raises(SdzModelError, match=re.escape(message)):
            registry.find_fitting(SHORT, *found)
    with pytest.raises(SdzModelError, match=r"not installed \(found 0000000000000000, .*PILLOW_SDZ_MODELS"):
        registry.find_fitting(bytes(8), 3, 8)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "cannot read the prior of model toy-1.*install the model again"),
        (lambda path: path.write_bytes(b""), f"size: .*found 0 bytes, expected {SIZE} bytes"),
        (lambda path: path.write_bytes(PRIOR_BYTES[:-1]), f"size: .*found {SIZE - 1} bytes, expected {SIZE} bytes"),
        (lambda path: path.write_bytes(PRIOR_BYTES * 9), f"size: .*found more, expected {SIZE} bytes"),
        (lambda path: path.write_bytes(bytes(SIZE)), "SHA-256: the prior differs from the model's manifest"),
    ],
)
def test_damaged_files(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(folder / "prior.i32")
    for _ in range(2):
        with pytest.raises(SdzModelError, match=rf"(?s)prior\.i32.*{message}"):
            model_data.prior(registry.find_fitting(SHORT, CHANNELS, FACTOR))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"groups": 0}, "groups"), ({"groups": 2}, "groups"), ({"groups": 4}, "groups"), ({"groups": None}, "groups"),
        ({"wide": 0}, "wide"), ({"wide": 5000}, "wide"), ({"wide": 5.0}, "wide"), ({"deep": True}, "deep"),
        ({"sha256": "00"}, "codes.prior"), ({"sha256": None}, "codes.prior"),
    ],
)  # fmt: skip
def test_wrong_fields(folder: Path, change: dict[str, object], field: str) -> None:
    edit_manifest(folder, lambda fields: fields["codes"]["prior"].update(change))
    with pytest.raises(SdzModelError, match=rf"model\.json: {field}: wrong field"):
        read_manifest(folder)


@pytest.mark.parametrize("value", [[], "prior.i32", 1, False, {}])
def test_manifest_entries_of_priors_that_are_not_objects(folder: Path, value: object) -> None:
    edit_manifest(folder, lambda fields: fields["codes"].update(prior=value))
    with pytest.raises(SdzModelError, match=r"model\.json: codes\.prior: wrong field"):
        read_manifest(folder)
