"""Nets with layers that are equal and are not one: what one hash promises, and whether `diff` says the same in headline and list."""

import random
from pathlib import Path

import pytest

from netspec import driver
from netspec.analysis.diff import changes, moves, untold
from netspec.analysis.fingerprint import counterparts, graph_hash, network_hash
from netspec.ir.graph import TypedGraph
from netspec.source import Source
from tests.each import each

KINDS = (
    "InnerProduct, num_output: 3, weight_filler: xavier",
    "TanH",
    "Sigmoid",
    "Eltwise, operation: PROD",
    "Eltwise, operation: SUM",
)
Row = tuple[str, str, list[str]]
"""Name, type with parameters, bottoms."""


def net(draw: random.Random, layers: int) -> list[Row]:
    """Layers that read one another at random; few kinds, so that many are equal; the last sums up what nobody reads."""
    rows: list[Row] = []
    for i in range(layers):
        kind = draw.choice(KINDS)
        shared = ", param: [{name: w}, {name: v}]" * (kind.startswith("Inner") and draw.random() < 0.15)
        before = ["data", "data", *(name for name, _, _ in rows)]
        rows.append(
            (f"l{i}", kind + shared, [draw.choice(before) for _ in range(2 if "Eltwise" in kind else 1)])
        )
    loose = [name for name, _, _ in rows if all(name not in reads for _, _, reads in rows)]
    return [*rows, ("out", "Eltwise, operation: SUM", loose)] if len(loose) > 1 else rows


def text(rows: list[Row]) -> str:
    lines = "".join(
        f"  - {{name: {n}, type: {kind}, bottom: [{', '.join(reads)}]}}\n" for n, kind, reads in rows
    )
    return f"netspec: 1\ninput: {{data: [N, 3]}}\nlayers:\n{lines}"


def renamed(draw: random.Random, rows: list[Row]) -> list[Row]:
    """The same net in another order, with names handed out anew: a bystander may bear a twin's."""
    names = dict(zip((n for n, _, _ in rows), draw.sample([n for n, _, _ in rows], len(rows)), strict=True))
    left, found = list(rows), list[Row]()
    while left:
        ready = [row for row in left if not {n for n, _, _ in left} & set(row[2])]
        found.append(draw.choice(ready))
        left.remove(found[-1])
    return [(names[n], kind, [names.get(r, r) for r in reads]) for n, kind, reads in found]


def rewired(draw: random.Random, rows: list[Row]) -> list[Row]:
    """One layer reads another twin, or anything."""
    at = draw.randrange(len(rows))
    name, kind, reads = rows[at]
    other = draw.choice(["data", *(n for n, _, _ in rows[:at])])
    place = draw.randrange(len(reads))
    return [*rows[:at], (name, kind, [*reads[:place], other, *reads[place + 1 :]]), *rows[at + 1 :]]


def typed(rows: list[Row]) -> TypedGraph:
    return driver.load_source(Source("net.yaml", text(rows))).graph("test")


@each("seed", range(25))
def test_names_and_order_leave_the_hash(seed: int) -> None:
    draw = random.Random(seed)
    rows = net(draw, draw.randint(3, 14))
    a, b = typed(rows), typed(renamed(draw, rows))
    assert graph_hash(a) == graph_hash(b), text(rows)
    assert {change.status for change in changes(a, b)} <= {"renamed"}
    assert {move.status for move in moves(a, b)} <= {"renamed", "kept"}


@pytest.mark.torch
@each("seed", range(10))
def test_one_hash_means_the_same_values(seed: int) -> None:
    """Of nets that differ by one bottom or by names alone, those of one hash give the same with the weights of their counterparts."""
    draw = random.Random(1000 + seed)
    rows = net(draw, draw.randint(3, 9))
    a = typed(rows)
    same = 0
    for other in (renamed(draw, rows), *(rewired(draw, rows) for _ in range(12))):
        b = typed(other)
        if graph_hash(a) == graph_hash(b):
            same += 1
            assert values(a, a, {n: n for n in a.graph.nodes}) == values(a, b, counterparts(a, b)), text(
                rows
            ) + text(other)
    assert same


def values(a: TypedGraph, b: TypedGraph, pairs: dict) -> list[float]:  # type: ignore[type-arg]
    """What b gives, its outputs in order of size, with the weights that its counterparts have in a."""
    import torch

    from netspec.compiled import compile

    torch.manual_seed(0)
    modules = [compile(t).double() for t in (a, b)]
    with torch.no_grad():
        for ref in a.weight_refs():
            modules[0].layer_parameters(ref.node.name)[ref.index].uniform_(-1, 1)
        for ref in b.weight_refs():
            old = modules[0].layer_parameters(pairs[ref.node].name)[ref.index]
            modules[1].layer_parameters(ref.node.name)[ref.index].copy_(old.clone())
        found = modules[1](torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3))
    outputs = found.values() if isinstance(found, dict) else [found]
    return sorted(round(float(number), 9) for output in outputs for number in output.flatten())


TWINS = [
    ("a", KINDS[0], ["data"]),
    ("b", KINDS[0], ["data"]),
    ("s", "Sigmoid", ["a"]),
    ("t", "TanH", ["a"]),
    ("u", KINDS[3], ["s", "t"]),
]
CROSSED = [row if row[0] != "t" else ("t", "TanH", ["b"]) for row in TWINS]


def test_which_twin_is_read_is_told() -> None:
    assert graph_hash(typed(TWINS)) != graph_hash(typed(CROSSED))
    assert [change.text for change in changes(typed(TWINS), typed(CROSSED)) if change.after == "t"] == [
        "changed  t: reads a -> b"
    ]


def test_a_ring_is_not_two() -> None:
    """Six twins in one ring of sums, or in two of three: each layer by itself reads and is read alike."""
    twins = [(f"a{i}", KINDS[0], ["data"]) for i in range(6)]

    def rings(follow: list[int]) -> list[Row]:
        return [*twins, *((f"e{i}", KINDS[4], [f"a{i}", f"a{j}"]) for i, j in enumerate(follow))]

    one, two = [1, 2, 3, 4, 5, 0], [1, 2, 0, 4, 5, 3]
    assert graph_hash(typed(rings(one))) != graph_hash(typed(rings(two)))
    both = [*rings(one), *((n.replace("a", "b").replace("e", "f"), k, [r.replace("a", "b") if r != "data" else r for r in reads])
                           for n, k, reads in rings(two))]  # fmt: skip
    hashes = {graph_hash(typed(renamed(random.Random(seed), both))) for seed in range(6)}
    assert len(hashes) == 1


def test_a_phase_that_reads_the_other_twin_is_told() -> None:
    """By itself each phase is the same net; the tensor that training trains is not the one that the test reads."""
    rows = (
        text(TWINS[:2])
        + "  - {name: t, type: TanH, bottom: %s, include: {phase: TRAIN}}\n  - {name: s, type: TanH, bottom: %s, include: {phase: TEST}}\n"
    )
    programs = [
        driver.load_source(Source("net.yaml", rows % each)) for each in (("a", "a"), ("a", "b"), ("b", "b"))
    ]
    hashes = [network_hash(program.graphs()) for program in programs]
    assert hashes[0] == hashes[2]
    assert hashes[0] != hashes[1]


@each("seed", range(20))
def test_headline_and_list_agree(seed: int) -> None:
    draw = random.Random(2000 + seed)
    rows = net(draw, draw.randint(3, 8))
    for other in (rewired(draw, rows), renamed(draw, rewired(draw, rows))):
        a, b = typed(rows), typed(other)
        found = changes(a, b)
        if graph_hash(a) == graph_hash(b):
            assert all(change.status == "renamed" and not change.facts for change in found)
        else:
            assert [*found, *untold(found)]
            assert any(change.facts or change.status != "renamed" for change in [*found, *untold(found)])


def test_hash_of_many_twins_is_quick() -> None:
    """32 paths of 30 layers each, all alike: each class of 32 has to be told apart."""
    rows: list[Row] = []
    for path in range(32):
        for i in range(30):
            rows.append((f"p{path}.{i}", KINDS[0], [f"p{path}.{i - 1}" if i else "data"]))
    rows.append(("out", KINDS[4], [f"p{path}.29" for path in range(32)]))
    graph = typed(rows)
    assert cpu(lambda: graph_hash(graph)) < 20


def test_hash_of_a_long_chain_is_quick() -> None:
    """A class of many hundreds that is split one by one would take half a minute."""
    rows = [(f"l{i}", KINDS[0], [f"l{i - 1}" if i else "data"]) for i in range(1500)]
    graph = typed(rows)
    assert cpu(lambda: graph_hash(graph)) < 4


def cpu(work) -> float:  # type: ignore[no-untyped-def]
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime - before


def test_the_command_says_one_thing(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from netspec.cli import group

    other = {"a": "b", "b": "a"}
    swapped = [(other.get(n, n), kind, [other.get(r, r) for r in reads]) for n, kind, reads in TWINS]
    for name, rows in (("a", TWINS), ("b", CROSSED), ("c", swapped)):
        (tmp_path / f"{name}.yaml").write_text(text(rows), encoding="utf-8")
    said = [
        CliRunner().invoke(
            group, ["diff", *(str(tmp_path / f"{n}.yaml") for n in pair)], standalone_mode=False
        )
        for pair in ("ab", "ac")
    ]
    assert said[0].output.splitlines()[0] == "different networks"
    assert said[1].output.splitlines()[:3] == ["the same network", "  renamed  a -> b", "  renamed  b -> a"]
    assert [each.return_value for each in said] == [1, 0]
