"""What ``sdz-convert view`` decodes first, what it keeps, and what it gives up."""

from __future__ import annotations

import threading
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING

import pytest
import toy_model
from toy_files import file_of
from viewing import PARTS, PATIENCE, Gate, sources_of, wait_for

from pillow_sdz.cli import batch
from pillow_sdz.cli.settings import Settings
from pillow_sdz.cli.viewer import decoder as decoder_module
from pillow_sdz.cli.viewer.decoder import Decoder, problem_of
from pillow_sdz.errors import SdzFormatError, SdzModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from toy_model import Toy


@pytest.fixture
def gate(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(toy, monkeypatch)


@pytest.fixture
def decoder(tmp_path: Path, toy: Toy) -> Iterator[Decoder]:
    """Of six files, each 8 pixels wider than the one before."""
    paths = [tmp_path / f"{number}.sdz" for number in range(6)]
    for number, path in enumerate(paths):
        path.write_bytes(file_of(toy_model.blocks(8 * (number + 1), 8)))
    decoder = Decoder(sources_of(*paths))
    yield decoder
    decoder.stop()


def state(decoder: Decoder, number: int) -> str | None:
    return decoder.states().get(number, {}).get("state")


def both_ready(decoder: Decoder, number: int) -> bool:
    """Whether a file and the next one are decoded."""
    return state(decoder, number) == state(decoder, number + 1) == "ready"


def test_this_file_first_then_the_next_and_no_other(decoder: Decoder, gate: Gate) -> None:
    assert decoder.states() == {}
    decoder.want(2, "a")
    wait_for(lambda: gate.begun == [2])
    assert (state(decoder, 2), state(decoder, 3)) == ("decoding", "waiting")
    gate.open()
    wait_for(lambda: state(decoder, 3) == "ready")
    assert gate.ended == [2, 3]
    assert decoder.picture(2, "picture.png") is not None
    assert decoder.picture(2, "without-patches.png") is None
    assert decoder.picture(4, "picture.png") is None
    decoder.want(5, "a")  # the last one
    wait_for(lambda: state(decoder, 5) == "ready")
    assert gate.ended == [2, 3, 5]


def test_the_preview_has_its_turn_first(decoder: Decoder, gate: Gate) -> None:
    decoder.want(5, "a", delay=PATIENCE)
    decoder.hurry(4)  # of another file
    assert state(decoder, 5) == "waiting"
    time.sleep(0.05)
    assert gate.begun == []
    decoder.hurry(5)
    wait_for(lambda: gate.begun == [5])
    decoder.want(4, "a", delay=0.02)  # nobody asks for its preview
    gate.open()
    wait_for(lambda: state(decoder, 4) == "ready")


def test_progress_is_told(decoder: Decoder, gate: Gate) -> None:
    decoder.want(5, "a")
    wait_for(lambda: gate.begun)
    for done in range(PARTS):
        assert decoder.states()[5] == {"state": "decoding", "done": done, "total": PARTS if done else 0}
        version, _ = decoder.wait(-1, 0)
        gate.open(1)
        if done + 1 < PARTS:
            _, states = decoder.wait(version, PATIENCE)
            assert states[5]["done"] == done + 1
    wait_for(lambda: state(decoder, 5) == "ready")


def test_what_is_not_wanted_any_more_is_given_up(decoder: Decoder, gate: Gate) -> None:
    decoder.want(0, "a")
    wait_for(lambda: gate.begun == [0])
    decoder.want(4, "a")
    gate.open(1)  # only after a part can it be given up
    wait_for(lambda: gate.begun == [0, 4])
    assert decoder.picture(0, "picture.png") is None
    gate.open()
    wait_for(lambda: state(decoder, 5) == "ready")
    assert gate.ended == [4, 5]


def test_the_next_one_goes_on_when_it_is_this_one(decoder: Decoder, gate: Gate) -> None:
    decoder.want(0, "a")
    gate.open(PARTS)
    wait_for(lambda: gate.begun == [0, 1])
    decoder.want(1, "a")
    gate.open()
    wait_for(lambda: state(decoder, 2) == "ready")
    assert gate.begun == [0, 1, 2]


def test_few_are_kept_and_those_in_use_always(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_module, "KEPT_PICTURES", 3)
    for number in (0, 1, 2):
        decoder.want(number, str(decoder.states().get(number, {}).get("revision")))
        wait_for(partial(both_ready, decoder, number))
        assert len(decoder.states()) <= 3
    decoder.want(1, decoder.states()[1]["revision"])
    assert state(decoder, 1) == state(decoder, 2) == "ready"
    assert state(decoder, 0) is None
    monkeypatch.setattr(decoder_module, "KEPT_BYTES", 1)
    decoder.want(4, "a")
    wait_for(lambda: state(decoder, 5) == "ready")
    assert set(decoder.states()) == {4, 5}


def test_large_pictures_are_not_decoded_ahead(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_module, "AHEAD_PIXELS", 2 * 64)
    decoder.want(1, "a")
    wait_for(lambda: 2 in decoder._too_large)
    wait_for(lambda: state(decoder, 1) == "ready")
    assert state(decoder, 2) == "waiting"
    decoder.want(2, "a")
    wait_for(lambda: state(decoder, 2) == "ready")


def test_failures_are_told_and_tried_again_when_asked_for(decoder: Decoder, toy: Toy) -> None:
    toy.failure = MemoryError()
    decoder.want(0, "a")
    wait_for(lambda: state(decoder, 1) == "failed")
    assert decoder.states()[0] == {"state": "failed", "problem": "not enough memory"}
    toy.failure = None
    decoder.want(0, "a")
    wait_for(lambda: state(decoder, 0) == "ready")
    assert state(decoder, 1) == "failed"


def test_what_cannot_be_read_is_not_tried_but_the_next_one_is(decoder: Decoder) -> None:
    decoder.want(2, None)
    wait_for(lambda: state(decoder, 3) == "ready")
    assert state(decoder, 2) is None


def test_warnings_are_told(decoder: Decoder, toy: Toy) -> None:
    toy.model.unet = None
    with batch.warnings_as_notes(Settings()):
        from pillow_sdz import options

        options.decode.denoise_steps = 3
        try:
            decoder.want(5, "a")
            wait_for(lambda: state(decoder, 5) == "ready")
        finally:
            options.decode.denoise_steps = None
        (note,) = decoder.states()[5]["notes"]
        assert "has no U-Net" in note
        with warnings.catch_warnings(record=True):
            decoder.want(4, "a")
            wait_for(lambda: state(decoder, 4) == "ready")
    assert decoder.states()[4]["notes"] == []


def test_without_decoding_there_is_no_thread(tmp_path: Path, path: Path) -> None:
    before = threading.active_count()
    decoder = Decoder(sources_of(path), enabled=False)
    decoder.want(0, "a")
    assert decoder.states() == {0: {"state": "off"}}
    assert threading.active_count() == before
    assert not decoder.stop()


def test_stopping_says_whether_something_still_works(decoder: Decoder, gate: Gate) -> None:
    decoder.want(0, "a")
    wait_for(lambda: gate.begun)
    assert decoder.stop(), "the network cannot be stopped"
    gate.open()
    wait_for(lambda: not decoder.stop())
    assert gate.ended == []


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (SdzFormatError("is wrong", file="a.sdz", field="width"), "width: is wrong"),
        (SdzModelError("is damaged", file="model.json"), "model.json: is damaged"),
        (MemoryError(), "not enough memory"),
        (FileNotFoundError(2, "No such file or directory"), "cannot be read: No such file or directory"),
        (ZeroDivisionError("division by zero"), "cannot be shown: ZeroDivisionError: division by zero"),
    ],
)
def test_problems_are_sentences_without_the_name_of_the_file(error: Exception, problem: str) -> None:
    assert problem_of(error, "a.sdz") == problem
