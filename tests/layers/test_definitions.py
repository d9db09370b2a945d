"""What every definition must hold, whatever its layer does: words for all it says, names that do not clash, rows for both answers."""

from pathlib import Path
from typing import Literal, get_args

from netspec import layers
from netspec.ir.layer import Layer
from netspec.ir.manual import manual
from netspec.kinds import Bounds, kind_of
from netspec.resolve.sections.spec_file import LayerFields
from tests.each import each

TYPES = each("cls", layers.every(), lambda cls: cls.type)
FOLDER = Path(layers.__file__).parent
MODULES = FOLDER.parent / "torch_modules"


@TYPES
def test_docstring_is_a_sentence_an_equation_and_a_source(cls: type[Layer]) -> None:
    said = manual(cls)
    assert said.sentence.endswith(".") and said.sentence[:1].isupper()
    assert said.equation, "the second paragraph is the equation"
    assert said.source, "which ends in its source, in brackets"


@TYPES
def test_every_parameter_says_what_it_means(cls: type[Layer]) -> None:
    assert [name for name, p in cls.params.items() if len(p.doc) < 8 or p.doc.endswith(".")] == []


@TYPES
def test_shorthand_names_are_unique_and_not_those_of_every_layer(cls: type[Layer]) -> None:
    spellings = [spelling for p in cls.params.values() for spelling in (p.name, *p.pair)]
    assert sorted(set(spellings)) == sorted(spellings)
    assert set(spellings).isdisjoint(LayerFields.names)
    assert set(spellings).isdisjoint(cls.groups)
    assert set(cls.groups).isdisjoint(LayerFields.names)


@TYPES
def test_param_maps_are_those_of_its_parameters(cls: type[Layer]) -> None:
    assert len(set(cls.groups)) == len(cls.groups)
    assert {cls.group_of(p) for p in cls.params.values()} - {None} <= set(cls.groups)
    assert cls.groups or not cls.params
    assert all(group.endswith("_param") for group in cls.groups)


@TYPES
def test_rows_show_what_is_accepted_and_what_is_refused(cls: type[Layer]) -> None:
    rows = list(cls.examples())
    assert len({(r.parameters, r.bottoms, r.tops, r.dialect, r.code, r.outputs) for r in rows}) == len(
        rows
    ), "a row twice"
    assert [r for r in rows if r.code is not None]
    assert [r for r in rows if r.code is None] or cls.traits & {"data", "stands_in"}


@TYPES
def test_numbers_of_bottoms_and_tops_are_ranges(cls: type[Layer]) -> None:
    for least, most in (cls.bottoms, cls.tops):
        assert 0 <= least <= (least if most is None else most)


def test_older_names_are_each_one_type_s() -> None:
    names = [name for cls in layers.every() for name in {cls.type, *cls.legacy}]
    assert sorted(set(names)) == sorted(names)


@each("path", sorted([*FOLDER.rglob("*.py"), *MODULES.glob("*.py")]), lambda p: p.name)
def test_files_are_of_readable_length(path: Path) -> None:
    if path.name != "index.py":
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 370


@each("path", sorted(MODULES.glob("[!_]*.py")), lambda p: p.name)
def test_torch_modules_import_only_what_an_emitted_file_may(path: Path) -> None:
    from netspec.emit.inline import IMPORTS

    """Or what is inlined with them: definitions of other families."""
    lines = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith(("import ", "from "))
    ]
    lines = [line for line in lines if not line.startswith("from netspec.torch_modules.")]
    names = {line.split("import ")[1] for line in lines}
    allowed = {line.split("import ")[1] for line in IMPORTS} | {"Any", "ClassVar", "Tensor", "nn"}
    assert names <= allowed


def test_words_of_a_choice_are_listed_as_they_are_declared() -> None:
    """Whatever other declaration of the same words was read before: typing takes the two for equal."""
    for words in (Literal["one", "two"], Literal["two", "one"]):
        assert kind_of(words).schema(Bounds())["anyOf"][0]["enum"] == list(get_args(words))
