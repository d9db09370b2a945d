"""The messages of Caffe's protocol as facts: field name -> number, kind, repeated, packed. Read by
the text and the wire reader alike.

Numbers are those of BVLC Caffe 1.0. Fields of forks are marked with number 0: they are read as
text, where only the name counts, since forks gave the same numbers to different fields. Only
NVIDIA's fields of a blob, which weights files hold, have theirs.
"""

from functools import cache
from typing import NamedTuple

from netspec.caffe.forks import FORK_ENUMS, FORK_MESSAGES
from netspec.caffe.messages import ENUMS, MESSAGES

__all__ = ["FieldType", "enum_names", "message_fields"]

SCALARS = frozenset({"int", "uint", "float", "double", "bool", "string", "bytes"})


class FieldType(NamedTuple):
    """What a field holds. kind: int, uint, float, double, bool, string, bytes, or the name of an
    enum or a message.
    """

    number: int
    kind: str
    repeated: bool = False
    packed: bool = False

    @property
    def is_message(self) -> bool:
        return self.kind in MESSAGES or self.kind in FORK_MESSAGES

    @property
    def is_enum(self) -> bool:
        return self.kind in ENUMS or self.kind in FORK_ENUMS


@cache
def message_fields(message: str) -> dict[str, FieldType]:
    """The fields of a message by name, Caffe's and its forks'. KeyError for a message that is in
    neither table.
    """
    if message not in MESSAGES and message not in FORK_MESSAGES:
        raise KeyError(message)
    # of one name Caffe's own counts
    return {**rows(FORK_MESSAGES.get(message, "")), **rows(MESSAGES.get(message, ""))}


@cache
def enum_names(enum: str) -> dict[str, int]:
    """The numbers of an enum's names, Caffe's first."""
    return {
        **ENUMS.get(enum, {}),
        **{name: n for name, n in FORK_ENUMS.get(enum, {}).items() if name not in ENUMS.get(enum, {})},
    }


def rows(text: str) -> dict[str, FieldType]:
    """Reads the tables' notation: `number name kind`, with `*` for repeated and `**` for repeated
    and packed; separated by `;`.
    """
    found = {}
    for row in filter(None, map(str.strip, text.split(";"))):
        number, name, kind = row.split()
        found[name] = FieldType(int(number), kind.rstrip("*"), kind.endswith("*"), kind.endswith("**"))
    return found
