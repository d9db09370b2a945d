"""JSON from strangers: one reader that raises one error, whatever the text is. Comes in: text or
bytes; goes out: plain values.

Bounded are size, depth and integers; refused are keys that stand twice, NaN and Infinity, and texts
that no UTF-8 can hold.
"""

import json
import math
from collections.abc import Container, Mapping
from typing import Any, NoReturn

__all__ = ["BYTES", "JsonError", "member", "read_json", "read_object"]

BYTES = 64 << 20
DEPTH = 64  # as deep as a spec may be (syntax/limits.py)
KINDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


class JsonError(ValueError):
    """What is wrong with a text that should be JSON, as words that go behind the file's name."""


def read_json(
    text: str | bytes, constants: bool = False, most: int = BYTES, without: Container[str] = ()
) -> Any:
    """The value of a JSON text; `constants`: NaN and Infinity may stand in it, as Python writes
    them. most: bytes; without: keys whose values nobody needs, dropped while they are read; the
    reader then looks itself whether numbers are finite. Raises JsonError.
    """
    if len(text) > most:
        raise JsonError(f"{len(text):,} bytes, at most {most:,} are read")
    try:
        if isinstance(text, bytes):
            words = text.decode("utf-8-sig")
        else:
            words = text
        value = json.loads(
            words,
            object_pairs_hook=lambda pairs: once(pairs, without),
            parse_constant=float if constants else no_constant,
            parse_int=whole,
            parse_float=float if without else finite,  # of millions of numbers most are dropped
        )
    # Python's parser recurses, and may give up before `check_depth` is asked
    except RecursionError:
        raise JsonError(f"nested deeper than {DEPTH}") from None
    except UnicodeDecodeError as error:
        raise JsonError(f"byte {error.start} is not UTF-8") from None
    except JsonError:
        raise
    except ValueError as error:
        raise JsonError(f"not JSON: {error}") from None
    check_depth(value)
    return value


def read_object(
    text: str | bytes, constants: bool = False, most: int = BYTES, without: Container[str] = ()
) -> dict[str, Any]:
    """The same where an object is wanted."""
    value = read_json(text, constants, most, without)
    if not isinstance(value, dict):
        raise JsonError(f"it holds {kind_of(value)}, an object is needed")
    return value


def member(found: Mapping[str, Any], key: str, *kinds: type, missing: Any = None) -> Any:
    """The value of a key, of one of some kinds; `missing` where there is none. Raises JsonError."""
    value = found.get(key, missing)
    fits = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
    if not fits and (key in found or missing is None):
        wanted = " or ".join(KINDS.get(kind, kind.__name__) for kind in kinds)
        raise JsonError(f"{key} must be {wanted}: it is {kind_of(value) if key in found else 'not there'}")
    return value


def kind_of(value: Any) -> str:
    """`a list`, `null`, ..."""
    return KINDS.get(type(value), "null")


def once(pairs: list[tuple[str, Any]], without: Container[str] = ()) -> dict[str, Any]:
    """An object whose keys stand once, every text in it one that can be written."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = set[str]()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise JsonError(f"the key {twice!a:.80} stands twice")
    if without:
        return {name: value for name, value in found.items() if name not in without}
    return found


def no_constant(word: str) -> NoReturn:
    raise JsonError(f"{word} is no JSON")


def whole(digits: str) -> int:
    """An integer of at most 64 bits."""
    if len(digits) < 19:  # below 2**63, with a sign or without
        return int(digits)
    # 2**64 has twenty digits; int() would take long over endless ones
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**64:
        raise JsonError(f"{digits[:24]}{'...' if len(digits) > 24 else ''} has more than 64 bits")
    return int(digits)


def finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise JsonError(f"{digits[:24]} is beyond every number of 64 bits")
    return value


def check_depth(value: Any) -> None:
    """Raises JsonError for what is nested too deep, or a text with half of a surrogate pair. Uses
    no recursion.
    """
    level = [value]
    for _ in range(DEPTH + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                check_text(item)
            elif isinstance(item, list):
                below += item
            elif isinstance(item, dict):
                below += item.values()
                for key in item:
                    check_text(key)
        if not below:
            return
        level = below
    raise JsonError(f"nested deeper than {DEPTH}")


def check_text(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise JsonError(f"{text!a:.80} holds half of a surrogate pair") from None
