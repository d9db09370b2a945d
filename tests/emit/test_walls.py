"""What a file calls its parts never runs: two walls, each tried with the other taken away."""

import ast
import re
from pathlib import Path

import pytest
from hostile_names import (
    NAMES,
    PLACES,
    PRINTABLE,
    RAN,
    UNPRINTABLE,
    Net,
    can_stand_there,
    layer,
    loaded,
    net,
    quoted,
    root_of_a_run,
    skeleton,
)

import netspec
from netspec import driver
from netspec.caffe.text import text_of
from netspec.diagnostics import Diagnostics, SpecError
from netspec.emit.quote import (
    Code,
    UnquotableError,
    code,
    comment,
    docstring,
    identifier,
    join_code,
    literal,
    own_code,
    source,
)
from netspec.emit.torch_source import torch_source
from netspec.importers import prototxt
from netspec.importers.prototxt_text import read_prototxt
from netspec.repair.check import check_source
from netspec.source import Source
from netspec.syntax.printable import LONGEST

ROOT = Path(netspec.__file__).parent
WRITES_PYTHON = ("emit/torch_source.py", "emit/structure.py", "emit/names.py", "emit/inline.py")
BLANK = ("r\u00a0x", "r\u3164x")
"""In paths, which a system may make so."""
NAMERS = [pytest.param(place, id=place.__name__) for place in PLACES]


def test_there_are_enough_names() -> None:
    assert len(set(NAMES)) >= 60
    assert len(set(UNPRINTABLE)) >= 20


# --- the wall in check ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", NAMERS)
def test_check_refuses_what_cannot_be_seen(
    place: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.emit.quote.escape_line", lambda text: text)
    for name in UNPRINTABLE:
        if not can_stand_there(name, place) or (place is root_of_a_run and name in BLANK):
            continue
        with pytest.raises(SpecError) as raised:
            torch_source(place(name, tmp_path))
        assert "NS213" in {d.code for d in raised.value.diagnostics}, name


@pytest.mark.parametrize("place", NAMERS)
def test_check_takes_what_can(place: Net, tmp_path: Path) -> None:
    for name in PRINTABLE:
        if can_stand_there(name, place):
            compile(torch_source(place(name, tmp_path)), "<text>", "exec")


def test_a_name_has_a_bounded_length() -> None:
    assert loaded(f"input: {{data: [N, 4]}}\nlayers: [{{name: {'x' * LONGEST}, type: ReLU}}]")
    with pytest.raises(SpecError, match="NS214"):
        loaded(f"input: {{data: [N, 4]}}\nlayers: [{{name: {'x' * (LONGEST + 1)}, type: ReLU}}]")


@pytest.mark.parametrize(
    "text",
    [
        'input: {"d\\n": [N, 4]}\nlayers: [{name: r, type: ReLU}]',
        'input: {d: ["N\\u2028", 4]}\nlayers: [{name: r, type: ReLU}]',
        'input: {d: [N, 4]}\noutput: "r\\n"\nlayers: [{name: r, type: ReLU}]',
        'input: {d: [N, 4]}\nvars: {v: "r\\n"}\nlayers: [{name: $v, type: ReLU}]',
        'input: {d: [N, 4]}\nlayers: [{name: r, type: ReLU, top: ["r\\u200b"]}]',
        'input: {d: [N, 4]}\nblocks: {b: {bottom: "x\\r", layers: [{name: r, type: ReLU, bottom: "x\\r"}]}}\nlayers: [{name: u, block: b}]',
        'input: {d: [N, 4]}\nblocks: {b: {top: "r\\r", layers: [{name: "r\\r", type: ReLU}]}}\nlayers: [{name: u, block: b}]',
        'input: {d: [N, 4]}\nlayers: [{name: r, type: InnerProduct, num_output: 2, param: [{name: "w\\u0085"}]}]',
        'input: {d: [N, 4]}\ntrain: {solver: {max_iter: 1}, players: {"p\\n": {learns: [r]}}}\nlayers: [{name: r, type: ReLU}]',
    ],
)
def test_each_kind_of_name_is_looked_at(text: str) -> None:
    assert {d.code for d in check_source(Source("net.yaml", text))} & {"NS213", "NS109"}


# --- the wall in the emitter ------------------------------------------------------------------------------------------


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "check_names", lambda spec, diagnostics: True)
    monkeypatch.setattr(prototxt, "unfit_names", lambda message: iter(()))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("place", NAMERS)
def test_emitted_text_does_the_same_whatever_the_name(place: Net, tmp_path: Path) -> None:
    harmless = skeleton(torch_source(place("plain", tmp_path), origin="plain"))
    tried = 0
    for name in NAMES:
        if can_stand_there(name, place):
            text = torch_source(place(name, tmp_path), origin=name)
            assert skeleton(text) == harmless, name
            assert text.encode()
            tried += 1
    assert tried >= 60


@pytest.mark.torch
@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("place", NAMERS)
def test_nothing_runs(place: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.chdir(tmp_path)
    for name in UNPRINTABLE[:2] + PRINTABLE[:8]:
        made = netspec.compile(place(name, tmp_path))
        assert torch.isfinite(made(torch.ones(1, 4))).all()
    assert not (tmp_path / "PWN").exists()


@pytest.mark.torch
def test_quotes_in_a_name_are_no_bug() -> None:
    made = netspec.compile(layer('say"""x', Path()))
    assert made.layers.keys() == {'say"""x', "last"}
    assert type(netspec.compile(net('say"""x', Path()))).__name__ == "SayX"


def test_pieces_are_quoted() -> None:
    assert ast.literal_eval(docstring('a"""\\\nb')) == 'a"""\\\nb'
    assert comment("a\nb\u2028c") == "# a\\nb\\u2028c"
    assert code("x = {}", "a'b") == 'x = "a\'b"'
    assert join_code(", ", [code("a"), "b"]) == "a, 'b'"
    assert (
        literal((1, 2.5, None, True, "x", ("y",), [3], {"k": float("inf")}))
        == "(1, 2.5, None, True, 'x', ('y',), [3], {'k': float('inf')})"
    )
    assert type(literal(own_code("x"))) is Code
    assert literal(own_code("x")) == "'x'"
    for wrong in ("a b", "a\n", "a.", "", "é", "a-b", ".a"):
        with pytest.raises(UnquotableError):
            identifier(wrong)
    with pytest.raises(UnquotableError):
        literal(object())
    with pytest.raises(TypeError):
        source([code("x"), "y"])


def test_no_other_way_leads_into_emitted_python() -> None:
    """Templates are constants, code is made in emit/quote.py, and what is executed is known."""
    for name in WRITES_PYTHON:
        for call in (
            n for n in ast.walk(ast.parse((ROOT / name).read_text("utf-8"))) if isinstance(n, ast.Call)
        ):
            called = call.func.id if isinstance(call.func, ast.Name) else ""
            assert called != "Code", f"{name}:{call.lineno}"
            assert called != "own_code" or name == "emit/inline.py", f"{name}:{call.lineno}"
            if called in ("code", "joined"):
                first = call.args[0]
                both = (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,)
                assert all(isinstance(each, ast.Constant) for each in both), f"{name}:{call.lineno}"
    runs = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if re.search(r"\b(exec|eval)\(", text := path.read_text("utf-8"))
        for n in ast.walk(ast.parse(text))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id in ("exec", "eval")
    }
    assert runs == {"emit/execute.py", "plugins/vocabulary.py", "analysis/sizes/legal.py"}


# --- other texts ------------------------------------------------------------------------------------------------------


def test_a_prototxt_holds_any_name() -> None:
    for name in NAMES:
        if "\ud800" not in name:
            found = Diagnostics()
            text = text_of("NetParameter", {"name": name})
            message = read_prototxt(Source("n", text), found)
            assert [(f.name, f.value) for f in message.fields] == [("name", name)]
            assert not found.found
            assert text.strip().isprintable()


def test_a_hostile_name_says_where() -> None:
    text = f"input: {{data: [N, 4]}}\nlayers: [{{name: {quoted(UNPRINTABLE[0])}, type: ReLU}}]"
    (finding,) = check_source(Source("net.yaml", text))
    assert finding.code == "NS213"
    assert finding.span is not None and finding.span.begin[0] == 2
    assert "U+000A is character 2" in finding.fact and RAN in finding.fact and "\n" not in finding.fact
