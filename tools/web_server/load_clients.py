"""The clients of the load test: threads that send requests, wait when they are told to, and keep every answer."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import httpx2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KINDS: Final = (
    "upload", "first", "again", "upload", "first", "again", "upload", "first", "again", "file",
    "upload", "first", "again", "upload", "first", "again", "upload", "thumbnail", "unchanged", "head",
)  # fmt: skip
"""What every 20 requests ask for: 6 uploads (`Clients.upload`), 5 variants that no one has asked for, 5 that are in the
cache, and one each of the others."""

VARIANTS: Final = [(width, kind) for width in (None, 160, 320) for kind in ("image/webp", "image/avif")]
"""Width and media type of the variants."""

TIMEOUT: Final = 300.0
"""Seconds after which an answer counts as lost."""

MOST_ATTEMPTS: Final = 1000
"""How often a client tries again before it gives up."""


@dataclass(frozen=True)
class Photo:
    """A photo to upload.

    Attributes:
        number: its position among all photos of the run.
        data: the bytes of its file.
        name: of the file.
    """

    number: int
    data: bytes
    name: str


@dataclass(frozen=True)
class Answer:
    """A final answer, and what it answers.

    Attributes:
        kind: one of `KINDS`.
        photo: what was uploaded, or whose picture was asked for.
        picture: the name of the stored picture; empty after a failed upload.
        variant: of `VARIANTS`, where one was asked for.
        status: HTTP status, or 0 if there was no answer.
        headers, content: of the answer; the content is the error's text if there was none.
        seconds: from the first attempt to the final answer.
    """

    kind: str
    photo: Photo
    picture: str
    variant: tuple[int | None, str] | None
    status: int
    headers: dict[str, str]
    content: bytes
    seconds: float


@dataclass
class Clients:
    """A number of clients of one server, for the time of a ``with`` block.

    Attributes:
        url: of the server.
        count: how many clients there are.
        answers: all final answers.
        refused: answers with status 429, after which a client waited and tried again.
    """

    url: str
    count: int
    answers: list[Answer] = field(default_factory=list)
    refused: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pictures: dict[str, Photo] = field(default_factory=dict)
    _fresh: list[tuple[str, tuple[int | None, str]]] = field(default_factory=list)
    _asked: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        limits = httpx2.Limits(keepalive_expiry=2)  # the server ends connections after 5 seconds
        self._http = httpx2.Client(base_url=self.url, timeout=TIMEOUT, limits=limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def mix(self, photos: Sequence[Photo], requests: int, after_each: Callable[[int], None]) -> None:
        """Send a mix of requests, see `KINDS`.

        Args:
            photos: what is uploaded; at least as many as there are uploads.
            requests: their number.
            after_each: called after each final answer, with their number so far.
        """
        waiting, chance, done = iter(photos), random.Random(1), Counter[str]()

        def one(number: int) -> None:
            with self._lock:
                job = self._choose(KINDS[number % len(KINDS)], chance, waiting)
            job()
            with self._lock:
                done["all"] += 1
                after_each(done["all"])

        self._all(one, range(requests))

    def upload_all(self, photos: Sequence[Photo]) -> float:
        """Upload photos; returns the time that all together took, in seconds."""
        return self._all(self.upload, photos)

    def get_all(self, photos: Sequence[Photo], variant: tuple[int | None, str]) -> float:
        """Ask for a variant of each of these photos, which were uploaded; returns the time, in seconds."""
        numbers = {photo.number for photo in photos}
        names = [name for name, photo in self._pictures.items() if photo.number in numbers]
        return self._all(lambda name: self.get("first", name, variant), names)

    def _all(self, action: Callable[[Any], object], over: Sequence[Any]) -> float:
        start = time.perf_counter()
        with ThreadPoolExecutor(self.count) as pool:
            for _ in pool.map(action, over):
                pass
        return time.perf_counter() - start

    def _choose(self, kind: str, chance: random.Random, waiting: Any) -> Callable[[], object]:
        """What to do for a kind of request; as long as nothing was answered that it needs, an upload."""
        missing = {"first": not self._fresh, "again": not self._asked, "unchanged": not self._asked}
        if kind == "upload" or not self._pictures or missing.get(kind):
            photo = next(waiting)
            return lambda: self.upload(photo)
        if kind in ("again", "unchanged"):
            before = chance.choice(self._asked)
            tag = {"If-None-Match": before.headers["etag"]} if kind == "unchanged" else {}
            return lambda: self.get(kind, before.picture, before.variant, tag)
        name = chance.choice(list(self._pictures))
        if kind == "first":
            name, variant = self._fresh.pop(chance.randrange(len(self._fresh)))
            return lambda: self.get(kind, name, variant)
        return lambda: self.get(kind, name, VARIANTS[0] if kind == "head" else None)

    def upload(self, photo: Photo) -> None:
        """Upload a photo: every other one as a form, the others as they are."""
        if photo.number % 2:
            answer = self._final("POST", "/pictures", files={"file": (photo.name, photo.data)})
        else:
            answer = self._final("PUT", "/pictures", content=photo.data)
        status, headers, content, seconds = answer
        name = httpx2.Response(status, content=content).json()["name"] if status in (200, 201) else ""
        self._keep(Answer("upload", photo, name, None, status, headers, content, seconds))

    def get(
        self, kind: str, name: str, variant: tuple[int | None, str] | None, headers: dict[str, str] | None = None
    ) -> None:
        """Ask for a picture, its thumbnail or its file.

        Args:
            kind: one of `KINDS`.
            name: of the stored picture.
            variant: width and media type.
            headers: further headers.
        """
        path = f"/pictures/{name}" + {"thumbnail": "/thumbnail", "file": ".sdz"}.get(kind, "")
        if variant is not None:
            path += "" if variant[0] is None else f"?width={variant[0]}"
            headers = {"Accept": variant[1], **(headers or {})}
        status, received, content, seconds = self._final("HEAD" if kind == "head" else "GET", path, headers=headers)
        self._keep(Answer(kind, self._pictures[name], name, variant, status, received, content, seconds))

    def _keep(self, answer: Answer) -> None:
        with self._lock:
            self.answers.append(answer)
            if answer.kind == "upload" and answer.picture:
                if answer.picture not in self._pictures:
                    self._fresh += [(answer.picture, variant) for variant in VARIANTS]
                self._pictures[answer.picture] = answer.photo
            if answer.kind == "first" and answer.status == 200:
                self._asked.append(answer)

    def _final(self, method: str, path: str, **keywords: Any) -> tuple[int, dict[str, str], bytes, float]:
        """Status, headers and content of the answer that is no 429, and the seconds until it came."""
        start = time.perf_counter()
        for _ in range(MOST_ATTEMPTS):
            try:
                response = self._http.request(method, path, **keywords)
            except httpx2.HTTPError as error:
                return 0, {}, repr(error).encode(), time.perf_counter() - start
            if response.status_code != 429:
                break
            with self._lock:
                self.refused += 1
            time.sleep(float(response.headers["retry-after"]))
        return response.status_code, dict(response.headers), response.content, time.perf_counter() - start
