"""Which font draws a text as pixels, and how it is written where none can. In: text; out: a font of
Pillow's, and text whose letters it has.

Pillow's own font has the letters of English. For others the machine's fonts are looked through, a few
known files in the usual folders; right to left and joined letters need Pillow's raqm. What none has is
written as its code, \\u6c34.
"""

import os
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["escape", "font_of", "set_text"]

FOLDERS = (
    "/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts", "/System/Library/Fonts",
    "/Library/Fonts", "C:/Windows/Fonts",
)  # fmt: skip
FILES = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "arial.ttf", "Arial.ttf", "segoeui.ttf",
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "wqy-microhei.ttc", "DroidSansFallbackFull.ttf",
    "msyh.ttc", "msgothic.ttc", "malgun.ttf", "PingFang.ttc", "Hiragino Sans GB.ttc", "Arial Unicode.ttf",
    "NotoSansArabic-Regular.ttf", "NotoSansHebrew-Regular.ttf", "NotoSansDevanagari-Regular.ttf",
    "NotoSansThai-Regular.ttf",
)  # fmt: skip
"""Of Linux, Windows and macOS, the first that has all letters of a text."""
PLAIN = str.maketrans({"→": ">", "…": "...", "−": "-", "×": "x"})
"""What Pillow's own font lacks and English has."""
TRIED, MOST_FILES = 24, 20_000
"""The size at which a letter's shape is compared with that of a letter no font has. Folders of fonts are
large on some machines: behind MOST_FILES files the search ends, for a picture must not wait for a disk.
"""
NOWHERE = "\uffff"
"""No letter in any font: what it looks like is what a missing one looks like."""


def set_text(text: str, size: int) -> tuple[Any, str]:
    """A font, and the text as it is drawn with it."""
    plain = text.translate(PLAIN)
    if plain.isascii():
        return font_of("", size), plain
    for path in ("", *(found_fonts() if can_turn(text) else ())):
        if all(has_letter(path, letter) for letter in text):
            return font_of(path, size), text
    return font_of("", size), escape(plain)


def escape(text: str) -> str:
    """Letters that Pillow's own font lacks as their codes."""
    return "".join(
        letter if has_letter("", letter) else letter.encode("ascii", "backslashreplace").decode()
        for letter in text
    )


def can_turn(text: str) -> bool:
    """Whether letters from right to left, if there are any, can be set in their order."""
    from PIL import features

    turned = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text)
    return not turned or bool(features.check("raqm"))


@cache
def found_fonts() -> tuple[str, ...]:
    """The files of FILES that this machine has, in that order."""
    found: dict[str, str] = {}
    looked = 0
    for folder in FOLDERS:
        for place, _, names in os.walk(Path(folder).expanduser()):
            looked += len(names)
            found |= {name: str(Path(place) / name) for name in names if name in FILES and name not in found}
            if looked > MOST_FILES:
                break
    return tuple(found[name] for name in FILES if name in found)


@cache
def font_of(path: str, size: int) -> Any:
    """Pillow's own font, or that of a file."""
    from PIL import ImageFont

    if not path:
        return ImageFont.load_default(size)
    return ImageFont.truetype(path, size)


@cache
def has_letter(path: str, letter: str) -> bool:
    """Whether a font draws a letter as itself; signs that are not drawn are had by all."""
    if unicodedata.category(letter) in ("Cf", "Mn", "Zs"):
        return True
    try:
        made = font_of(path, TRIED)
        return bool(made.getmask(letter).size[0]) and shape_of(made, letter) != shape_of(made, NOWHERE)
    except OSError:  # a font that cannot be read
        return False


def shape_of(made: Any, letter: str) -> tuple[Any, bytes]:
    mask = made.getmask(letter)
    return mask.size, bytes(mask)
