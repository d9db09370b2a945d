"""The zoo as a page: of each spec its words, a picture of its parts, a table of their shapes, and the facts that it meets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from netspec import driver
from netspec.analysis.cost import LayerCost, cost
from netspec.cli.zoo import amount
from netspec.ir.dims import Size, total
from netspec.ir.graph import Node, TypedGraph, Value
from netspec.ir.types import shown
from netspec.layers.reference import markdown_table
from netspec.syntax.located import plain
from netspec.syntax.paths import zoo_folder, zoo_specs

__all__ = ["zoo_page"]

HEAD = """# The zoo

Every net here is a spec that ships with netspec: `netspec check zoo:NAME`, `netspec show zoo:NAME`, `netspec init --from zoo:NAME`.

Counts are those of the deployed net at N = 1, defined by `netspec show --help`. A part without weights that keeps its shape is
shown with the part before it. What a spec expects of itself, `check` has found to be so."""


class Part(NamedTuple):
    """A layer, or all copies of a block that follow one another, with what passes its values on in the same shape."""

    name: str
    kind: str
    nodes: list[Node]
    layers: list[LayerCost]
    copies: list[str]

    @property
    def weights(self) -> int:
        return sum(layer.parameters + layer.fixed for layer in self.layers)

    @property
    def macs(self) -> Size:
        return total(layer.macs for layer in self.layers)


def zoo_page() -> str:
    """The whole page, in Markdown. Raises SpecError for a spec that is not sound."""
    entries = [(name, path, driver.load(str(path))) for name, path in zoo_specs()]
    folders = sorted({path.parent for _, path, _ in entries}, key=lambda f: (f == zoo_folder(), f.name))
    texts = [HEAD]
    for folder in folders:
        texts.append(f"## {folder.name if folder != zoo_folder() else 'tutorial'}")
        texts += [described(name, path, program) for name, path, program in entries if path.parent == folder]
    return "\n\n".join(texts) + "\n"


def described(name: str, path: Path, program: driver.Program) -> str:
    typed, file = program.graph(), program.resolved.file
    found, parts = cost(typed), parts_of(typed)
    counts = f"{amount(found.parameters)} parameters, {amount(found.macs) if isinstance(found.macs, int) else f'`{found.macs}`'} MACs"
    place = f"[{path.relative_to(zoo_folder()).as_posix()}](../specs/{path.relative_to(zoo_folder()).as_posix()})"
    expected = program.resolved.spec.section("expect")
    facts = ", ".join(facts_of(plain(expected))) if expected is not None else "none"
    rows = [(f"`{g}`", "input", shown(shape), "", "") for g, shape in found.inputs.items()]
    rows += [
        (f"`{p.name}`", kind(p), " ".join(shown(typed.types[v].shape) for v in ends(p, typed)), count(p.weights), count(p.macs))
        for p in parts
    ]
    table = markdown_table(("part", "type", "output", "weights", "MACs"), rows)
    picture = f"<details><summary>picture</summary>\n\n```mermaid\n{drawn(typed, parts)}\n```\n\n</details>"
    return "\n\n".join(
        [f"### {name}", file.description.strip(), f"{file.source}. {place}: {counts}.", f"Facts met: {facts}.", table, picture]
    )


def count(number: Size) -> str:
    return "" if number == 0 else f"{number:,}" if isinstance(number, int) else f"`{number}`"


def kind(part: Part) -> str:
    return part.kind if len(part.copies) < 2 else f"{len(part.copies)} x {part.kind}"


def facts_of(expected: dict[str, Any]) -> Iterator[str]:
    """`parameters 60,000`; the shapes stand in the table."""
    for key, value in expected.items():
        if key == "shapes":
            yield f"{len(value)} shapes"
        elif isinstance(value, dict):
            yield from (f"{key} {fact}" for fact in facts_of(value))
        else:
            yield f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}"


def parts_of(typed: TypedGraph) -> list[Part]:
    """The net's parts in order."""
    parts: list[Part] = []
    for node, layer in zip(typed.graph.nodes, cost(typed).layers, strict=True):
        name, what, copy = outermost(node)
        if parts and parts[-1].name == name and parts[-1].kind == what:
            parts[-1].nodes.append(node)
            parts[-1].layers.append(layer)
            if copy not in parts[-1].copies:
                parts[-1].copies.append(copy)
        else:
            parts.append(Part(name, what, [node], [layer], [copy]))
    merged: list[Part] = []
    for part in parts:
        if merged and passes_on(part, merged[-1], typed):
            merged[-1].nodes.extend(part.nodes)
            merged[-1].layers.extend(part.layers)
        else:
            merged.append(part)
    return merged


def outermost(node: Node) -> tuple[str, str, str]:
    """The name of its part, the part's type, and the copy of it that the node belongs to."""
    if not node.blocks:
        return node.name, node.layer.type, node.name
    block = node.blocks[0]
    stem, _, index = block.name.rpartition(".")
    return (stem if stem and index.isdigit() else block.name), block.template, block.name


def passes_on(part: Part, before: Part, typed: TypedGraph) -> bool:
    """Whether a part has no weights and only gives what the part before it makes, in the same shape."""
    read, made = given(part), ends(part, typed)
    if part.weights or len(read) != 1 or len(made) != 1 or read[0].node not in before.nodes:
        return False
    return typed.types[read[0]].shape == typed.types[made[0]].shape


def given(part: Part) -> list[Value]:
    own = {v for node in part.nodes for v in node.tops}
    return list(dict.fromkeys(v for node in part.nodes for v in node.bottoms if v not in own))


def ends(part: Part, typed: TypedGraph) -> list[Value]:
    """What a part makes for others."""
    inside = set(part.nodes)
    users = {v for node in typed.graph.nodes if node not in inside for v in node.bottoms} | set(typed.graph.outputs)
    return [v for node in part.nodes for v in node.tops if v in users] or list(part.nodes[-1].tops[:1])


def drawn(typed: TypedGraph, parts: list[Part]) -> str:
    """The parts as a flow chart in Mermaid's notation."""
    places: dict[Value, str] = {}
    lines = ["flowchart TD"]
    for i, g in enumerate(typed.graph.inputs):
        places[g.value] = f"i{i}"
        lines.append(f'  i{i}(["{g.value.name}<br/>{shown(typed.types[g.value].shape)}"])')
    for i, part in enumerate(parts):
        makes = ends(part, typed)
        lines.append(f'  p{i}["{part.name}<br/>{kind(part)}<br/>{shown(typed.types[makes[0]].shape)}"]')
        for source in dict.fromkeys(places[v] for v in given(part)):
            lines.append(f"  {source} --> p{i}")
        places.update({v: f"p{i}" for node in part.nodes for v in node.tops})
    return "\n".join(lines)
