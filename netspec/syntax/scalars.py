"""Plain YAML scalars by the core schema of YAML 1.2 (section 10.3.2): text in, value out. Knows no
places.
"""

import re
from typing import Any

from netspec.syntax.limits import DIGITS

__all__ = ["look_alike", "resolve"]

_WORDS: dict[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".nan": float("nan"), ".NaN": float("nan"), ".NAN": float("nan"),
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}  # fmt: skip
_NUMERIC = frozenset("0123456789+-.")
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
# 1e-3 is a number here; to YAML 1.1, as PyYAML resolves it, it is a text
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")

# the booleans of YAML 1.1
_SWITCHES = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_GROUPED = re.compile(r"[-+]?[0-9]+(?:[_,' ][0-9]+)+(?:\.[0-9]+)?\Z")


def resolve(text: str) -> str | int | float | bool | None:
    """The value of a plain scalar: null, boolean, integer (decimal, 0o17, 0x1F), float, otherwise
    the text itself.

    ValueError for an integer of more than 250 digits.
    """
    if text in _WORDS:
        return _WORDS[text]  # type: ignore[no-any-return]
    # most scalars are words: their first letter spares three patterns
    if text[0] not in _NUMERIC:
        return text
    if _INTEGER.match(text):
        return int(_read_bounded(text))
    if _FLOAT.match(text):
        return float(text)
    if _BASED.match(text):
        return int(_read_bounded(text), 0)
    return text


def look_alike(text: str) -> str | None:
    """What was meant by a plain text that other readers of YAML take for a number or a boolean.

    `no` -> "false", `431_080` -> "431080"; None for a text that no reader takes for anything else.
    """
    if switch := _SWITCHES.get(text.lower()):
        return switch
    if _GROUPED.match(text):
        return re.sub(r"[_,' ]", "", text)
    return None


def _read_bounded(text: str) -> str:
    if len(text) > DIGITS:
        raise ValueError(f"an integer may have {DIGITS} digits; this one has {len(text)}")
    return text
