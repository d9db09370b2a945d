"""Plain values or a Located tree -> YAML text that the reader takes for just these values. Knows no
layer.

A collection stands on one line in braces or brackets where it fits; the upper two levels are always
one entry a line.
"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from math import isfinite, isnan
from typing import Any

from netspec.syntax.located import Located, plain
from netspec.syntax.scalars import look_alike, resolve

__all__ = ["dump", "escape_dollars", "flow", "scalar_text"]

WIDTH = 140
BLOCK_LEVELS = 2
PLAIN = re.compile(
    r"[A-Za-z_/$(\u00c0-\u1fff\u3040-\ud7ff][^\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff:?#,\[\]{}\"'\\]*\Z"
)
# what YAML does not print, or its scanner takes for a line's end or a byte order mark
ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")


def escape_dollars(value: Any) -> Any:
    """Plain values whose texts an expansion gives back as they are: each dollar is written
    twice.
    """
    if isinstance(value, dict):
        return {key: escape_dollars(item) for key, item in value.items()}
    if isinstance(value, list):
        return [escape_dollars(item) for item in value]
    if isinstance(value, str):
        return value.replace("$", "$$")
    return value


def dump(tree: Any) -> str:
    """The YAML text of a mapping, list or scalar, ending in a line break."""
    value = plain(tree) if isinstance(tree, Located) else tree
    return "\n".join(block(value, 0, 0)) + "\n"


def block(value: Any, indent: int, level: int) -> Iterator[str]:
    """Lines of a value that starts a line at `indent`; a collection goes to one line where it fits
    and `level` allows it.
    """
    pad = " " * indent
    if level >= BLOCK_LEVELS or not is_collection(value):
        line = flow(value)
    else:
        line = ""
    if line and (not is_collection(value) or len(line) + indent <= WIDTH):
        yield pad + line
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from entry(f"{pad}{scalar_text(key)}:", item, indent + 2, level)
    else:
        for item in value:
            lines = block(item, indent + 2, level + 1)
            yield f"{pad}- {next(lines)[indent + 2 :]}"
            yield from lines


def entry(head: str, item: Any, indent: int, level: int) -> Iterator[str]:
    """Lines of a key and its value: on the same line, or below it."""
    if level + 1 >= BLOCK_LEVELS or not holds_mapping(item):
        line = flow(item)
    else:
        line = ""
    if line and (not is_collection(item) or len(head) + 1 + len(line) <= WIDTH):
        yield f"{head} {line}"
    else:
        yield head
        yield from block(item, indent, level + 1)


def is_collection(value: Any) -> bool:
    """Whether a value is a mapping or a list with anything in it."""
    return isinstance(value, (dict, list, tuple)) and bool(value)


def holds_mapping(value: Any) -> bool:
    """Whether a value is a mapping with anything in it, or a list of such."""
    return is_collection(value) and (isinstance(value, dict) or any(map(holds_mapping, value)))


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, dict):
        return "{" + ", ".join([f"{scalar_text(key)}: {flow(item)}" for key, item in value.items()]) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join([flow(item) for item in value]) + "]"
    return scalar_text(value)


def scalar_text(value: Any) -> str:
    """A scalar as YAML 1.2: text in quotes wherever a reader, ours or another, could take it for
    something else.
    """
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        if value:
            return "true"
        return "false"
    if isinstance(value, float) and not isfinite(value):
        if isnan(value):
            return ".nan"
        if value > 0:
            return ".inf"
        return "-.inf"
    return repr(value)


@lru_cache(maxsize=1 << 14)
def quote(text: str) -> str:
    """A text, in double quotes unless it may stand plain everywhere, in braces too."""
    # N is a size here, and to no reader in use the word for false
    mistakable = not isinstance(resolve(text), str) or (len(text) > 1 and look_alike(text) is not None)
    plain_enough = PLAIN.match(text) and text[-1] != " " and not mistakable
    # in braces an expression without quotes is NS015
    if plain_enough and "${" not in text:
        return text
    return ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))
