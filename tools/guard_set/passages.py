"""What pages, listings and windows of the set say."""

from __future__ import annotations

from typing import Final

ENGLISH: Final = (
    "The lighthouse keeper counted seventeen ships",
    "before breakfast, and wrote down every name.",
    "Two of them, the Marigold and the Old Swan,",
    "had been at sea for more than ninety days.",
    "He lit the stove, boiled an egg, and waited",
    "for the postman, who came by boat on Fridays",
    "with letters, newspapers and fresh bread.",
    "Nobody had asked him how long he would stay;",
    "the lamp needed oil, the stairs were steep,",
    "and the view was worth every one of them.",
)
ENGLISH_SMALL: Final = (
    "Article 7. The tenant pays the rent on the third working day of each month.",
    "Article 8. Pets are allowed, unless they disturb other people in the house.",
    "Article 9. Bicycles belong in the cellar; the stairway must be kept free.",
    "Article 10. Rooms are to be aired daily, for at least 15 minutes at a time.",
    "Article 11. Damage above 250 must be reported in writing within 14 days.",
    "Article 12. Keys that were lost are replaced at the expense of the tenant.",
    "Article 13. From 22:00 to 6:00 music may not be heard outside the flat.",
    "Article 14. Either party may give notice three months before a quarter ends.",
    "Article 15. Oral agreements beside this contract have not been made.",
)
GREEK: Final = (
    "Το καράβι έφυγε από το λιμάνι πριν",
    "από την ανατολή του ήλιου. Οι ναύτες",
    "τραγουδούσαν και ο καπετάνιος κοίταζε",
    "τον χάρτη με προσοχή. Στο νησί έμεναν",
    "λίγοι άνθρωποι, δύο γάτες και ένας",
    "παλιός μύλος που δούλευε ακόμα.",
    "Το βράδυ φύσηξε δυνατός βοριάς",
)
RUSSIAN: Final = (
    "Утром над рекой стоял густой туман, и",
    "паром долго не мог отойти от берега.",
    "Пассажиры пили горячий чай и говорили",
    "о погоде, о ценах и о новой дороге.",
    "Наконец показалось солнце, капитан дал",
    "сигнал, и мы медленно поплыли вперёд.",
    "На другом берегу нас ждали друзья,",
    "тёплый ужин и старая библиотека.",
)
JAPANESE: Final = (
    "朝の電車はいつも静かです。",
    "窓の外には海と山が見えます。",
    "駅に着くと小さな店が開いて",
    "いて、パンの香りがします。",
    "今日は友人と図書館で会って、",
    "古い地図を一緒に調べます。",
)

Part = tuple[str, str]
"""A piece of a line of a program, and what it is: ``keyword``, ``string``, ``comment``, ``number`` or ``name``."""

PROGRAM: Final[tuple[tuple[Part, ...], ...]] = (
    (("import", "keyword"), (" json", "name")),
    (("from", "keyword"), (" pathlib ", "name"), ("import", "keyword"), (" Path", "name")),
    (("LIMIT = ", "name"), ("14255", "number"), ("  # bytes of a record", "comment")),
    (("def", "keyword"), (" load_orders(path, limit=LIMIT):", "name")),
    (("    text = Path(path).read_text(", "name"), ('"utf-8"', "string"), (")", "name")),
    (("    if", "keyword"), (" len(text) > limit:", "name")),
    (("        raise", "keyword"), (" ValueError(", "name"), ('"too many orders"', "string"), (")", "name")),
    (("    rows = json.loads(text)[", "name"), ('"orders"', "string"), ("]", "name")),
    (("    for", "keyword"), (" number, row ", "name"), ("in", "keyword"), (" enumerate(rows, start=", "name"),
     ("1", "number"), ("):", "name")),
    (("        row[", "name"), ('"total"', "string"), ("] = round(row[", "name"), ('"price"', "string"),
     ("] * ", "name"), ("1.19", "number"), (", ", "name"), ("2", "number"), (")", "name")),
    (("        print(number, row[", "name"), ('"customer"', "string"), ("])", "name")),
    (("    return", "keyword"), (" sorted(rows, key=by_date)", "name")),
)  # fmt: skip

FORM: Final = (
    ("Family name", "Hargreaves"),
    ("Given names", "Eleanor Josephine"),
    ("Date of birth", "23 October 1967"),
    ("Street and number", "48 Willow Crescent"),
    ("Account number", "DE89 3704 0044 0532"),
    ("Telephone", "0171 5550 9382"),
)
"""Label and value of each field."""

SETTINGS: Final = (
    ("Язык интерфейса", "Русский"),
    ("Размер шрифта", "Средний"),
    ("Сохранять копии", "Каждый час"),
    ("Звук уведомлений", "Колокольчик"),
    ("Папка загрузок", "Документы и отчёты"),
)

BUTTONS: Final = {"eng": ("Cancel", "Save"), "rus": ("Отмена", "Готово")}
"""Language -> the buttons of a window."""
