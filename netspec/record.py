"""Parameters declared once: a `Record` subclass with `param()` fields knows its defaults, its checks and its JSON Schema.

Reading takes any tree whose nodes have `.value` and `.text` (syntax.Located); it answers the record or a `Reject`. Knows no layer, no place.
"""

from collections.abc import Callable, Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self, Union, dataclass_transform, get_args, get_origin

__all__ = ["Kind", "Node", "Param", "Record", "Reject", "as_written", "kind_of", "param"]

Schema = dict[str, Any]


class Node(Protocol):
    """What reading needs of a tree: a value (scalar, list or dict of nodes) and a scalar's text as written."""

    @property
    def value(self) -> Any: ...
    @property
    def text(self) -> str: ...


class Reject(Exception):
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
        return not ((self.ge is not None and x < self.ge) or (self.gt is not None and x <= self.gt)
                    or (self.le is not None and x > self.le) or (self.lt is not None and x >= self.lt))

    @property
    def schema(self) -> Schema:
        words = {"minimum": self.ge, "exclusiveMinimum": self.gt, "maximum": self.le, "exclusiveMaximum": self.lt}
        return {word: limit for word, limit in words.items() if limit is not None}


UNBOUNDED = Bounds()
Reader = Callable[[Any, Bounds], Any]


class Kind(NamedTuple):
    """A type of value: how it is read from a node, and its JSON Schema. `types` are the JSON types that it takes.

    name: "an integer", for the manual; plural: "integers", where a list of them is named.
    """

    name: str
    types: tuple[str, ...]
    read: Reader
    schema: Callable[[Bounds], Schema]
    plural: str = ""


def read_int(node: Any, bounds: Bounds) -> int:
    value = node.value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not bounds.allow(value):
        raise Reject(node)
    return value


def read_float(node: Any, bounds: Bounds) -> float:
    value = node.value
    if type(value) not in (int, float) or value != value or not bounds.allow(value):
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
    return lambda bounds: {"type": types[0] if len(types) == 1 else list(types), **(bounds.schema if "string" not in types else {})}


NAMES = ("string", "number", "boolean")
INT = Kind("an integer", ("integer",), read_int, scalar(("integer",)), "integers")
FLOAT = Kind("a number", ("number",), read_float, scalar(("number",)), "numbers")
BOOL = Kind("true or false", ("boolean",), read_bool, lambda bounds: {"type": "boolean"})
TEXT = Kind("text", NAMES, read_text, lambda bounds: {"type": list(NAMES)}, "texts")
ANY = Kind("anything", ("string", "number", "boolean", "array", "object", "null"), read_any, lambda bounds: {})


def choice(words: tuple[str, ...]) -> Kind:
    """One of some words, in any case; the value is spelt as declared."""
    canonical = {word.lower(): word for word in words}

    def read(node: Any, bounds: Bounds) -> str:
        word = canonical.get(node.value.lower()) if isinstance(node.value, str) and node.value.isascii() else None
        if word is None:
            raise Reject(node)
        return word

    def schema(bounds: Bounds) -> Schema:
        pattern = "|".join("".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else c for c in word) for word in words)
        return {"type": "string", "anyOf": [{"enum": list(words)}, {"pattern": f"^({pattern})$(?!\\n)"}]}

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
        size = {"minItems": exactly, "maxItems": exactly} if exactly is not None else {"minItems": bounds.least} if bounds.least else {}
        words = {"type": "array", "items": item.schema(bounds), **size}
        return merged([words, item.schema(bounds)]) if lone else words

    types = ("array", *item.types) if lone else ("array",)
    of = item.plural or item.name
    name, plural = (f"a pair of {of}", f"pairs of {of}") if exactly == 2 else (f"a list of {of}", f"lists of {of}")
    return Kind(name, types, read, schema, plural)


def mapping(item: Kind) -> Kind:
    """A mapping from names to values of one kind."""

    def read(node: Any, bounds: Bounds) -> dict[str, Any]:
        if not isinstance(node.value, dict):
            raise Reject(node)
        return {key: item.read(each, bounds) for key, each in node.value.items()}

    name = f"a mapping from names to {item.plural or item.name}"
    return Kind(name, ("object",), read, lambda bounds: {"type": "object", "additionalProperties": item.schema(bounds)})


def merged(schemas: list[Schema]) -> Schema:
    """One schema for values of several JSON types; words that could meet another's type stand behind an `if`."""
    types = [t for s in schemas for t in ([s["type"]] if isinstance(s.get("type"), str) else s.get("type", []))]
    words: Schema = {"type": list(dict.fromkeys(types))}
    for s in schemas:
        own = {word: limit for word, limit in s.items() if word != "type"}
        if own.keys() <= SPECIFIC and not (own.keys() & words.keys() and any(words.get(w, own[w]) != own[w] for w in own)):
            words.update(own)
        else:
            words.setdefault("allOf", []).append({"if": {"type": s["type"]}, "then": own})
    return words


SPECIFIC = {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "items", "minItems", "maxItems", "properties", "required",
            "additionalProperties"}
"""JSON Schema words that say nothing about values of other types."""


def json_type(value: Any) -> str:
    """The JSON type of a node's value; a number without a fraction is an integer, as JSON Schema counts; JSON has no NaN: it is its text."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number" if value == value else "string"
    return {int: "integer", str: "string", list: "array", dict: "object", NoneType: "null"}.get(type(value), "null")


def either(kinds: list[Kind]) -> Kind:
    """The first kind that takes the value's JSON type decides."""

    def chosen(type_: str) -> Kind | None:
        return next((k for k in kinds if type_ in k.types or (type_ == "integer" and "number" in k.types)), None)

    def read(node: Any, bounds: Bounds) -> Any:
        kind = chosen(json_type(node.value))
        if kind is None:
            raise Reject(node)
        return kind.read(node, bounds)

    def schema(bounds: Bounds) -> Schema:
        return merged([k.schema(bounds) for k in kinds])

    types = tuple(dict.fromkeys(t for k in kinds for t in k.types))
    return Kind(" or ".join(k.name for k in kinds), types, read, schema, " or ".join(k.plural or k.name for k in kinds))


SIMPLE: dict[Any, Kind] = {int: INT, float: FLOAT, bool: BOOL, str: TEXT, Any: ANY, object: ANY}
KNOWN: dict[Any, Kind] = {}


def kind_of(annotation: Any) -> Kind:
    """The kind that a type annotation stands for: int, float, bool, str, Literal, X | None, tuple, dict, Record, or unions of them."""
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    if annotation not in KNOWN:
        KNOWN[annotation] = made(annotation)
    return KNOWN[annotation]


def made(annotation: Any, lone: bool = True) -> Kind:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return choice(arguments)
    if origin in (Union, UnionType):
        kinds = [made(a, lone=False) if get_origin(a) is tuple else kind_of(a) for a in arguments if a is not NoneType]
        return kinds[0] if len(kinds) == 1 else either(kinds)
    if origin is tuple:
        fixed = None if arguments[-1] is Ellipsis else len(arguments)
        return listing(kind_of(arguments[0]), fixed, lone=lone and fixed is None and "array" not in kind_of(arguments[0]).types)
    if origin is dict:
        return mapping(kind_of(arguments[1]))
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return annotation.kind()
    raise TypeError(f"no kind of value for {annotation!r}")


class Param:
    """One declared parameter. `pair`: names of the per-axis spellings (kernel_h, kernel_w); `group`: the Caffe message that holds it."""

    __slots__ = ("_kind", "annotation", "bounds", "default", "dialects", "doc", "group", "name", "pair", "required")

    def __init__(self, default: Any, required: bool, doc: str, bounds: Bounds, pair: tuple[str, ...], dialects: Mapping[str, Any],
                 group: str | None) -> None:
        self.default = default
        self.required = required
        self.doc = doc
        self.bounds = bounds
        self.pair = pair
        self.dialects = dialects
        self.group = group
        self.name = ""
        self.annotation: Any = None
        self._kind: Kind | None = None

    @property
    def kind(self) -> Kind:
        if self._kind is None:
            self._kind = kind_of(self.annotation)
        return self._kind

    def schema(self) -> Schema:
        """Sub-schema of the value, with the description; the caller adds what concerns the whole mapping."""
        words = self.kind.schema(self.bounds)
        return {"description": self.doc, **words}

    def default_in(self, dialect: str) -> Any:
        return self.dialects.get(dialect, self.default)


MISSING = object()


def param(*, default: Any = MISSING, doc: str, ge: float | None = None, gt: float | None = None, le: float | None = None, lt: float | None = None,
          least: int | None = None, pair: tuple[str, ...] = (), dialects: Mapping[str, Any] | None = None, group: str | None = None) -> Any:
    """Declare a parameter of a Record: its default (required without one), bounds, and what it means.

    ge, gt, le, lt bound each number in it; least is the least length of a list; pair names the _h and _w spellings;
    dialects gives other defaults by dialect; group names the param map where a layer has several.
    """
    required = default is MISSING
    return Param(None if required else default, required, doc, Bounds(ge, gt, le, lt, least), pair, dialects or {}, group)


@dataclass_transform(kw_only_default=True, field_specifiers=(param,), frozen_default=True)
class Record:
    """Base of everything that is written in a spec: layer parameters, fillers, solver, data sections.

    A field whose name is a Python keyword is declared with a trailing underscore, which its spelling drops.
    """

    params: ClassVar[dict[str, Param]] = {}
    names: ClassVar[dict[str, Param]] = {}
    short: ClassVar[str | None] = None
    """The field that a bare scalar stands for (`weight_filler: xavier`)."""

    def __init_subclass__(cls, **header: Any) -> None:
        super().__init_subclass__(**header)
        own: dict[str, Param] = {}
        for name, annotation in cls.__dict__.get("__annotations__", {}).items():
            declared = cls.__dict__.get(name)
            if isinstance(declared, Param):
                declared.name, declared.annotation = name.rstrip("_"), annotation
                own[declared.name] = declared
                delattr(cls, name)
        if own:
            cls.params = {**cls.params, **own}
            cls.names = {spelling: p for p in cls.params.values() for spelling in (p.name, *p.pair)}

    def __init__(self, **values: Any) -> None:
        for name, declared in self.params.items():
            self.__dict__[name] = values.pop(name, declared.default)
        if values:
            raise TypeError(f"{type(self).__name__} has no parameter {', '.join(values)}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} does not change after it is built")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), tuple(map(repr, self.__dict__.values()))))

    def __repr__(self) -> str:
        given = ", ".join(f"{n}={self.__dict__[n]!r}" for n, p in self.params.items() if self.__dict__[n] != p.default)
        return f"{type(self).__name__}({given})"

    def changed(self, **values: Any) -> Self:
        """A copy with some parameters set otherwise."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__, **values)
        return copy

    @classmethod
    def read(cls, fields: Mapping[str, Any], dialect: str = "caffe", whole: Any = None) -> Self:
        """Build from nodes by spelling; raises Reject(node) for the first that does not fit, Reject(whole) for one that is missing or unknown."""
        values: dict[str, Any] = {}
        for spelling, node in fields.items():
            declared = cls.names.get(spelling)
            if declared is None:
                raise Reject(whole, spelling)
            if spelling == declared.name:
                if declared.name in values:
                    raise Reject(whole, spelling)
                values[declared.name] = declared.kind.read(node, declared.bounds)
                continue
            halves = values.setdefault(declared.name, {})
            if not isinstance(halves, dict):
                raise Reject(whole, spelling)
            halves[spelling] = INT.read(node, declared.bounds)
        built = object.__new__(cls)
        for name, declared in cls.params.items():
            if name not in values:
                if declared.required:
                    raise Reject(whole, name)
                built.__dict__[name] = declared.dialects.get(dialect, declared.default) if declared.dialects else declared.default
            else:
                value = values[name]
                built.__dict__[name] = joined(declared, value, whole) if isinstance(value, dict) and declared.pair else value
        return built

    @classmethod
    def kind(cls) -> Kind:
        """The record as a kind of value inside another record."""

        def read(node: Any, bounds: Bounds) -> Record:
            if isinstance(node.value, dict):
                return cls.read(node.value, whole=node)
            if cls.short is None:
                raise Reject(node)
            return cls.read({cls.short: node}, whole=node)

        def schema(bounds: Bounds) -> Schema:
            words = {"type": "object", **cls.schema()}
            if cls.short is None:
                return words
            short = cls.params[cls.short]
            return merged([words, short.kind.schema(short.bounds)])

        types = ("object", *cls.params[cls.short].kind.types) if cls.short else ("object",)
        return Kind(cls.__name__, types, read, schema)

    @classmethod
    def schema(cls, names: Iterable[str] | None = None) -> Schema:
        """JSON Schema words for a mapping with these parameters (all by default): properties, required, no others."""
        chosen = [p for p in cls.params.values() if names is None or p.name in names]
        properties: Schema = {}
        rules: list[Schema] = []
        for p in chosen:
            properties[p.name] = p.schema()
            for spelling in p.pair:
                properties[spelling] = {"description": f"{p.name} along one axis", **INT.schema(p.bounds)}
            if p.pair:
                rules += pairing(p)
        required = [p.name for p in chosen if p.required and not p.pair]
        words: Schema = {"properties": properties, "additionalProperties": False}
        if required:
            words["required"] = required
        if rules:
            words["allOf"] = rules
        return words


def as_written(value: Any) -> Any:
    """A parameter's value as a spec would write it: tuples as lists, a record as its short form or the mapping of what it sets."""
    if isinstance(value, Record):
        given = {name: as_written(value.__dict__[name]) for name, p in value.params.items() if value.__dict__[name] != p.default}
        if value.short is not None and given.keys() <= {value.short}:
            return as_written(value.__dict__[value.short])
        return given if value.short is None else {value.short: as_written(value.__dict__[value.short]), **given}
    if isinstance(value, (list, tuple)):
        return [as_written(item) for item in value]
    return {name: as_written(item) for name, item in value.items()} if isinstance(value, dict) else value


def joined(declared: Param, halves: dict[str, int], whole: Any) -> tuple[int, ...]:
    """(kernel_h, kernel_w) as one value; a half left out takes the default, if there is one."""
    default = declared.default
    if len(halves) < len(declared.pair) and not isinstance(default, int):
        raise Reject(whole, next(s for s in declared.pair if s not in halves))
    return tuple(halves.get(s, default) for s in declared.pair)


def pairing(p: Param) -> list[Schema]:
    """kernel_size, or kernel_h and kernel_w, never both."""
    any_half = {"anyOf": [{"required": [s]} for s in p.pair]}
    rules: list[Schema] = [{"if": {"required": [p.name]}, "then": {"not": any_half}}]
    if not isinstance(p.default, int):
        rules.append({"if": any_half, "then": {"required": list(p.pair)}})
    if p.required:
        rules.append({"anyOf": [{"required": [p.name]}, any_half]})
    return rules
