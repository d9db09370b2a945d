"""Every record's own check and its JSON Schema accept and refuse alike; what is refused is worded; the published schema is never stricter."""

import math
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from netspec import layers, resolve
from netspec.diagnostics import Diagnostics
from netspec.record import Record, Reject
from netspec.resolve.schema import as_json, read_record
from netspec.syntax.located import Located, place

TYPES = layers.every()


def family(cls: type[Record]) -> list[type[Record]]:
    """The class and all that derive from it."""
    return [cls, *(found for sub in cls.__subclasses__() for found in family(sub))]


def records() -> list[type[Record]]:
    """Every record that declares parameters, layer types among them; bases without a type are read through their subclasses."""
    for module in iter_modules(resolve.__path__):
        import_module(f"netspec.resolve.{module.name}")
    found = dict.fromkeys(family(Record))
    return sorted((cls for cls in found if cls.params and cls.__module__.startswith("netspec.") and getattr(cls, "type", "-") != ""),
                  key=lambda cls: cls.__qualname__)


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 9), st.sampled_from([10**200, -(10**200), 2**53 + 1]),
    st.sampled_from([0.5, -1.5, 2.0, -0.0, 1e300, math.inf, -math.inf, math.nan]),
    st.sampled_from(["", "5", "no", "true", "MAX", "max", "max\n", " max", "same", "xavier", "Xavier", "N", "\u212a", "a b", ".nan"]),
)  # fmt: skip
ANYTHING = st.recursive(ODD, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["type", "dim", "value", "x"]), inner, max_size=3),
                        max_leaves=6)


def numbers(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Numbers about the bounds."""
    limits = [schema[word] for word in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum") if word in schema] or [0]
    near = [limit + step for limit in limits for step in (-1, 0, 1)]
    if "number" in schema["type"]:
        near += [limit + step for limit in limits for step in (-0.5, 0.5, 1e-3)]
    return st.sampled_from([*near, *map(float, near)])


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema probably takes."""
    for part in schema.get("allOf", []) + schema.get("anyOf", []):
        if "enum" in part:
            return st.sampled_from(part["enum"]) | st.sampled_from(part["enum"]).map(str.swapcase) | ODD
    types = schema.get("type", [])
    choices = {
        "integer": lambda: numbers(schema), "number": lambda: numbers(schema), "boolean": st.booleans, "string": lambda: words(schema),
        "array": lambda: st.lists(fitting(schema.get("items", {})), min_size=schema.get("minItems", 0), max_size=schema.get("maxItems", 4)),
        "object": lambda: mappings(schema),
    }  # fmt: skip
    found = [choices[t]() for t in ([types] if isinstance(types, str) else types)]
    return st.one_of(found) if found else ANYTHING


def words(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    inner = [w for rule in schema.get("allOf", []) for part in rule.get("then", {}).get("anyOf", []) for w in part.get("enum", [])]
    return st.sampled_from([*inner, "N", "", "5"])


def mappings(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Mappings with the required keys and some of the others; now and then one key or value is odd."""
    known = schema.get("properties", {})
    if not known:
        return st.dictionaries(st.sampled_from(["a", "b"]), ANYTHING, max_size=2)
    must = {key: fitting(known[key]) for key in schema.get("required", [])}
    may = {key: fitting(value) for key, value in known.items() if key not in must}

    def some(chosen: list[str]) -> st.SearchStrategy[Any]:
        return st.fixed_dictionaries({**must, **{key: may[key] for key in chosen}})

    sound = (st.lists(st.sampled_from(sorted(may)), unique=True, max_size=4) if may else st.just([])).flatmap(some)
    return st.one_of(sound, sound, st.builds(damaged, sound, st.sampled_from([*known, "stranger"]), st.none() | ANYTHING, st.booleans()))


def damaged(mapping: dict[str, Any], key: str, value: Any, drop: bool) -> dict[str, Any]:
    """The mapping with a key set to something else, or without it."""
    rest = {k: v for k, v in mapping.items() if k != key}
    return rest if drop else {**rest, key: value}


def accepted(cls: type[Record], body: Located, dialect: str = "caffe") -> bool:
    try:
        cls.read(body.mapping, dialect, whole=body)
    except Reject:
        return False
    return True


@pytest.mark.parametrize("cls", records(), ids=lambda cls: cls.__qualname__)
def test_own_check_and_schema_agree_and_every_refusal_is_worded(cls: type[Record]) -> None:
    schema = {"type": "object", **cls.schema()}
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)

    @settings(max_examples=150, deadline=None, database=None)
    @given(mappings(schema))
    def agree(value: dict[str, Any]) -> None:
        body = place(value)
        own = accepted(cls, body)
        assert own == validator.is_valid(as_json(body))
        diagnostics = Diagnostics()
        assert (read_record(cls, body, diagnostics, what="it") is not None) == own
        assert own == (len(diagnostics) == 0)
        assert "NS901" not in {found.code for found in diagnostics}

    agree()


@pytest.mark.parametrize("cls", TYPES, ids=lambda cls: cls.type)
def test_names_of_the_shorthand_are_unique_across_the_param_maps(cls: type[Any]) -> None:
    spellings = [spelling for declared in cls.params.values() for spelling in (declared.name, *declared.pair)]
    assert len(set(spellings)) == len(spellings)
    assert not set(spellings) & set(cls.groups)
