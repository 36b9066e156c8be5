"""Faces of 20 to 120 pixels: people in photos that are scaled down, and walls of portraits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PIL import Image

from tools.guard_set.entries import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.guard_set.entries import Box
    from tools.guard_set.photos import Photos

BOXES: Final[dict[str, tuple[Box, ...]]] = {
    "astronaut": ((183, 63, 267, 174),),
    "grace_hopper": ((177, 108, 354, 331),),
    "cid22_0180": ((151, 124, 364, 413),),
    "codrops_0001": ((322, 210, 452, 365), (122, 262, 246, 422)),
    "codrops_0021": ((330, 240, 504, 470), (137, 295, 305, 525)),
    "codrops_0030": ((121, 26, 463, 500),),
    "codrops_0031": ((319, 309, 403, 428), (229, 260, 305, 376)),
    "codrops_0150": ((110, 183, 330, 490),),
    "codrops_0170": ((225, 129, 392, 346),),
    "codrops_0210": ((214, 222, 279, 315),),
    "ct_0034": ((141, 136, 215, 230),),
    "lepton_0001": ((190, 86, 332, 278),),
    "lepton_0003": (
        (796, 296, 824, 330), (756, 274, 774, 301), (641, 271, 659, 293), (452, 270, 467, 288), (489, 275, 503, 293),
        (537, 279, 551, 297), (597, 283, 610, 301),
    ),
    "photolab_0006": ((257, 102, 382, 270),),
    "tinycoco_0076": (
        (14, 70, 56, 122), (173, 76, 211, 121), (93, 33, 126, 76), (108, 284, 141, 325), (137, 70, 163, 99),
        (288, 56, 313, 86), (239, 64, 263, 91), (351, 56, 370, 78),
    ),
}  # fmt: skip
"""Photo -> boxes of its faces in pixels, found by MTCNN (Zhang et al. 2016) and looked at one by one."""

PORTRAITS: Final = (
    "astronaut", "grace_hopper", "cid22_0180", "codrops_0001", "codrops_0021", "codrops_0030", "codrops_0031",
    "codrops_0150", "codrops_0170", "codrops_0210", "lepton_0001", "photolab_0006",
)  # fmt: skip
"""Photos whose first face is large enough for a wall; in the order of the wall."""

WALLS: Final = ((24, 6, 4), (40, 4, 3), (72, 4, 3))
"""Height of the faces in pixels, columns and rows of each wall."""

SCENES: Final[dict[str, tuple[str, Box, float]]] = {
    "faces_crowd": ("tinycoco_0076", (0, 0, 382, 575), 1),
    "faces_terrace": ("lepton_0003", (400, 150, 853, 540), 1),
    "faces_pair_blue": ("codrops_0001", (0, 60, 600, 760), 0.5),
    "faces_pair_field": ("codrops_0021", (0, 120, 640, 760), 0.45),
    "faces_pair_grey": ("codrops_0031", (60, 150, 580, 850), 0.55),
    "faces_servers": ("photolab_0006", (0, 0, 960, 640), 0.6),
    "faces_hat": ("ct_0034", (0, 0, 360, 360), 1),
}
"""Name -> photo, part of it, scale."""


def faces(photos: Photos) -> Iterator[Entry]:
    """The pictures of the group, in a fixed order."""
    for name, (photo, part, scale) in SCENES.items():
        entry = photos.get(photo).entry(name, "faces", part, scale)
        factor = entry.image.width / (part[2] - part[0])
        entry.faces += [_moved(box, part[:2], factor, (0, 0), entry.image.size) for box in BOXES[photo]]
        yield entry
    for height, columns, rows in WALLS:
        yield wall(photos, height, columns, rows)


def _moved(box: Box, origin: Sequence[float], factor: float, at: tuple[int, int], size: tuple[int, int]) -> Box:
    """A box of a photo after a part of it has been cut out, scaled, and put at ``at`` of a picture of ``size``."""
    x, y = at
    left, top, right, bottom = (round((v - origin[i % 2]) * factor) for i, v in enumerate(box))
    return max(0, x + left), max(0, y + top), min(size[0], x + right), min(size[1], y + bottom)


def wall(photos: Photos, height: int, columns: int, rows: int) -> Entry:
    """Portraits side by side, the faces ``height`` pixels high; a person that comes again is mirrored."""
    side, gap = max(height * 2, 256 // rows), 4
    size = columns * (side + gap) + gap, rows * (side + gap) + gap
    entry = Entry(
        f"faces_wall_{height}", "faces", Image.new("RGB", size, (235, 235, 235)),
        "photos of the other pictures of faces, and " + ", ".join(PORTRAITS), "not to be distributed",
    )  # fmt: skip
    for k in range(columns * rows):
        name = PORTRAITS[k % len(PORTRAITS)]
        photo, box = photos.get(name).image, BOXES[name][0]
        factor = height / (box[3] - box[1])
        scaled = photo.resize((round(photo.width * factor), round(photo.height * factor)), Image.Resampling.LANCZOS)
        left, top, right, bottom = _moved(box, (0, 0), factor, (0, 0), scaled.size)
        # the part that has the face in its middle, as far as the photo reaches
        x = min(max(0, (left + right - side) // 2), max(0, scaled.width - side))
        y = min(max(0, (top + bottom - side) // 2), max(0, scaled.height - side))
        tile = scaled.crop((x, y, min(x + side, scaled.width), min(y + side, scaled.height)))
        face = left - x, top - y, right - x, bottom - y
        if k >= len(PORTRAITS):
            tile = tile.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            face = tile.width - face[2], face[1], tile.width - face[0], face[3]
        at = (gap + k % columns * (side + gap), gap + k // columns * (side + gap))
        entry.image.paste(tile, at)
        entry.faces.append((at[0] + face[0], at[1] + face[1], at[0] + face[2], at[1] + face[3]))
    return entry
