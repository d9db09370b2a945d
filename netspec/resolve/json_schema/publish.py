"""The JSON Schema of the language as editors use it (draft 2020-12), derived from the records.
Knows no file.

Unlike the strict schemas that word findings, it takes any `$...` text for any value, since
expressions are put in later.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from netspec import augmentation, layers
from netspec.augmentation.definition import Augmentation
from netspec.diagnostics.model import Diagnostics
from netspec.ir.layer import Layer
from netspec.ir.manual import sentence
from netspec.kinds import Schema
from netspec.record import Param
from netspec.resolve.json_schema.shared import share
from netspec.resolve.json_schema.values import (
    EXPRESSION,
    describe_record,
    fields,
    list_shared_records,
    open_schema,
    record,
    ref,
)
from netspec.resolve.sections.expect import ExpectSection
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.spec_file import InputSection, LayerFields, OutputSection, SpecFile
from netspec.resolve.sections.train import AugmentWords, TrainSection
from netspec.source import Source
from netspec.syntax.block_records import BlockSection, BlockUse, InsertEntry, LayerSwitch
from netspec.syntax.located import plain
from netspec.syntax.reader import read

__all__ = ["build_schema"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
EXAMPLES = 3
"""Example rows of a type that editors show."""
SHAPE = {
    "type": "array",
    "items": {
        "description": "a size, or a letter that stands for any",
        "type": ["integer", "string"],
        "minimum": 1,
    },
}


def build_schema() -> Schema:
    """The schema of a spec file: its sections, and one definition per layer type, chosen by
    `type`.
    """
    every = layers.every()
    whole = {
        "$schema": DIALECT,
        "title": "netspec",
        "description": "A network in the netspec language.",
        "type": "object",
        "properties": {**fields(SpecFile), **sections()},
        "additionalProperties": False,
        # a file of blocks or vars alone is there to be imported
        "anyOf": [{"required": [key]} for key in ("layers", "base", "blocks", "vars")],
        "if": {
            "required": ["layers"],
            "not": {"anyOf": [{"required": ["defaults"]}, {"required": ["base"]}]},
        },
        "then": whole_spec(),
        "$defs": definitions(every),
    }
    return share(whole)


def definitions(every: list[type[Layer]]) -> Schema:
    """All that is referred to by name.

    Of a type `TYPE.values` describes each parameter, once; `TYPE`, `TYPE.map` and, where it has
    several, its param maps say which of them may stand there: a mapping is closed by the names in
    its own `properties` alone.
    """
    found: Schema = {
        "layer": layer(every),
        "complete": complete(every),
        "defaults": defaults(every),
        "block": block(),
        "use": use(),
    }
    found["fields"] = {"properties": {**fields(LayerFields), **fields(LayerSwitch)}}
    for cls in every:
        found[cls.type] = layer_type(cls)
        if cls.params:
            found[f"{cls.type}.values"] = {"properties": fields(cls)}
        found[f"{cls.type}.map"] = param_map(cls, cls.names)
        for group in cls.groups if len(cls.groups) > 1 else ():
            found[f"{cls.type}.{group}"] = param_map(cls, spellings_in(cls, group))
    for change in augmentation.every():
        found[f"augment.{change.type}"] = augmentation_type(change)
    found["augment"] = augmentation_entry(augmentation.every())
    whole = with_records(found)
    described = whole[TrainSection.__name__]["properties"]["augment"]
    described |= {"type": ["array", "object", "string"], **ref("augment"), "items": ref("augment")}
    return whole


def with_records(found: Schema) -> Schema:
    """The definitions, and the records that they refer to, through others too."""
    named = {cls.__name__: cls for cls in list_shared_records()}
    sections_read = {AugmentWords.__name__, ExpectSection.__name__, ImageContract.__name__}
    ahead = refs(found) | sections_read | {TrainSection.__name__}
    while missing := sorted(name for name in ahead if name in named and name not in found):
        new = {name: record(named[name]) for name in missing}
        found.update(new)
        ahead = refs(new)
    return found


def refs(schema: Any) -> set[str]:
    """Names of the definitions that a schema refers to."""
    if isinstance(schema, list):
        return set().union(*map(refs, schema))
    if not isinstance(schema, dict):
        return set()
    if isinstance(schema.get("$ref"), str):
        own = {schema["$ref"].split("/")[2]}
    else:
        own = set()
    return own.union(*map(refs, schema.values()))


# --- layers ----------------------------------------------------------------------------------------------------------


def layer(every: list[type[Layer]]) -> Schema:
    """An entry of `layers:`: the use of a block, or a layer of one of the types."""
    kinds = {
        "anyOf": [
            {"enum": [cls.type for cls in every]},
            {"enum": [name for cls in every for name in older(cls)]},
            EXPRESSION,
        ],
    }
    by_type = [choose_by_type(cls, ref(cls.type)) for cls in every]
    return {
        "description": "a layer, or the use of a block",
        "type": "object",
        "if": {"required": ["block"]},
        "then": ref("use"),
        "else": {"required": ["name", "type"], "properties": {"type": kinds}, "allOf": by_type},
    }


def choose_by_type(cls: type[Layer], then: Schema) -> Schema:
    """`then` for layers of the type, by today's name or an older one."""
    which = {"const": cls.type} if not older(cls) else {"enum": [cls.type, *older(cls)]}
    return {"if": {"properties": {"type": which}, "required": ["type"]}, "then": then}


def augmentation_entry(every: list[type[Augmentation]]) -> Schema:
    """An entry of `train.augment`: of one of the types, or in words of its own."""
    kinds = {"anyOf": [{"enum": [cls.type for cls in every]}, EXPRESSION]}
    by_type = [
        {
            "if": {"properties": {"type": {"const": cls.type}}, "required": ["type"]},
            "then": ref(f"augment.{cls.type}"),
        }
        for cls in every
    ]
    return {
        "description": "a random change of training samples",
        "if": {"type": "object", "required": ["type"]},
        "then": {"properties": {"type": kinds}, "allOf": by_type},
        "else": {"if": {"type": "object"}, "then": ref(AugmentWords.__name__)},
    }


def augmentation_type(cls: type[Augmentation]) -> Schema:
    """An entry of one type."""
    words = {"title": cls.type, "description": sentence(cls)}
    properties = {"type": {"title": cls.type, **words}, **fields(cls)}
    required = [p.name for p in cls.params.values() if p.required]
    found: Schema = {**words, "properties": properties, "additionalProperties": False}
    if required:
        found["required"] = required
    return found


def older(cls: type[Layer]) -> list[str]:
    """Its names in older versions of Caffe, where they differ."""
    return [name for name in cls.legacy if name != cls.type]


def layer_type(cls: type[Layer]) -> Schema:
    """A layer of one type: in shorthand, or with its param maps, never both."""
    # `fields` describes them: here they only may stand
    common: Schema = dict.fromkeys([*LayerFields.names, *LayerSwitch.names], True)
    common["type"] = {
        "title": cls.type,
        "description": " ".join((cls.__doc__ or "").split()),
    }  # what an editor shows over the word
    maps = {group: group_map(cls, group) for group in cls.groups}
    rules = [
        ref("fields"),
        *([ref(f"{cls.type}.values")] if cls.params else []),
        *pairing(cls, cls.params),
    ]
    if cls.params:
        any_map = {"anyOf": [{"required": [group]} for group in cls.groups]}
        rules.append({"if": any_map, "then": {"properties": dict.fromkeys(cls.names, False)}})
    properties = {**common, **maps, **dict.fromkeys(cls.names, True)}
    words = {
        "title": cls.type,
        "description": sentence(cls),
        "properties": properties,
        "additionalProperties": False,
    }
    return {**words, "allOf": rules, "examples": list(islice(examples(cls), EXAMPLES))}


def group_map(cls: type[Layer], group: str) -> Schema:
    """The parameters of one param map, nested as in Caffe."""
    body = ref(f"{cls.type}.{group}" if len(cls.groups) > 1 else f"{cls.type}.map")
    # `required` holds of a text too, and an expression may stand for the whole map
    rules = [{**rule, "if": {"type": "object", **rule["if"]}} for rule in pairing(cls, names_in(cls, group))]
    return {
        "description": f"its parameters, as Caffe nests them in {group}",
        **body,
        **({"allOf": rules} if rules else {}),
    }


def param_map(cls: type[Layer], spellings: Iterable[str]) -> Schema:
    """Some parameters of a type in a mapping of their own; an expression may stand for the
    whole.
    """
    names = dict.fromkeys(spellings, True)
    words = {
        "description": sentence(cls),
        "type": ["object", "string"],
        **EXPRESSION,
        "properties": names,
        "additionalProperties": False,
    }
    if names:
        return {**words, "allOf": [ref(f"{cls.type}.values")]}
    return words


def names_in(cls: type[Layer], group: str) -> list[str]:
    return [p.name for p in cls.params.values() if cls.group_of(p) == group]


def spellings_in(cls: type[Layer], group: str) -> list[str]:
    return [spelling for spelling, p in cls.names.items() if cls.group_of(p) == group]


def pairing(cls: type[Layer], names: Iterable[str]) -> list[Schema]:
    """What must or must not stand beside each other: kernel_size, or kernel_h and kernel_w."""
    return [open_schema(rule) for rule in cls.schema(names).get("allOf", []) if "if" in rule]


def examples(cls: type[Layer]) -> Iterator[Schema]:
    """The accepted rows as whole layers."""
    for example in cls.examples():
        tree = read(Source(cls.type, example.parameters), Diagnostics())
        if example.code is None and tree is not None:
            bottoms = (
                {"bottom": [f"x{i}" for i in range(len(example.bottoms))]} if len(example.bottoms) > 1 else {}
            )
            tops = {"top": [f"y{i}" for i in range(len(example.tops))]} if len(example.tops) > 1 else {}
            yield {"name": cls.type.lower(), "type": cls.type, **bottoms, **tops, **plain(tree)}


def complete(every: list[type[Layer]]) -> Schema:
    """What a layer must say where no `defaults:` can say it."""
    return {
        "allOf": [
            choose_by_type(cls, require_parameters(cls))
            for cls in every
            if any(p.required for p in cls.params.values())
        ]
    }


def require_parameters(cls: type[Layer]) -> Schema:
    """The required parameters: in the param map where there is one, else in the layer itself."""
    maps = {}
    for group in cls.groups:
        words = require_names(p for p in cls.params.values() if p.required and cls.group_of(p) == group)
        if words:
            maps[group] = words
    own = require_names(p for p in cls.params.values() if p.required)
    any_map = {"anyOf": [{"required": [group]} for group in cls.groups]}
    return {"if": any_map, "then": {"properties": maps, "required": list(maps)}, "else": own}


def require_names(params: Iterable[Param]) -> Schema:
    """The names, or for those with a spelling per axis, one of the spellings."""
    chosen = list(params)
    plain_ones = [p.name for p in chosen if not p.pair]
    paired = [{"anyOf": [{"required": [name]} for name in (p.name, *p.pair)]} for p in chosen if p.pair]
    return {
        **({"required": plain_ones} if plain_ones else {}),
        **({"allOf": paired} if paired else {}),
    }


# --- sections --------------------------------------------------------------------------------------------------------


def sections() -> Schema:
    """The sections that hold more than values: what the records say of them, and what is in
    them.
    """
    entries = {"type": ["array", "string"], **EXPRESSION, "items": ref("layer")}
    inputs = {
        "type": ["object", "array", "string"],
        **EXPRESSION,
        "items": SHAPE["items"],
        "properties": input_fields(),
        "required": ["shape"],
        "additionalProperties": False,
    }
    names = ["string", "number", "boolean"]
    said = {
        "type": ["object", "string", "array", "null"],
        "properties": fields(OutputSection),
        "additionalProperties": False,
    }
    outputs = {
        "type": [*names, "array", "object"],
        "items": {"type": names},
        "additionalProperties": said,
    }
    change = {
        "type": ["object", "string"],
        **EXPRESSION,
        "description": "parameters to set otherwise; null takes one out",
    }
    insert = {
        "type": "object",
        "properties": {
            **fields(InsertEntry),
            "layers": {
                **describe_record(InsertEntry, "layers"),
                "type": "array",
                "items": ref("layer"),
            },
        },
        "required": ["layers"],
        "anyOf": [{"required": ["after"]}, {"required": ["before"]}],
        "additionalProperties": False,
    }
    bodies: dict[str, Schema] = {
        "input": {"type": "object", "additionalProperties": inputs},
        "defaults": ref("defaults"),
        "layers": entries,
        "output": outputs,
        "expect": ref(ExpectSection.__name__),
        "train": ref(TrainSection.__name__),
        "blocks": {"type": "object", "additionalProperties": ref("block")},
        "override": {"type": "object", "additionalProperties": change},
        "insert": {
            "type": ["array", "object"],
            "items": insert,
            **{k: v for k, v in insert.items() if k != "type"},
        },
    }
    return {name: {**describe_record(SpecFile, name), **body} for name, body in bodies.items()}


def input_fields() -> Schema:
    """The keys of an input that is a mapping."""
    image = {**describe_record(InputSection, "image"), **ref(ImageContract.__name__)}
    return {
        **fields(InputSection),
        "shape": {**describe_record(InputSection, "shape"), **open_schema(SHAPE)},
        "image": image,
    }


def block() -> Schema:
    """An entry of `blocks:`."""
    inside = {
        "layers": {
            **describe_record(BlockSection, "layers"),
            "type": "array",
            "items": ref("layer"),
        },
        "defaults": {**describe_record(BlockSection, "defaults"), **ref("defaults")},
    }
    return {
        "type": "object",
        "properties": {**fields(BlockSection), **inside},
        "required": ["layers"],
        "additionalProperties": False,
    }


def use() -> Schema:
    """An entry of `layers:` with the key `block`."""
    return {
        "properties": fields(BlockUse),
        "required": ["name", "block"],
        "additionalProperties": False,
    }


def defaults(every: list[type[Layer]]) -> Schema:
    """Parameters by layer type, in shorthand."""
    found = {}
    for cls in every:
        found[cls.type] = ref(f"{cls.type}.map")
        found.update(
            {
                name: {"description": f"older name of {cls.type}", **ref(f"{cls.type}.map")}
                for name in older(cls)
            }
        )
    return {
        "type": ["object", "string"],
        **EXPRESSION,
        "properties": found,
        "additionalProperties": False,
    }


def whole_spec() -> Schema:
    """For a spec without defaults and without a base: every layer says all that its type
    requires.
    """
    entries = {"properties": {"layers": {"items": ref("complete")}}}
    blocks = {"additionalProperties": {"if": {"not": {"required": ["defaults"]}}, "then": entries}}
    return {"properties": {**entries["properties"], "blocks": blocks}}
