"""Types of values that a spec can hold: how each is read from a node, and its JSON Schema; the two
accept alike. Knows no parameter.
"""

from collections.abc import Callable
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Protocol, Union, get_args, get_origin

__all__ = [
    "GREATEST",
    "INT",
    "LARGEST",
    "LEAST",
    "Bounds",
    "Kind",
    "Node",
    "Reject",
    "Schema",
    "is_not_finite",
    "kind_of",
    "merge_schemas",
]

Schema = dict[str, Any]


class Node(Protocol):
    """What reading needs of a tree: a value (scalar, list or dict of nodes) and a scalar's text as
    written.
    """

    @property
    def value(self) -> Any: ...
    @property
    def text(self) -> str: ...


class Reject(Exception):  # noqa: N818 - an answer, not a fault
    """The own check refuses a node. Which words to use is found afterwards, from the schema."""

    def __init__(self, node: Any, why: str = "") -> None:
        super().__init__(why)
        self.node = node
        self.why = why


class Bounds(NamedTuple):
    """Limits of numbers, at any depth of the value."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    least: int | None = None

    def allow(self, x: float) -> bool:
        return not (
            (self.ge is not None and x < self.ge)
            or (self.gt is not None and x <= self.gt)
            or (self.le is not None and x > self.le)
            or (self.lt is not None and x >= self.lt)
        )

    @property
    def schema(self) -> Schema:
        words = {
            "minimum": self.ge,
            "exclusiveMinimum": self.gt,
            "maximum": self.le,
            "exclusiveMaximum": self.lt,
        }
        return {word: limit for word, limit in words.items() if limit is not None}


UNBOUNDED = Bounds()
LEAST, GREATEST = -(1 << 31), (1 << 31) - 1
"""Integers have 32 bits, as in Caffe's messages, where a parameter does not say otherwise."""
LARGEST = 3.4028234663852886e38
"""The greatest number of 32 bits that is finite."""
Reader = Callable[[Any, Bounds], Any]


class Kind(NamedTuple):
    """A type of value: how it is read from a node, and its JSON Schema. `types` are the JSON types
    that it takes.

    name: "an integer", for the manual; plural: "integers", where a list of them is named.
    """

    name: str
    types: tuple[str, ...]
    read: Reader
    schema: Callable[[Bounds], Schema]
    plural: str = ""


@lru_cache(maxsize=256)
def whole(bounds: Bounds) -> Bounds:
    """The limits of an integer: those given, and 32 bits on a side where none is."""
    low = LEAST if bounds.ge is None and bounds.gt is None else bounds.ge
    return bounds._replace(ge=low, le=GREATEST if bounds.le is None and bounds.lt is None else bounds.le)


def read_int(node: Any, bounds: Bounds) -> int:
    value = node.value
    # as JSON Schema counts: 3.0 is an integer
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # not isinstance: True is an int to Python
    if type(value) is not int or not whole(bounds).allow(value):
        raise Reject(node)
    return value


def is_not_finite(value: Any) -> bool:
    """Whether a value is NaN, or infinite in the 32 bits in which nets compute: JSON has neither, and no setting
    means one.
    """
    return type(value) in (int, float) and not abs(value) <= LARGEST


def read_float(node: Any, bounds: Bounds) -> float:
    value = node.value
    if type(value) not in (int, float) or is_not_finite(value) or not bounds.allow(value):
        raise Reject(node)
    return float(value)


def read_bool(node: Any, bounds: Bounds) -> bool:
    if type(node.value) is not bool:
        raise Reject(node)
    return bool(node.value)


def read_text(node: Any, bounds: Bounds) -> str:
    """Any scalar but null, as it was written."""
    if node.value is None or isinstance(node.value, (list, dict)):
        raise Reject(node)
    return str(node.text)


def read_any(node: Any, bounds: Bounds) -> Any:
    return node


def scalar(types: tuple[str, ...]) -> Callable[[Bounds], Schema]:
    return lambda bounds: {
        "type": types[0] if len(types) == 1 else list(types),
        **(bounds.schema if "string" not in types else {}),
    }


NAMES = ("string", "number", "boolean")
INT = Kind(
    "an integer",
    ("integer",),
    read_int,
    lambda bounds: scalar(("integer",))(whole(bounds)),
    "integers",
)
FLOAT = Kind("a number", ("number",), read_float, scalar(("number",)), "numbers")
BOOL = Kind("true or false", ("boolean",), read_bool, lambda bounds: {"type": "boolean"})
TEXT = Kind("text", NAMES, read_text, lambda bounds: {"type": list(NAMES)}, "texts")
ANY = Kind(
    "anything",
    ("string", "number", "boolean", "array", "object", "null"),
    read_any,
    lambda bounds: {},
)


def choice(words: tuple[str, ...]) -> Kind:
    """One of some words, in any case; the value is spelt as declared."""
    canonical = {word.lower(): word for word in words}

    def read(node: Any, bounds: Bounds) -> str:
        word = (
            canonical.get(node.value.lower())
            # the Kelvin sign in lower case is k, which the pattern's [Kk] does not take
            if isinstance(node.value, str) and node.value.isascii()
            else None
        )
        if word is None:
            raise Reject(node)
        return word

    def schema(bounds: Bounds) -> Schema:
        pattern = "|".join(
            "".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else c for c in word) for word in words
        )
        return {
            "type": "string",
            # Python's $ matches before a last line break too
            "anyOf": [{"enum": list(words)}, {"pattern": f"^({pattern})$(?!\\n)"}],
        }

    return Kind("one of " + ", ".join(words), ("string",), read, schema)


def listing(item: Kind, exactly: int | None, lone: bool) -> Kind:
    """A list (a tuple, read); where `lone`, a single item counts as a list of one."""

    def read(node: Any, bounds: Bounds) -> tuple[Any, ...]:
        if not isinstance(node.value, list):
            if not lone:
                raise Reject(node)
            return (item.read(node, bounds),)
        if len(node.value) != exactly if exactly is not None else len(node.value) < (bounds.least or 0):
            raise Reject(node)
        return tuple(item.read(each, bounds) for each in node.value)

    def schema(bounds: Bounds) -> Schema:
        size: Schema = {}
        if exactly is not None:
            size = {"minItems": exactly, "maxItems": exactly}
        elif bounds.least:
            size = {"minItems": bounds.least}
        words = {"type": "array", "items": item.schema(bounds), **size}
        if lone:
            return merge_schemas([words, item.schema(bounds)])
        return words

    types = ("array", *item.types) if lone else ("array",)
    of = item.plural or item.name
    name, plural = (
        (f"a pair of {of}", f"pairs of {of}") if exactly == 2 else (f"a list of {of}", f"lists of {of}")
    )
    return Kind(name, types, read, schema, plural)


def mapping(item: Kind) -> Kind:
    """A mapping from names to values of one kind."""

    def read(node: Any, bounds: Bounds) -> dict[str, Any]:
        if not isinstance(node.value, dict):
            raise Reject(node)
        return {key: item.read(each, bounds) for key, each in node.value.items()}

    name = f"a mapping from names to {item.plural or item.name}"
    return Kind(
        name,
        ("object",),
        read,
        lambda bounds: {"type": "object", "additionalProperties": item.schema(bounds)},
    )


def merge_schemas(schemas: list[Schema]) -> Schema:
    """One schema for values of several JSON types; words that could meet another's type stand
    behind an `if`.
    """
    types = [
        t for s in schemas for t in ([s["type"]] if isinstance(s.get("type"), str) else s.get("type", []))
    ]
    words: Schema = {"type": list(dict.fromkeys(types))}
    for s in schemas:
        own = {word: limit for word, limit in s.items() if word != "type"}
        # limits of integers are none for other numbers
        mixed = s.get("type") == "integer" and "number" in types
        if (
            not (mixed and own)
            and own.keys() <= SPECIFIC
            and not (own.keys() & words.keys() and any(words.get(w, own[w]) != own[w] for w in own))
        ):
            words.update(own)
        else:
            words.setdefault("allOf", []).append({"if": {"type": s["type"]}, "then": own})
    return words


SPECIFIC = {
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "items",
    "minItems",
    "maxItems",
    "properties",
    "required",
    "additionalProperties",
}
"""JSON Schema words that say nothing about values of other types."""


def json_type(value: Any) -> str:
    """The JSON type of a node's value: a number without a fraction is an integer, as JSON Schema
    counts; infinity and NaN, which JSON lacks, are text, and so is what 32 bits take for infinite.
    """
    if isinstance(value, bool):
        return "boolean"
    if is_not_finite(value):
        return "string"
    if isinstance(value, float):
        if value.is_integer():
            return "integer"
        return "number"
    return {int: "integer", str: "string", list: "array", dict: "object", NoneType: "null"}.get(
        type(value), "null"
    )


def either(kinds: list[Kind]) -> Kind:
    """The first kind that takes the value's JSON type decides."""

    def chosen(type_: str) -> Kind | None:
        return next(
            (k for k in kinds if type_ in k.types or (type_ == "integer" and "number" in k.types)),
            None,
        )

    def read(node: Any, bounds: Bounds) -> Any:
        kind = chosen(json_type(node.value))
        if kind is None:
            raise Reject(node)
        return kind.read(node, bounds)

    def schema(bounds: Bounds) -> Schema:
        return merge_schemas([k.schema(bounds) for k in kinds])

    types = tuple(dict.fromkeys(t for k in kinds for t in k.types))
    return Kind(
        " or ".join(k.name for k in kinds),
        types,
        read,
        schema,
        " or ".join(k.plural or k.name for k in kinds),
    )


SIMPLE: dict[Any, Kind] = {int: INT, float: FLOAT, bool: BOOL, str: TEXT, Any: ANY, object: ANY}
KNOWN: dict[Any, Kind] = {}


def kind_of(annotation: Any) -> Kind:
    """The kind that a type annotation stands for: int, float, bool, str, Literal, X | None, tuple,
    dict, Record, or unions of them.
    """
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    # words in another order are equal, and would be listed as those that came first
    key = (annotation, str(annotation))
    if key not in KNOWN:
        KNOWN[key] = make_kind(annotation)
    return KNOWN[key]


def make_kind(annotation: Any, lone: bool = True) -> Kind:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return choice(arguments)
    if origin in (Union, UnionType):
        kinds = [
            make_kind(a, lone=False) if get_origin(a) is tuple else kind_of(a)
            for a in arguments
            if a is not NoneType
        ]
        if len(kinds) == 1:
            return kinds[0]
        return either(kinds)
    if origin is tuple:
        fixed = None if arguments[-1] is Ellipsis else len(arguments)
        return listing(
            kind_of(arguments[0]),
            fixed,
            lone=lone and fixed is None and "array" not in kind_of(arguments[0]).types,
        )
    if origin is dict:
        return mapping(kind_of(arguments[1]))
    if hasattr(annotation, "kind"):  # a Record
        kind: Kind = annotation.kind()
        return kind
    raise TypeError(f"no kind of value for {annotation!r}")
