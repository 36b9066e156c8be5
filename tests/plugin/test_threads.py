"""Many threads opening, loading, thumbnailing and saving at once give what one thread gives."""

from __future__ import annotations

import io
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
import toy_model
from PIL import Image
from toy_files import file_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

THREADS = 8


pytestmark = pytest.mark.usefixtures("toy")


def picture(seed: int) -> NDArray[np.uint8]:
    return toy_model.blocks(64 + seed, 40, seed)


def there_and_back(seed: int) -> tuple[NDArray[np.uint8], str, bytes]:
    stream = io.BytesIO()
    Image.fromarray(picture(seed)).save(stream, "SDZ", text={"seed": str(seed)})
    with Image.open(stream) as image:
        pixels, text = np.array(image), image.info["seed"]
    with Image.open(stream) as image:
        image.thumbnail((6, 6))
        small = image.tobytes()
    return pixels, text, small


def test_many_pictures_at_once() -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(there_and_back, range(40)))
    for seed, (pixels, text, small) in enumerate(results):
        assert np.array_equal(pixels, picture(seed))
        assert text == str(seed)
        assert small == there_and_back(seed)[2]


def test_one_stream_per_thread_of_the_same_file(tmp_path: Path) -> None:
    file = tmp_path / "a.sdz"
    Image.fromarray(picture(0)).save(file)

    def load(_: int) -> NDArray[np.uint8]:
        with Image.open(file) as image:
            return np.array(image)

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(np.array_equal(pixels, picture(0)) for pixels in pool.map(load, range(40)))


def _size_in_a_worker(data: bytes) -> tuple[int, int]:
    import pillow_sdz  # noqa: F401  # spawned workers start without the registration

    with Image.open(io.BytesIO(data)) as image:
        return image.size


def test_spawned_workers() -> None:
    data = file_of(picture(0))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(_size_in_a_worker, data).result() == (64, 40)
