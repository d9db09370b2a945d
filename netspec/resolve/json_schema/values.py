"""Values in the published schema: the records' own schemas, with any `$...` text let in and records
of a name referred to by it.
"""

import json
from collections.abc import Iterable
from math import isfinite
from typing import Any

from netspec.augmentation.definition import Augmentation
from netspec.ir.layer import Layer
from netspec.kinds import Bounds, Schema
from netspec.record import Param, Record, as_written
from netspec.resolve.sections.spec_file import InputSection, LayerFields, SpecFile

__all__ = [
    "EXPRESSION",
    "describe_record",
    "fields",
    "list_shared_records",
    "open_schema",
    "record",
    "ref",
]

EXPRESSION = {"pattern": "\\$"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def open_schema(schema: Any) -> Any:
    """The schema with any text that holds a dollar let in, at every depth; a record that has a name
    becomes a reference.
    """
    if not isinstance(schema, dict):
        return schema
    name = names_of_records().get(json.dumps({k: v for k, v in schema.items() if k != "description"}))
    if name is not None:
        return {
            **({"description": schema["description"]} if "description" in schema else {}),
            **ref(name),
        }
    found = {word: open_word(word, value) for word, value in schema.items()}
    types = [found["type"]] if isinstance(found.get("type"), str) else found.get("type", [])
    if types and "string" not in types:
        return {**found, "type": [*types, "string"], **EXPRESSION}
    if "pattern" in found:
        return {
            **{word: value for word, value in found.items() if word != "pattern"},
            "anyOf": [{"pattern": found["pattern"]}, EXPRESSION],
        }
    if any("enum" in part for part in found.get("anyOf", [])):
        return {**found, "anyOf": [*schema["anyOf"], EXPRESSION]}
    return found


def open_word(word: str, value: Any) -> Any:
    if word == "properties":
        return {key: open_schema(item) for key, item in value.items()}
    if word in ("items", "additionalProperties", "then"):
        return open_schema(value)
    if word in ("allOf", "anyOf"):
        return [open_schema(item) for item in value]
    return value


def list_shared_records() -> list[type[Record]]:
    """Records that stand inside others, by name: fillers, rules, shapes, the sections of
    `train`.
    """
    found, ahead = [], Record.__subclasses__()
    while ahead:
        cls = ahead.pop()
        if cls.__module__.startswith("netspec.") and cls not in (
            Augmentation,
            Layer,
            SpecFile,
            LayerFields,
            InputSection,
        ):
            found.append(cls)
            ahead += cls.__subclasses__()
    return sorted((cls for cls in found if cls.params), key=lambda cls: cls.__name__)


def names_of_records() -> dict[str, str]:
    """Names by the JSON text of the schema."""
    if not RECORDS:
        RECORDS.update(
            {json.dumps(cls.kind().schema(Bounds())): cls.__name__ for cls in list_shared_records()}
        )
    return RECORDS


RECORDS: dict[str, str] = {}


def record(cls: type[Record]) -> Schema:
    """A record by itself, its own properties with their defaults."""
    words = cls.kind().schema(Bounds())
    text = " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())
    body = {
        word: open_word(word, value) for word, value in words.items() if word not in ("properties", "type")
    }
    types = [words["type"]] if isinstance(words["type"], str) else words["type"]
    loose = types if "string" in types else [*types, "string"]
    return {
        "description": text,
        "type": loose,
        "properties": fields(cls),
        **body,
        **({} if "string" in types else EXPRESSION),
    }


def fields(cls: type[Record], names: Iterable[str] | None = None) -> Schema:
    """Properties by spelling, each with its description, and its default in dialect caffe."""
    found = {}
    for spelling, words in cls.schema(names)["properties"].items():
        declared = cls.names[spelling]
        found[spelling] = {
            **open_schema(words),
            **(default_of(declared) if spelling == declared.name else {}),
        }
    return found


def default_of(declared: Param) -> Schema:
    """`{"default": ...}` where there is one that JSON can hold."""
    value = as_written(declared.default)
    if declared.required or value is None or (isinstance(value, float) and not isfinite(value)):
        return {}
    return {"default": value}


def describe_record(cls: type[Record], name: str) -> Schema:
    return {"description": cls.names[name].doc}
