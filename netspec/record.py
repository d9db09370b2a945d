"""Parameters declared once: a `Record` subclass with `param()` fields knows its defaults, its
checks and its JSON Schema.

Reading takes any tree whose nodes have `.value` and `.text` (syntax.Located); it gives the record
or raises a `Reject`. Knows no layer, no place.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self, dataclass_transform

from netspec.kinds import INT, Bounds, Kind, Node, Reject, Schema, kind_of, merge_schemas

__all__ = ["Bounds", "Kind", "Node", "Param", "Record", "Reject", "as_written", "kind_of", "param"]


class Param:
    """One declared parameter. `pair`: names of the per-axis spellings (kernel_h, kernel_w);
    `group`: the Caffe message that holds it.
    """

    __slots__ = (
        "_kind",
        "annotation",
        "bounds",
        "default",
        "dialects",
        "doc",
        "group",
        "name",
        "pair",
        "required",
    )

    def __init__(
        self,
        default: Any,
        required: bool,
        doc: str,
        bounds: Bounds,
        pair: tuple[str, ...],
        dialects: Mapping[str, Any],
        group: str | None,
    ) -> None:
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
        """Sub-schema of the value, with the description; the caller adds what concerns the whole
        mapping.
        """
        words = self.kind.schema(self.bounds)
        return {"description": self.doc, **words}

    def optional(self) -> "Param":
        """The same parameter, None where it is left out."""
        copy = Param(None, False, self.doc, self.bounds, self.pair, {}, self.group)
        copy.name, copy.annotation = self.name, self.annotation
        return copy

    def default_in(self, dialect: str) -> Any:
        return self.dialects.get(dialect, self.default)


MISSING = object()


def param(  # noqa: PLR0913 - the words of a declaration
    *,
    default: Any = MISSING,
    doc: str,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    least: int | None = None,
    pair: tuple[str, ...] = (),
    dialects: Mapping[str, Any] | None = None,
    group: str | None = None,
) -> Any:
    """Declare a parameter of a Record: its default (required without one), bounds, and what it
    means.

    ge, gt, le, lt bound each number in it; least is the least length of a list; pair names the _h
    and _w spellings; dialects gives other defaults by dialect; group names the param map where a
    layer has several.

    >>> class Fade(Record):
    ...     steps: int = param(default=4, ge=1, doc="how many")
    >>> Fade().steps
    4
    """
    required = default is MISSING
    return Param(
        None if required else default,
        required,
        doc,
        Bounds(ge, gt, le, lt, least),
        pair,
        dialects or {},
        group,
    )


@dataclass_transform(kw_only_default=True, field_specifiers=(param,), frozen_default=True)
class Record:
    """Base of everything that is written in a spec: layer parameters, fillers, solver, data
    sections.

    A field whose name is a Python keyword is declared with a trailing underscore, which its
    spelling drops. A Record never changes.

    >>> class Fade(Record):
    ...     steps: int = param(default=4, ge=1, doc="how many")
    >>> Fade(steps=8).replace(steps=9).steps
    9
    """

    params: ClassVar[dict[str, Param]] = {}
    names: ClassVar[dict[str, Param]] = {}
    short: ClassVar[str | None] = None
    """The field that a bare scalar stands for (`weight_filler: xavier`)."""

    def __init_subclass__(cls, **header: Any) -> None:
        super().__init_subclass__(**header)
        own: dict[str, Param] = {}
        # of this class alone, evaluated; from 3.14 on not in its __dict__
        for name, annotation in cls.__annotations__.items():
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
        # by their texts: a value may be a dict, which has no hash
        return hash((type(self), tuple(map(repr, self.__dict__.values()))))

    def __repr__(self) -> str:
        given = ", ".join(
            f"{n}={self.__dict__[n]!r}" for n, p in self.params.items() if self.__dict__[n] != p.default
        )
        return f"{type(self).__name__}({given})"

    def replace(self, **values: Any) -> Self:
        """A copy with some parameters set otherwise."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__, **values)
        return copy

    @classmethod
    def read(cls, fields: Mapping[str, Any], dialect: str = "caffe", whole: Any = None) -> Self:
        """Build from nodes by spelling; raises Reject(node) for one that does not fit,
        Reject(whole) for one that is missing or unknown.
        """
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
                built.__dict__[name] = (
                    declared.dialects.get(dialect, declared.default)
                    if declared.dialects
                    else declared.default
                )
            else:
                value = values[name]
                if isinstance(value, dict) and declared.pair:
                    built.__dict__[name] = join_halves(declared, value, whole)
                else:
                    built.__dict__[name] = value
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
            return merge_schemas([words, short.kind.schema(short.bounds)])

        types = ("object", *cls.params[cls.short].kind.types) if cls.short else ("object",)
        return Kind(cls.__name__, types, read, schema)

    @classmethod
    def schema(cls, names: Iterable[str] | None = None) -> Schema:
        """JSON Schema words for a mapping with these parameters (all by default): properties,
        required, no others.
        """
        chosen = [p for p in cls.params.values() if names is None or p.name in names]
        properties: Schema = {}
        rules: list[Schema] = []
        for p in chosen:
            properties[p.name] = p.schema()
            for spelling in p.pair:
                properties[spelling] = {
                    "description": f"{p.name} along one axis",
                    **INT.schema(p.bounds),
                }
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
    """A parameter's value as a spec would write it: tuples as lists, a record as its short form or
    the mapping of what it sets.
    """
    if isinstance(value, Record):
        given = {
            name: as_written(value.__dict__[name])
            for name, p in value.params.items()
            if value.__dict__[name] != p.default
        }
        if value.short is not None and given.keys() <= {value.short}:
            return as_written(value.__dict__[value.short])
        if value.short is None:
            return given
        return {value.short: as_written(value.__dict__[value.short]), **given}
    if isinstance(value, (list, tuple)):
        return [as_written(item) for item in value]
    if isinstance(value, dict):
        return {name: as_written(item) for name, item in value.items()}
    return value


def join_halves(declared: Param, halves: dict[str, int], whole: Any) -> tuple[int, ...]:
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
        rules.append({"if": {**any_half, "not": {"required": [p.name]}}, "then": {"required": list(p.pair)}})
    if p.required:
        rules.append({"anyOf": [{"required": [p.name]}, any_half]})
    return rules
