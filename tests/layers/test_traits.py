"""Traits: each is borne by a type and asked by a pass, passes ask for nothing else, and what a trait promises holds of every row."""

import ast
import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import torch

from netspec import layers
from netspec.diagnostics.model import SpecError
from netspec.emit.onnx_model import onnx_model
from netspec.ir.layer import Layer
from netspec.ir.traits import TRAITS, DefinitionError
from tests.architecture import modules
from tests.each import each
from tests.layers import rows
from tests.layers.rows import Row

ROOT = modules.ROOT
PASSES = [p for p in modules.FILES if "layers" not in p.relative_to(ROOT).parts and p.name != "traits.py"]
ASKING = {"isdisjoint", "issuperset", "issubset"}


def heads(words: Iterator[str]) -> set[str]:
    """`no_gradient.1` as the trait that it is one of."""
    return {f"{word.partition('.')[0]}.N" if "." in word else word for word in words}


def asked(path: Path) -> set[str]:
    """Words that a module looks for in a layer's traits, `x in layer.traits` and the like, and those of constants used so."""
    tree = modules.tree(path) if ".traits" in modules.text(path) else ast.parse("")
    constants = {
        t.id: n.value
        for n in tree.body
        if isinstance(n, ast.Assign)
        for t in n.targets
        if isinstance(t, ast.Name)
    }
    found: set[str] = set()
    for n in ast.walk(tree):
        compared = isinstance(n, ast.Compare) or (isinstance(n, ast.BinOp) and isinstance(n.op, ast.BitAnd))
        called = isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr in ASKING
        if (compared or called) and any(
            isinstance(m, ast.Attribute) and m.attr == "traits" for m in ast.walk(n)
        ):
            inside = [
                *ast.walk(n),
                *(
                    m
                    for a in ast.walk(n)
                    if isinstance(a, ast.Name) and a.id in constants
                    for m in ast.walk(constants[a.id])
                ),
            ]
            found |= {m.value for m in inside if isinstance(m, ast.Constant) and isinstance(m.value, str)}
    return found


def test_passes_ask_for_traits_that_there_are() -> None:
    wrong = {
        f"{path.relative_to(ROOT)}: {word}"
        for path in PASSES
        for word in asked(path)
        if word not in (*TRAITS, "no_gradient.")
    }
    assert wrong == set()


def test_every_trait_is_borne_by_a_type_and_asked_by_a_pass() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in [*PASSES, ROOT / "ir" / "traits.py"])
    assert {
        name for name in TRAITS if text.count(f'"{name.removesuffix("N")}') < (2 if "." not in name else 1)
    } == set()
    assert heads(word for cls in layers.every() for word in cls.traits) == set(TRAITS)


@pytest.mark.parametrize(
    "word", ["activaton", "windowd", "no_gradient.", "no_gradient.N", "no_gradient.x", "elementwise.1", ""]
)
def test_a_word_that_is_no_trait_is_refused_where_the_class_is_made(word: str) -> None:
    with pytest.raises(DefinitionError, match="is no trait of a layer"):
        type("Odd", (Layer,), {}, traits=("elementwise", word))


@cache
def every_node() -> list[Row]:
    return [row for row in rows.running() if rows.node(rows.typed(row)) is not None]


def holding(*traits: str) -> pytest.MarkDecorator:
    return each("row", lambda: [row for row in every_node() if row.cls.traits & set(traits)])


def ran(
    row: Row, *, training: bool = False, seed: int = 1, **values: float
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Bottoms, which ask for gradients, and tops."""
    net = copy.deepcopy(rows.net(row)).train(training)
    feed, indices = (
        rows.data(row, rows.sizes_of(row, 1)[0], **values),
        rows.node(rows.typed(row)).layer.indices(*rows.bottom_types(row)),
    )
    bottoms = [x if i in indices else x.requires_grad_() for i, x in enumerate(feed.values())]
    net.reset_state()
    torch.manual_seed(seed)
    blobs = net.forward_blobs(feed)
    return bottoms, [blobs[f"t{i}"] for i in range(row.tops)]


@holding("elementwise", "dropout")
def test_elementwise_tops_have_a_bottom_s_shape(row: Row) -> None:
    graph, node = rows.typed(row), rows.node(rows.typed(row))
    assert graph.tops(node)[0].shape in {x.shape for x in graph.bottoms(node)}


@holding("loss")
def test_a_loss_is_one_number(row: Row) -> None:
    graph, node = rows.typed(row), rows.node(rows.typed(row))
    assert graph.tops(node)[0].shape == ()


@holding("view")
def test_a_view_lies_in_its_bottom_s_memory(row: Row) -> None:
    bottoms, tops = ran(row)
    assert {top.untyped_storage().data_ptr() for top in tops} == {bottoms[0].untyped_storage().data_ptr()}


@holding("dropout")
def test_dropout_passes_its_bottom_on_outside_training(row: Row) -> None:
    bottoms, tops = ran(row)
    assert torch.equal(bottoms[0], tops[0]) == rows.layer(row).passes_on


@holding("rearranges")
def test_what_rearranges_computes_nothing(row: Row) -> None:
    bottoms, tops = ran(row)
    given = torch.cat([x.flatten() for x in bottoms])
    assert all(torch.isin(top, given).all() for top in tops)


@each("row", lambda: [r for r in every_node() if any(t.startswith("no_gradient") for t in r.cls.traits)])
def test_no_gradient_arrives_where_none_is_promised(row: Row) -> None:
    bottoms, tops = ran(row, low=0.1, high=0.9)
    layer = rows.node(rows.typed(row)).layer
    if any(top.requires_grad for top in tops):
        sum(top.sum() for top in tops if top.requires_grad).backward()
    reached = [i for i, x in enumerate(bottoms) if x.grad is not None and x.grad.any()]
    assert [i for i in reached if layer.stops_gradient(i)] == []


@each("row", every_node, parts=4)
def test_only_what_says_so_draws(row: Row) -> None:
    (_, first), (_, again) = (
        ran(row, training=True, low=0.1, high=0.9),
        ran(row, training=True, seed=2, low=0.1, high=0.9),
    )
    same = all(torch.equal(a.nan_to_num(7), b.nan_to_num(7)) for a, b in zip(first, again, strict=True))
    assert same or rows.layer(row).draws


@pytest.mark.onnx
@each("row", lambda: [row for row in every_node() if rows.layer(row).draws])
def test_what_draws_is_not_exported_as_it_trains(row: Row) -> None:
    """Whether a trait of the type says so or a parameter alone."""
    words = row.example.parameters.strip("{}")
    graph = rows.load_source(
        rows.source(row, parameters=f"{words + ', ' if words else ''}phase: TRAIN")
    ).graph("test")
    arrays = {name: tensor.numpy() for name, tensor in rows.net(row).state_dict().items()}
    with pytest.raises(SpecError) as caught:
        onnx_model(graph, arrays)
    assert [found.code for found in caught.value.diagnostics] == ["NS701"]
