"""Photos with rendered signs, shop boards, labels and number plates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tools.guard_set.lettering import Board, Text, hang

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.guard_set.entries import Entry
    from tools.guard_set.lettering import Colour, Fonts
    from tools.guard_set.photos import Photos

WHITE: Final[Colour] = (246, 246, 242)
BLACK: Final[Colour] = (18, 18, 20)
BLUE: Final[Colour] = (22, 58, 128)
RED: Final[Colour] = (168, 24, 30)
GREEN: Final[Colour] = (16, 92, 56)
YELLOW: Final[Colour] = (244, 200, 40)
CREAM: Final[Colour] = (236, 222, 190)
BROWN: Final[Colour] = (86, 52, 28)
GREY: Final[Colour] = (148, 150, 152)
SLATE: Final[Colour] = (58, 62, 70)


def signs(photos: Photos, fonts: Fonts) -> Iterator[Entry]:
    """The pictures of the group, in a fixed order."""
    for name, (photo, scale, boards) in SIGNS.items():
        entry = photos.get(photo).entry(name, "signs", scale=scale)
        for x, y, board in boards:
            entry.lines += hang(entry.image, board, (x, y), fonts)
        yield entry


def _plate(text: str, height: int, paper: Colour = WHITE, angle: float = 0, slant: float = 0) -> Board:
    return Board([Text(text, "eng", height)], paper, BLACK, "DejaVuSansMono-Bold", angle, slant)


SANS, SERIF, BOLD = "DejaVuSans", "DejaVuSerif", "DejaVuSerif-Bold"

SIGNS: Final[dict[str, tuple[str, float, list[tuple[int, int, Board]]]]] = {
    "signs_cafe": ("codrops_0070", 1, [
        (40, 30, Board([
            Text("Cafe Lindgren", "eng", 32),
            Text("Espresso, cakes and newspapers", "eng", 16),
        ], CREAM, BROWN, BOLD)),
        (380, 300, Board([
            Text("Today's soup 4.80", "eng", 18),
            Text("Apple pie 3.20", "eng", 18),
            Text("Lemonade 2.90", "eng", 18),
        ], SLATE, WHITE, SANS, -3)),
        (60, 330, Board([Text("Please wait to be seated", "eng", 12)], WHITE, BLACK, SANS, 2)),
    ]),
    "signs_street": ("codrops_0110", 0.9, [
        (20, 30, Board([Text("HARBOUR STREET 14251", "eng", 22)], BLUE, WHITE)),
        (20, 110, Board([
            Text("Parking for residents only", "eng", 14),
            Text("Monday to Friday 8:30 to 18:00", "eng", 14),
        ], WHITE, RED, SANS)),
        (20, 420, _plate("B KX 14255", 28)),
        (230, 420, _plate("HH 7306 ZQ", 20, YELLOW)),
    ]),
    "signs_road": ("pixabay700_0045", 1, [
        (50, 150, Board([Text("Springfield 14", "eng", 28), Text("Riverside 236", "eng", 28)], GREEN, WHITE)),
        (400, 190, Board([Text("Next petrol station 85 km", "eng", 16)], BLUE, WHITE, SANS)),
        (300, 380, _plate("7KLM482", 18, WHITE, 0, 0.06)),
    ]),
    "signs_greek": ("coffee", 1, [
        (20, 20, Board([
            Text("Καφενείο της πλατείας", "ell", 26),
            Text("Ελληνικός καφές και γλυκά", "ell", 16),
        ], WHITE, BLUE)),
        (330, 300, Board([
            Text("Ανοιχτά κάθε μέρα", "ell", 20),
            Text("από τις 07:30", "ell", 20),
        ], CREAM, BLACK, SERIF, 3)),
        (20, 330, Board([Text("Το φαρμακείο είναι απέναντι", "ell", 14)], GREEN, WHITE, SANS, -2)),
    ]),
    "signs_greek_beach": ("pixabay700_0375", 1, [
        (60, 40, Board([Text("Παραλία του Αγίου Νικολάου", "ell", 24)], BLUE, WHITE)),
        (330, 190, Board([
            Text("Προσοχή στα ρεύματα", "ell", 18),
            Text("Απαγορεύεται το ψάρεμα", "ell", 14),
        ], YELLOW, BLACK, SANS, 0, 0.08)),
        (40, 340, Board([Text("Εισιτήρια για το πλοίο 12,50", "ell", 16)], WHITE, RED, SANS)),
    ]),
    "signs_cyrillic": ("pixabay700_0614", 1, [
        (30, 30, Board([Text("Улица Пушкина", "rus", 34)], BLUE, WHITE)),
        (330, 130, Board([
            Text("Хлеб и молоко", "rus", 22),
            Text("Открыто до позднего вечера", "rus", 14),
        ], WHITE, RED)),
        (40, 330, Board([Text("Осторожно, скользкий мост", "rus", 18)], YELLOW, BLACK, SANS, -2)),
        (440, 380, _plate("E 482 KX 77", 20)),
    ]),
    "signs_cyrillic_station": ("tinycoco_0032", 1, [
        (30, 20, Board([
            Text("Библиотека имени Чехова", "rus", 24),
            Text("второй этаж, комната двадцать", "rus", 14),
        ], BROWN, CREAM, BOLD)),
        (330, 240, Board([Text("Соблюдайте тишину", "rus", 20)], WHITE, GREEN, SANS, 2)),
        (30, 280, Board([Text("Книги выдаются на месяц", "rus", 12)], WHITE, BLACK, SANS)),
    ]),
    "signs_japanese": ("tinycoco_0002", 1, [
        (30, 40, Board([Text("東京駅前の本屋", "jpn", 34)], RED, WHITE)),
        (40, 240, Board([Text("営業時間は午前九時から", "jpn", 20), Text("午後八時まで", "jpn", 20)], WHITE, BLACK)),
        (180, 420, Board([Text("足元に注意してください", "jpn", 18)], YELLOW, BLACK, SANS, -2)),
    ]),
    "signs_japanese_shop": ("compose_0008", 1, [
        (40, 20, Board([
            Text("ラーメンとカレーの店", "jpn", 30),
            Text("今日のおすすめは味噌ラーメン", "jpn", 18),
        ], CREAM, RED)),
        (330, 300, Board([Text("水曜日は休みです", "jpn", 24)], SLATE, WHITE, SANS, 3)),
        (30, 350, Board([Text("写真を撮らないでください", "jpn", 16)], WHITE, BLUE)),
    ]),
    "signs_numbers": ("brick", 1, [
        (30, 30, Board([Text("14255", "eng", 40), Text("Opening hours 10:00 to 19:30", "eng", 16)], WHITE, BLACK)),
        (270, 150, Board([Text("Call 555 0173 849", "eng", 18)], YELLOW, BLACK, SANS, 3)),
        (40, 280, Board([
            Text("Price per kilo 27.95", "eng", 24),
            Text("Article 6049 1738 2256", "eng", 12),
        ], CREAM, RED, SANS)),
        (270, 420, _plate("WX 58 QRT", 26, YELLOW, -2)),
    ]),
    "signs_low_contrast": ("gravel", 1, [
        (30, 40, Board([Text("Engraved in stone 1874", "eng", 28)], GREY, SLATE, SERIF)),
        (40, 180, Board([
            Text("The quiet garden", "eng", 24),
            Text("opened by the mayor", "eng", 18),
        ], CREAM, (164, 138, 100), SERIF, 2)),
        (220, 380, Board([Text("Do not lean on the glass", "eng", 14)], SLATE, GREY, SANS)),
    ]),
    "signs_labels": ("dali_0110", 1, [
        (20, 20, Board([
            Text("Ingredients: wheat flour, sugar,", "eng", 12),
            Text("butter, eggs, baking powder, salt", "eng", 12),
            Text("Best before 17 March 2028", "eng", 12),
        ], WHITE, BLACK, SANS)),
        (20, 420, Board([Text("Serial number 40918 2735", "eng", 14)], GREY, BLACK, "DejaVuSansMono", 1)),
    ]),
}  # fmt: skip
"""Name -> photo, scale, and boards with the position of their upper left corners."""
