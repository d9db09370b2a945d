"""Every spec of the zoo as text: wiring, shapes, weights and MACs of each layer. `pytest tests/golden --update` rewrites; read the diff."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from netspec.analysis.cost import LayerCost, cost
from netspec.ir.graph import Node
from netspec.ir.types import show_shape
from tests.each import each
from tests.zoo.kinds import SPECS, program

FOLDER = Path(__file__).parent / "zoo"


def printed(name: str) -> str:
    """Inputs, layers, sums. Copies of a block that are alike are written once."""
    typed = program(name).graph()
    found = cost(typed)
    lines = [
        f"{typed.graph.name}",
        *(f"{given} {show_shape(shape)}" for given, shape in found.inputs.items()),
    ]
    for text, copies in groupby(instances(typed.graph.nodes, found.layers), key=lambda pair: pair[1]):
        first, *others = [part for part, _ in copies]
        lines += [line.replace("@", first) for line in text.splitlines()]
        if others:
            lines.append(f"{' to '.join(dict.fromkeys((others[0], others[-1])))}: as {first}")
    counts = f"{found.parameters:,} parameters, {found.statistics:,} statistics, {found.fixed:,} fixed"
    return "\n".join(
        [
            *lines,
            f"-> {', '.join(v.name for v in typed.graph.outputs)}",
            counts,
            f"{amount(found.macs)} MACs",
            "",
        ]
    )


def instances(nodes: tuple[Node, ...], layers: tuple[LayerCost, ...]) -> Iterator[tuple[str, str]]:
    """Each outermost block instance, or lone layer, and its lines; `@` for its own name, `<` for that of the copy before it."""
    groups: list[tuple[str, list[str]]] = []
    for node, layer in zip(nodes, layers, strict=True):
        name = node.blocks[0].name if node.blocks else node.name
        if not groups or groups[-1][0] != name:
            groups.append((name, []))
        stem, _, index = name.rpartition(".")
        last = f"{stem}.{int(index) - 1}" if index.isdigit() and stem else ""
        bottoms = ", ".join(relative(v.name, name, last) for v in node.bottoms)
        shapes = " ".join(map(show_shape, layer.tops.values()))
        counts = "".join(
            f" {amount(n)}{unit}"
            for n, unit in ((layer.parameters + layer.fixed, " w"), (layer.macs, " MACs"))
            if n != 0
        )
        groups[-1][1].append(f"{relative(node.name, name, last)} {layer.type}({bottoms}) {shapes}{counts}")
    return ((name, "\n".join(lines)) for name, lines in groups)


def relative(name: str, own: str, last: str) -> str:
    if name == own or name.startswith(f"{own}."):
        return "@" + name.removeprefix(own)
    return "<" + name.removeprefix(last) if last and name.startswith(f"{last}.") else name


def amount(count: object) -> str:
    return f"{count:,}" if isinstance(count, int) else str(count)


@each("name", [*SPECS])
def test_net_is_as_recorded(name: str, request: pytest.FixtureRequest) -> None:
    file, text = FOLDER / f"{name}.txt", printed(name)
    if request.config.getoption("update", default=False):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.is_file(), "not recorded yet: pytest tests/golden --update"
    assert text == file.read_text(encoding="utf-8")


def test_no_record_is_without_its_spec(request: pytest.FixtureRequest) -> None:
    left = {path.stem for path in FOLDER.glob("*.txt")} - SPECS.keys()
    if request.config.getoption("update", default=False):
        for name in left:
            (FOLDER / f"{name}.txt").unlink()
        return
    assert not left
