"""Every record's own check and its JSON Schema accept and refuse alike, and so does the published schema; what is refused is worded."""

import math
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from netspec import layers, resolve
from netspec.diagnostics import Diagnostics
from netspec.ir.layer import Example, Layer
from netspec.record import Record, Reject
from netspec.repair.check import check_source
from netspec.resolve.json_schema.judge import WORDS, Fault, faults_by_jsonschema, own_faults
from netspec.resolve.json_schema.publish import build_schema
from netspec.resolve.read_record import as_json, read_record
from netspec.resolve.sections.spec_file import LayerFields
from netspec.source import Source
from netspec.syntax.block_checks import BLOCK_KEYS, USE_KEYS
from netspec.syntax.block_records import BlockSection, BlockUse
from netspec.syntax.located import Located, place, plain
from netspec.syntax.reader import read
from tests.each import each

ROOT = Path(__file__).resolve().parents[2]
TYPES = layers.every()


def family(cls: type[Record]) -> list[type[Record]]:
    """The class and all that derive from it."""
    return [cls, *(found for sub in cls.__subclasses__() for found in family(sub))]


def records() -> list[type[Record]]:
    """Every record that declares parameters, layer types among them; bases without a type are read through their subclasses."""
    for module in iter_modules(resolve.__path__):
        import_module(f"netspec.resolve.{module.name}")
    found = dict.fromkeys(family(Record))
    return sorted(
        (
            cls
            for cls in found
            if cls.params and cls.__module__.startswith("netspec.") and getattr(cls, "type", "-") != ""
        ),
        key=lambda cls: cls.__qualname__,
    )


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 9), st.sampled_from([10**200, -(10**200), 2**53 + 1]),
    st.sampled_from([0.5, -1.5, 2.0, -0.0, 1e300, math.inf, -math.inf, math.nan]),
    st.sampled_from(["", "5", "no", "true", "MAX", "max", "max\n", " max", "same", "xavier", "Xavier", "N", "\u212a", "a b", ".nan"]),
    st.sampled_from(["5M", " 5M", "5M\n", "8GiB", "-3ms", "3 ms", "5X"]),
)  # fmt: skip
ANYTHING = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["type", "dim", "value", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def numbers(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Numbers about the bounds."""
    limits = [
        schema[word]
        for word in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
        if word in schema
    ] or [0]
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
    inner = [
        w
        for rule in schema.get("allOf", [])
        for part in rule.get("then", {}).get("anyOf", [])
        for w in part.get("enum", [])
    ]
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

    sound = (st.lists(st.sampled_from(sorted(may)), unique=True, max_size=4) if may else st.just([])).flatmap(
        some
    )
    return st.one_of(
        sound,
        sound,
        st.builds(damaged, sound, st.sampled_from([*known, "stranger"]), st.none() | ANYTHING, st.booleans()),
    )


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


def by_path(fault: Fault) -> list[str]:
    """Faults as the findings sort them; jsonschema goes through additional properties in the order of a set."""
    return [str(step) for step in fault.absolute_path]


def words_of(schema: Any) -> set[str]:
    """The words that a schema and its parts use."""
    if isinstance(schema, list):
        return {word for part in schema for word in words_of(part)}
    if not isinstance(schema, dict):
        return set()
    inner = [
        part
        for word, part in schema.items()
        if word in ("items", "additionalProperties", "allOf", "anyOf", "if", "then", "not")
    ]
    return {*schema, *words_of([*inner, *schema.get("properties", {}).values()])}


@pytest.mark.parametrize("count", [3, pytest.param(150, marks=pytest.mark.slow)])
@each("cls", records(), lambda cls: cls.__qualname__)
def test_own_check_and_schema_agree_and_every_refusal_is_worded(cls: type[Record], count: int) -> None:
    schema = {"type": "object", **cls.schema()}
    Draft202012Validator.check_schema(schema)
    assert words_of(schema) <= WORDS

    @settings(max_examples=count, deadline=None, database=None)
    @given(mappings(schema))
    def agree(value: dict[str, Any]) -> None:
        body = place(value)
        own = accepted(cls, body)
        found = sorted(own_faults(schema, as_json(body)), key=by_path)
        assert found == sorted(faults_by_jsonschema(schema, as_json(body)), key=by_path)
        assert own == (not found)
        diagnostics = Diagnostics()
        assert (read_record(cls, body, diagnostics, what="it") is not None) == own
        assert own == (len(diagnostics) == 0)
        assert "NS901" not in {found.code for found in diagnostics}

    agree()


@each("cls", records(), lambda cls: cls.__qualname__)
def test_of_numbers_that_no_field_holds_own_check_and_schema_say_the_same(cls: type[Record]) -> None:
    schema = {"type": "object", **cls.schema()}
    for key in schema["properties"]:
        for number in (10**39, -(10**303), 2.0**128, float("inf")):
            for value in (number, [number], {"dim": [number]}):
                body = place({key: value})
                assert accepted(cls, body) == (not [*own_faults(schema, as_json(body))]), (key, value)


@each("cls", TYPES, lambda cls: cls.type)
def test_names_of_the_shorthand_are_unique_in_a_layer(cls: type[Any]) -> None:
    spellings = [spelling for declared in cls.params.values() for spelling in (declared.name, *declared.pair)]
    assert len(set(spellings)) == len(spellings)
    assert not set(spellings) & {*cls.groups, *LayerFields.names, "when", "block"}


# --- the published schema ----------------------------------------------------------------------------------------------

PUBLISHED = Draft202012Validator(build_schema())
ROWS = [(cls, row) for cls in TYPES for row in cls.examples()]
SAID_BY_SCHEMA = {"NS102", "NS103", "NS104", "NS105", "NS106", "NS107", "NS108"}


def spec_of(cls: type[Layer], parameters: dict[str, Any], nested: bool, name: str = "") -> dict[str, Any]:
    """A spec with one layer, its parameters as shorthand or in their param maps."""
    if nested:
        maps: dict[str, Any] = {}
        for key, value in parameters.items():
            maps.setdefault(str(cls.group_of(cls.names[key])) if key in cls.names else cls.groups[0], {})[
                key
            ] = value
        parameters = maps
    return {"layers": [{"name": "x", "type": name or cls.type, **parameters}]}


def dollars(value: Any) -> Any:
    """The value with an expression for every scalar."""
    if isinstance(value, dict):
        return {key: dollars(item) for key, item in value.items()}
    return [dollars(item) for item in value] if isinstance(value, list) else "${2 * v}"


def test_published_schema_is_a_schema_and_describes_every_property() -> None:
    schema = build_schema()
    Draft202012Validator.check_schema(schema)
    bare = []

    def visit(node: Any, path: str) -> None:
        if isinstance(node, dict):
            for key, body in (
                node.get("properties", {}).items() if isinstance(node.get("properties"), dict) else ()
            ):
                if isinstance(body, dict) and not {"description", "$ref"} & body.keys():
                    bare.append(f"{path}/{key}")
            for key, body in node.items():
                if key not in ("examples", "default", "if", "then", "else"):
                    visit(body, f"{path}/{key}")
        elif isinstance(node, list):
            for i, item in enumerate(node):
                visit(item, f"{path}/{i}")

    visit(schema, "")
    assert bare == []


@each("pair", ROWS, lambda pair: f"{pair[0].type} {pair[1].parameters}")
def test_published_schema_and_example_rows(pair: tuple[type[Layer], Example]) -> None:
    cls, row = pair
    tree = read(Source("row", row.parameters), Diagnostics())
    assert tree is not None
    parameters, own = plain(tree), of_type(cls)
    for nested in (False, True) if cls.groups and parameters else (False,):
        spec = spec_of(cls, parameters, nested)
        found = not own.is_valid(spec["layers"][0])
        if row.code is None:
            assert not found
            assert own.is_valid(spec_of(cls, dollars(parameters), nested)["layers"][0])
        elif row.code in SAID_BY_SCHEMA and not accepted(cls, tree, row.dialect):
            assert found


@each("cls", TYPES, lambda cls: cls.type)
def test_the_whole_schema_chooses_the_type_by_any_of_its_names(cls: type[Layer]) -> None:
    sound = [plain(tree) for tree, code in read_rows(cls) if code is None]
    parameters = sound[0] if sound else {}
    for name in (cls.type, *cls.legacy):
        spec = spec_of(cls, parameters, False, name)
        assert PUBLISHED.is_valid(spec) == of_type(cls).is_valid(spec["layers"][0])
        assert PUBLISHED.is_valid(spec) or not sound
        assert not PUBLISHED.is_valid({"layers": [{**spec["layers"][0], "stranger": 1}]})


def read_rows(cls: type[Layer]) -> Iterator[tuple[Located, str | None]]:
    for row in cls.examples():
        tree = read(Source("row", row.parameters), Diagnostics())
        assert tree is not None
        yield tree, row.code


def of_type(cls: type[Layer]) -> Any:
    """The part of the published schema for layers of a type: all others need not be tried."""
    return PUBLISHED.evolve(schema={"allOf": [{"$ref": f"#/$defs/{cls.type}"}, {"$ref": "#/$defs/complete"}]})


@pytest.mark.parametrize("count", [3, pytest.param(25, marks=pytest.mark.slow)])
@each("cls", TYPES, lambda cls: cls.type)
def test_published_schema_and_own_check_agree_where_there_are_no_expressions(
    cls: type[Layer], count: int
) -> None:
    validator = of_type(cls)

    @settings(max_examples=count, deadline=None, database=None)
    @given(mappings({"type": "object", **cls.schema()}), st.booleans())
    def agree(value: dict[str, Any], nested: bool) -> None:
        body = place({key: item for key, item in value.items() if key not in LayerFields.names})
        nested = nested and bool(cls.groups)
        layer = spec_of(cls, as_json(body), nested)["layers"][0]
        if nested and not body.mapping:
            layer[cls.groups[0]] = {}
        assert validator.is_valid(layer) == accepted(cls, body)

    agree()


def test_both_forms_together_are_refused() -> None:
    both = {
        "name": "x",
        "type": "Convolution",
        "convolution_param": {"num_output": 2, "kernel_size": 3},
        "stride": 2,
    }
    assert not PUBLISHED.is_valid({"layers": [both]})
    assert "NS108" in {found.code for found in check_source(Source("s", f"layers:\n  - {both}\n"))}


@each("path", sorted((ROOT / "specs").rglob("*.yaml")), lambda path: path.stem)
def test_every_spec_of_the_repository_is_valid(path: Path) -> None:
    tree = read(Source(str(path), path.read_text(encoding="utf-8")), Diagnostics())
    assert tree is not None
    assert [error.message for error in PUBLISHED.iter_errors(plain(tree))] == []


SPECS = """
{layers: [{name: a, type: Convolution, num_output: 4, kernel_size: 3}], defaults: {Convolution: {stride: 2}}}
{layers: [{name: a, type: Convolution}], defaults: {Convolution: {num_output: 4, kernel_size: 3}}}
{layers: [{name: a, type: CONVOLUTION, num_output: 4, kernel_size: 3}]}
{layers: [{name: a, type: Convolution, convolution_param: {num_output: 4, kernel_size: $k}, param: {lr_mult: 0}, include: {phase: TRAIN}}]}
{layers: [{name: a, type: Convolution, convolution_param: $whole}]}
{layers: [{name: a, block: b, repeat: 3, vars: {width: 4}, share: true}], blocks: {b: {vars: {width: 1}, layers: [{name: c, type: ReLU}]}}}
{layers: [{name: a, type: $kind, anything: 1}], input: {data: [N, 3, 224, 224], label: {shape: [N], dtype: int64}}}
{base: vgg.yaml, override: {conv1: {num_output: 96, pad: null}}, insert: [{after: conv3, layers: [{name: a, type: ReLU}]}], remove: [fc8]}
{vars: {w: 3}, blocks: {b: {layers: [{name: c, type: Convolution, when: "${w > 2}", num_output: $w, kernel_size: [1, $w]}]}}}
{layers: [{name: a, type: ReLU}], train: {data: {source: digits}, solver: {base_lr: 0.1, max_iter: $n}}, output: {a: {labels: [x, y]}}}
""".strip().splitlines()
WRONG = """
{layers: [{name: a, type: Convolution, num_output: 4}]}
{layers: [{name: a, type: Convolution, num_output: 4, kernel_h: 3}]}
{layers: [{name: a, type: Convolution, num_output: many, kernel_size: 3}]}
{layers: [{name: a, type: Convolution, num_output: 4, kernel_size: 3, kernel_h: 3}]}
{layers: [{name: a, type: Convolution, num_output: 4, kernel_size: 3, dilatoin: 2}]}
{layers: [{name: a, type: Convolution, inner_product_param: {num_output: 4}}]}
{layers: [{name: a, type: Convolution, convolution_param: {num_output: 4, kernel: 3}}]}
{layers: [{name: a, type: Konvolution}]}
{layers: [{name: a}]}
{layers: [{type: ReLU}]}
{layers: [{name: a, type: ReLU, include: {fase: TRAIN}}]}
{layers: [{name: a, block: b, type: ReLU}]}
{layers: [{name: a, type: ReLU}], defaults: {ReLU: {num_output: 3}}}
{layers: [{name: a, type: ReLU}], defaults: {Relu: {}}}
{layers: [{name: a, type: ReLU}], layer: 3}
{layers: [{name: a, type: ReLU}], train: {solver: {base_lr: 0.1, typ: SGD}}}
{layers: [{name: a, type: ReLU}], blocks: {b: {layers: [{name: a, type: Convolution}]}}}
{layers: {name: a}}
{input: {data: [N, 3]}}
""".strip().splitlines()


@pytest.mark.parametrize("text", SPECS)
def test_published_schema_accepts(text: str) -> None:
    assert [error.message for error in PUBLISHED.iter_errors(written(text))] == []


@pytest.mark.parametrize("text", WRONG)
def test_published_schema_refuses(text: str) -> None:
    assert not PUBLISHED.is_valid(written(text))


def written(text: str) -> Any:
    tree = read(Source("text", text), Diagnostics())
    assert tree is not None
    return plain(tree)


@pytest.mark.parametrize(("cls", "keys"), [(BlockUse, USE_KEYS), (BlockSection, BLOCK_KEYS)])
def test_words_that_expansion_reads_are_the_declared_ones(cls: type[Record], keys: tuple[str, ...]) -> None:
    assert set(cls.names) == set(keys)
