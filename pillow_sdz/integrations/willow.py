"""Willow, and Wagtail, which handles its pictures with it.

Willow knows formats by name and does not ask Pillow, so importing `pillow_sdz` is not enough. `register` adds ours:

    import willow
    import pillow_sdz.integrations.willow

    pillow_sdz.integrations.willow.register()
    with open("photo.sdz", "rb") as stream, open("small.jpg", "wb") as target:
        willow.Image.open(stream).resize((320, 240)).save_as_jpeg(target)

Wagtail needs the call of `register` in the method ``ready`` of an ``AppConfig`` of the site. (In ``settings.py`` it
would be too early, because Willow reads Django's settings when it is imported.) Two of Wagtail's settings let it accept
uploads, and show browsers another format:

    WAGTAILIMAGES_EXTENSIONS = ["avif", "gif", "jpg", "jpeg", "png", "webp", "sdz"]
    WAGTAILIMAGES_FORMAT_CONVERSIONS = {"sdz": "webp"}
"""

from __future__ import annotations

from typing import IO, Final

from pillow_sdz.container.magic import has_magic
from pillow_sdz.errors import require_installed
from pillow_sdz.plugin.image_file import EXTENSION, MIME, SdzImageFile, check_bomb, register_sdz_opener

FORMAT_NAME: Final = EXTENSION.lstrip(".")
"""What Willow calls the format. Wagtail compares it with the suffix of an upload."""


def register() -> None:
    """Teach Willow to open .sdz files. Calling this again changes nothing.

    ``willow.Image.open`` then returns an image whose ``format_name`` is "sdz" and whose ``mime_type`` is "image/x-sdz".
    It checks all that can be checked without a model's weights, so damaged files are refused there, and it reads the
    size. Operations on pixels decode the file with Pillow. Willow saves in its own formats only.

    Raises:
        SdzDependencyError: Willow is not installed.
    """
    require_installed("registering with Willow", {"willow": "Willow", "filetype": "filetype"}, "pip install Willow")
    import filetype
    from willow.image import INITIAL_IMAGE_CLASSES, Image, ImageFile
    from willow.plugins.pillow import PillowImage
    from willow.registry import registry

    if FORMAT_NAME in INITIAL_IMAGE_CLASSES:
        return

    class Sdz(filetype.Type):  # type: ignore[misc]  # the package has no types
        """How the package filetype, which Willow asks, recognises the format."""

        def __init__(self) -> None:
            super().__init__(MIME, FORMAT_NAME)

        def match(self, start: bytes) -> bool:
            """Whether these are the first bytes of an .sdz file."""
            return has_magic(start)

    class SdzWillowFile(ImageFile):  # type: ignore[misc]
        """An .sdz file, in the form that Willow gives to files of every format."""

        format_name = FORMAT_NAME
        mime_type = MIME

        def __init__(self, f: IO[bytes]) -> None:
            super().__init__(f)
            self._size = checked_size(f)

        @Image.operation  # type: ignore[untyped-decorator]
        def get_size(self) -> tuple[int, int]:
            """Width and height, without decoding.

            Raises:
                PIL.Image.DecompressionBombError: Pillow would refuse to decode so many pixels.
            """
            check_bomb(self._size)
            return self._size

        @Image.operation  # type: ignore[untyped-decorator]
        def get_frame_count(self) -> int:
            """The format holds one picture."""
            return 1

        @Image.operation  # type: ignore[untyped-decorator]
        def has_animation(self) -> bool:
            """The format holds one picture."""
            return False

    register_sdz_opener()
    filetype.add_type(Sdz())
    INITIAL_IMAGE_CLASSES[FORMAT_NAME] = SdzWillowFile
    registry.register_image_class(SdzWillowFile)
    registry.register_converter(SdzWillowFile, PillowImage, PillowImage.open)


def checked_size(stream: IO[bytes]) -> tuple[int, int]:
    """Width and height of an .sdz file, once its checksums and its structure are right.

    Args:
        stream: a file that can seek; it is read from its start, and left there.

    Raises:
        SdzError: the file is damaged.
    """
    stream.seek(0)
    image = SdzImageFile(stream)
    size = image.size
    image.verify()
    stream.seek(0)
    return size
