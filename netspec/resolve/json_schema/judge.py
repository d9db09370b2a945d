"""What JSON Schema has against a tree: a schema and a value come in, faults go out. Knows no place
in a text, and no words for people.

`jsonschema` judges. Where it is not installed, as in a browser, the few words of it that netspec's
own schemas use are judged here; tests hold the two to the same faults.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from netspec.kinds import Schema

__all__ = ["WORDS", "Answer", "Fault", "count", "faults", "faults_by_jsonschema", "own_faults"]

Path = tuple[str | int, ...]
MOST = 1_000
"""Faults of one value that are kept; a list may have one for each of its items."""


class Fault(NamedTuple):
    """A word of a schema that a value does not meet. Paths lead to the value: from the root, and
    from the `anyOf` that tried it.
    """

    validator: str
    validator_value: Any
    instance: Any
    schema: Schema
    absolute_path: Path
    relative_path: Path
    message: str = ""
    context: "tuple[tuple[int, Fault], ...]" = ()
    """Of an `anyOf`: what each alternative, by its number, has against the value."""


class At(NamedTuple):
    """A value, and where it stands."""

    value: Any
    path: Path = ()
    inner: Path = ()

    def below(self, step: str | int) -> "At":
        return At(self.value[step], (*self.path, step), (*self.inner, step))


class Asked:
    """A schema and a value; equal to another of the same schema whose value is written alike."""

    def __init__(self, schema: Schema, value: Any) -> None:
        self.schema, self.value = schema, value
        self.key = id(schema), repr(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Asked) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


class Answer(NamedTuple):
    """Faults by the place that they are at, and how many more there are, each unknown key
    counted.
    """

    faults: list[Fault]
    more: int = 0


def faults(schema: Schema, value: Any) -> Answer:
    """The faults of a value."""
    return answer(Asked(schema, value))


@lru_cache(maxsize=64)
def answer(asked: Asked) -> Answer:
    """The same: thousands of layers may have one fault. What is kept holds its schema, so no other
    gets its id.
    """
    try:
        found = faults_by_jsonschema(asked.schema, asked.value)
    except ModuleNotFoundError:
        found = own_faults(asked.schema, asked.value)
    # by place, whichever of the two judges found them
    found.sort(key=lambda fault: [str(step) for step in fault.absolute_path])
    return Answer(found[:MOST], sum(map(count, found[MOST:])))


def count(fault: Fault) -> int:
    """How many findings a fault may lead to."""
    if fault.validator != "additionalProperties":
        return 1
    return len(further(fault.schema, fault.instance))


def faults_by_jsonschema(schema: Schema, value: Any) -> list[Fault]:
    """The same as `jsonschema` finds them. Raises ModuleNotFoundError where it is not installed."""
    from jsonschema import Draft202012Validator

    return [as_fault(error) for error in Draft202012Validator(schema).iter_errors(value)]


def as_fault(error: Any) -> Fault:
    """An error of `jsonschema`."""
    context = tuple((inner.relative_schema_path[0], as_fault(inner)) for inner in error.context)
    # of the other words netspec's own messages tell
    if error.validator in ("pattern", "enum"):
        message = error.message
    else:
        message = ""
    paths = (tuple(error.absolute_path), tuple(error.relative_path))
    return Fault(
        error.validator,
        error.validator_value,
        error.instance,
        error.schema,
        *paths,
        message,
        context,
    )


def own_faults(schema: Schema, value: Any) -> list[Fault]:
    """The same by the words that are known here."""
    return list(judge(schema, At(value)))


def judge(schema: Schema, at: At) -> Iterator[Fault]:
    for word, wanted in schema.items():
        for inner, place in PARTS[word](wanted, schema, at) if word in PARTS else ():
            yield from judge(inner, place)
        if word == "anyOf":
            yield from no_alternative(wanted, schema, at)
        elif word == "required":
            yield from (
                fault(word, schema, at)
                for key in wanted
                if isinstance(at.value, dict) and key not in at.value
            )
        elif word in TESTS and not TESTS[word](wanted, schema, at.value):
            yield fault(word, schema, at)


def fault(word: str, schema: Schema, at: At, context: tuple[tuple[int, Fault], ...] = ()) -> Fault:
    wanted = schema[word]
    message = {
        "pattern": f"{at.value!r} does not match {wanted!r}",
        "enum": f"{at.value!r} is not one of {wanted!r}",
    }.get(word, "")
    return Fault(word, wanted, at.value, schema, at.path, at.inner, message, context)


def meets(schema: Schema, value: Any) -> bool:
    return next(judge(schema, At(value)), None) is None


# --- words that lead into parts ----------------------------------------------------------------------------------------

Parts = Iterator[tuple[Schema, At]]


def of_items(wanted: Any, schema: Schema, at: At) -> Parts:
    if isinstance(at.value, list):
        yield from ((wanted, at.below(i)) for i in range(len(at.value)))


def of_properties(wanted: Any, schema: Schema, at: At) -> Parts:
    if isinstance(at.value, dict):
        yield from ((inner, at.below(key)) for key, inner in wanted.items() if key in at.value)


def of_others(wanted: Any, schema: Schema, at: At) -> Parts:
    if isinstance(at.value, dict) and isinstance(wanted, dict):
        yield from ((wanted, at.below(key)) for key in further(schema, at.value))


def of_all(wanted: Any, schema: Schema, at: At) -> Parts:
    yield from ((inner, at) for inner in wanted)


def of_case(wanted: Any, schema: Schema, at: At) -> Parts:
    if "then" in schema and meets(wanted, at.value):
        yield schema["then"], at


PARTS = {
    "items": of_items,
    "properties": of_properties,
    "additionalProperties": of_others,
    "allOf": of_all,
    "if": of_case,
}


def no_alternative(wanted: Any, schema: Schema, at: At) -> Iterator[Fault]:
    tried = [(i, list(judge(option, At(at.value, at.path)))) for i, option in enumerate(wanted)]
    if all(found for _, found in tried):
        yield fault("anyOf", schema, at, tuple((i, each) for i, found in tried for each in found))


# --- words that ask for something --------------------------------------------------------------------------------------


def further(schema: Schema, value: dict[str, Any]) -> list[str]:
    """The keys that a schema does not name."""
    return [key for key in value if key not in schema.get("properties", ())]


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_of(type_: str, value: Any) -> bool:
    if type_ in ("integer", "number"):
        # to JSON Schema 3.0 is an integer, true is none
        return is_number(value) and (type_ == "number" or isinstance(value, int) or value.is_integer())
    classes = {"boolean": bool, "string": str, "array": list, "object": dict, "null": type(None)}
    return isinstance(value, classes[type_])


def compares(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Schema, Any], bool]:
    # a word of JSON Schema says nothing of values of other types
    return lambda wanted, schema, value: not is_number(value) or holds(value, wanted)


TESTS: dict[str, Callable[[Any, Schema, Any], bool]] = {
    "type": lambda wanted, schema, value: any(
        is_of(type_, value) for type_ in ([wanted] if isinstance(wanted, str) else wanted)
    ),
    "enum": lambda wanted, schema, value: value in wanted,
    "pattern": lambda wanted, schema, value: (
        # search: patterns of JSON Schema are not anchored
        not isinstance(value, str) or re.search(wanted, value) is not None
    ),
    "minimum": compares(lambda value, limit: value >= limit),
    "exclusiveMinimum": compares(lambda value, limit: value > limit),
    "maximum": compares(lambda value, limit: value <= limit),
    "exclusiveMaximum": compares(lambda value, limit: value < limit),
    "minItems": lambda wanted, schema, value: not isinstance(value, list) or len(value) >= wanted,
    "maxItems": lambda wanted, schema, value: not isinstance(value, list) or len(value) <= wanted,
    "additionalProperties": lambda wanted, schema, value: (
        wanted is not False or not isinstance(value, dict) or not further(schema, value)
    ),
    "not": lambda wanted, schema, value: not meets(wanted, value),
}

WORDS = {*PARTS, *TESTS, "anyOf", "required", "then", "description"}
"""The words that are known; a test holds netspec's schemas to them."""
