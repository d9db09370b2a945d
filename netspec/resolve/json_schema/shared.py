"""The published schema with what stands in it several times said once, under `$defs`. In: a schema;
out: an equal one. Knows no record.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from netspec.kinds import GREATEST, LEAST, Schema

__all__ = ["share", "written_out"]

OWN = ("description", "default", "title")
"""Words that belong to the place, not to the value."""
TIMES, LENGTH = 3, 40
"""What stands less often, or is hardly longer than a reference to it, stays where it is."""
LIMITS = {
    "minimum": "from",
    "exclusiveMinimum": "above",
    "maximum": "to",
    "exclusiveMaximum": "below",
}
PLACES = ("properties", "$defs")
LONGEST_NAME = 40


def share(schema: Schema) -> Schema:
    """The schema with each value that is described alike in several places as a definition, and
    references to it.
    """
    counts = Counter(key_of(value) for value in values_in(schema))
    names: dict[str, str] = {}
    for key, count in counts.items():
        if count >= TIMES and len(key) > LENGTH:
            names[key] = free_name(json.loads(key), {*schema["$defs"], *names.values()})
    found: Schema = replaced(schema, names)
    for key, name in names.items():
        found["$defs"][name] = replaced(json.loads(key), names)
    return found


def written_out(schema: Schema) -> str:
    """The schema as text: a definition a line, so that a change of one is a change of a line."""
    head = {word: body for word, body in schema.items() if word != "$defs"}
    lines = ",\n".join(f"{compact(name)}:{compact(body)}" for name, body in schema["$defs"].items())
    return compact(head)[:-1] + ',\n"$defs":{\n' + lines + "\n}}\n"


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def values_in(schema: Any) -> Iterator[Schema]:
    """The descriptions of values at any depth: what stands under a property, of the items of a
    list, of further properties.
    """
    for _, body in inner(schema):
        if isinstance(body, dict) and "$ref" not in body and "type" in body:
            yield body
        yield from values_in(body)


def inner(schema: Any) -> Iterator[tuple[tuple[str, Any], Any]]:
    """The parts of a schema that describe values, and others that hold such, each by its way from
    there.
    """
    if not isinstance(schema, dict):
        return
    for word, body in schema.items():
        if word in PLACES:
            yield from (((word, name), each) for name, each in body.items())
        elif word in ("items", "additionalProperties"):
            yield (word, None), body


def key_of(value: Schema) -> str:
    """Equal for values that are described alike."""
    return json.dumps({word: body for word, body in value.items() if word not in OWN}, sort_keys=True)


def replaced(schema: Any, names: dict[str, str]) -> Any:
    """The schema with references for the values that have a name."""
    if not isinstance(schema, dict):
        return schema
    found = dict(schema)
    for (word, name), body in inner(schema):
        new = replaced(body, names)
        if isinstance(new, dict) and "$ref" not in body and "type" in body and key_of(body) in names:
            own = {each: body[each] for each in OWN if each in body}
            new = {**own, "$ref": f"#/$defs/{names[key_of(body)]}"}
        found[word] = new if name is None else {**found[word], name: new}
    return found


def free_name(value: Schema, taken: set[str]) -> str:
    """A name that says what is described, such as `integer-from-1`, and is not taken."""
    types = [value["type"]] if isinstance(value["type"], str) else value["type"]
    words = [t for t in types if t != "string" or len(types) == 1]
    words += [
        f"{said}-{limit:g}"
        for word, said in LIMITS.items()
        # the limits of every integer tell nothing
        if (limit := value.get(word)) not in (None, LEAST, GREATEST)
    ]
    words += [str(word) for part in value.get("anyOf", []) for word in part.get("enum", [])]
    name = "-".join(words)[:LONGEST_NAME]
    return next(
        each for each in (name, *(f"{name}.{n}" for n in range(2, len(taken) + 3))) if each not in taken
    )
