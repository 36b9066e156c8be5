"""The web server's files: a cache of bounded size that trusts no entry, and a store whose files are whole."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from web_server_client import client, files_in, photo

from tools.web_server import cache as cache_module
from tools.web_server.cache import DiskCache
from tools.web_server.files import write_whole
from tools.web_server.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 16_000


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in files_in(folder))


def test_entries_come_back(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, LIMIT)
    assert cache.get("a") is None
    cache.put("a", b"one")
    cache.put("b", b"")
    cache.put("a", b"two")
    assert (cache.get("a"), cache.get("b")) == (b"two", b"")
    assert DiskCache(tmp_path, LIMIT).get("a") == b"two"  # after a restart


def test_what_was_not_asked_for_longest_goes_first(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, LIMIT)
    for number in range(14):
        cache.put(str(number), bytes(1000))
    assert cache.get("0") is not None  # and is now the newest
    later = DiskCache(tmp_path, LIMIT)  # the order survives a restart
    for number in range(14, 18):
        later.put(str(number), bytes(1000))
    kept = [number for number in range(18) if later.get(str(number)) is not None]
    assert 0 in kept
    assert kept[1:] == list(range(kept[1], 18))
    assert len(kept) >= 13


def test_the_limit_holds_at_every_moment(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, LIMIT)
    for number in range(60):
        cache.put(str(number), bytes(number * 97 % 3000))
        assert size_of(tmp_path) <= LIMIT


def test_many_threads(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, LIMIT)

    def use(number: int) -> bool:
        key = str(number % 40)
        cache.put(key, key.encode() * 500)
        return cache.get(key) in (None, key.encode() * 500)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(400)))
    assert size_of(tmp_path) <= LIMIT


def test_what_is_larger_than_the_limit_is_not_kept(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, LIMIT)
    cache.put("small", b"x")
    cache.put("large", bytes(LIMIT))
    assert (cache.get("small"), cache.get("large")) == (b"x", None)


def cut(data: bytes) -> bytes:
    return data[:-1]


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("damage", [cut, flip, lambda data: data[:10], lambda _: b"", lambda data: data + b"x"])
def test_a_damaged_entry_is_not_served(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    cache = DiskCache(tmp_path, LIMIT)
    cache.put("a", b"content")
    (file,) = files_in(tmp_path)
    file.write_bytes(damage(file.read_bytes()))
    assert cache.get("a") is None
    assert files_in(tmp_path) == []
    cache.put("a", b"content")
    assert cache.get("a") == b"content"


def test_entries_that_are_being_written_are_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DiskCache(tmp_path, LIMIT)

    def interrupted(path: Path, data: bytes, *, durable: bool) -> None:
        write_whole(path.with_name(".writing-x"), data[:20], durable=durable)
        raise OSError(5, "the machine stops here")

    monkeypatch.setattr(cache_module, "write_whole", interrupted)
    cache.put("a", bytes(1000))
    monkeypatch.undo()
    assert cache.get("a") is None
    (left,) = files_in(tmp_path)
    assert DiskCache(tmp_path, LIMIT).get("a") is None
    assert left.exists()  # another process may be writing it
    long_ago = time.time() - 7200
    os.utime(left, (long_ago, long_ago))
    DiskCache(tmp_path, LIMIT)
    assert not left.exists()


@pytest.mark.usefixtures("toy")
def test_variants_survive_a_restart_and_damage(tmp_path: Path) -> None:
    with client(tmp_path) as server:
        picture = server.put("/pictures", content=photo()).json()["picture"]
        first = server.get(picture)
        assert (first.headers["x-cache"], server.get(picture).headers["x-cache"]) == ("miss", "hit")
    with client(tmp_path) as server:
        again = server.get(picture)
        assert (again.headers["x-cache"], again.content) == ("hit", first.content)
        (entry,) = files_in(tmp_path / "data" / "cache")
        entry.write_bytes(cut(entry.read_bytes()))
        again = server.get(picture)
        assert (again.headers["x-cache"], again.content) == ("miss", first.content)
        assert server.get(picture).headers["x-cache"] == "hit"


@pytest.mark.usefixtures("toy")
def test_the_cache_of_a_server_is_bounded(tmp_path: Path) -> None:
    with client(tmp_path, cache_bytes=3000) as server:
        found = [server.put("/pictures", content=photo(seed)).json() for seed in range(6)]
        for each in found:
            assert server.get(each["thumbnail"]).status_code == 200
            assert size_of(tmp_path / "data" / "cache") <= 3000
        assert server.get(found[-1]["thumbnail"]).headers["x-cache"] == "hit"
        assert server.get(found[0]["thumbnail"]).headers["x-cache"] == "miss"


def test_the_store_writes_once_and_mends_what_is_damaged(tmp_path: Path) -> None:
    store = Store(tmp_path)
    name = store.put(b"picture")
    (file,) = files_in(tmp_path)
    written = file.stat().st_mtime_ns
    assert store.put(b"picture") == name
    assert file.stat().st_mtime_ns == written
    file.write_bytes(b"pic")
    assert store.put(b"picture") == name
    assert store.read(name) == b"picture"


def test_names_of_other_forms_are_not_looked_for(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    (tmp_path / "secret.sdz").write_bytes(b"secret")
    for name in ("../../secret", "", "a", "0" * 63 + "/", "0" * 63 + "\n", "0" * 64 + "\n"):
        assert not store.has(name)
        with pytest.raises(FileNotFoundError):
            store.read(name)


def test_uploads_that_became_what_is_gone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    digest = "ab" * 32
    assert store.find_upload(digest) is None
    name = store.put(b"picture")
    store.remember_upload(digest, name)
    assert store.find_upload(digest) == name
    for file in files_in(tmp_path / "uploads"):
        file.write_bytes(b"\xff../../etc/passwd")
    assert store.find_upload(digest) is None


@pytest.mark.skipif(os.name != "posix", reason="other systems have other permissions")
def test_files_may_be_read_by_all(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_whole(tmp_path / "file", b"picture", durable=True)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(os.name != "posix" or not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
def test_nothing_is_left_of_what_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    name = tmp_path / ".writing-x"

    def full(prefix: str, dir: Path) -> tuple[int, str]:  # noqa: A002
        name.touch()
        return os.open("/dev/full", os.O_WRONLY), str(name)

    target = tmp_path / "file"
    target.write_bytes(b"before")
    monkeypatch.setattr(tempfile, "mkstemp", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(target, b"after", durable=True)
    assert files_in(tmp_path) == [target]
    assert target.read_bytes() == b"before"
