"""A TypedGraph as readable Python that needs only torch. Comes in: the graph; goes out: the text. Imports no torch.

Block instances become nested modules, one class per structure (emit/structure.py); everything else is a line per layer.
"""

import re
from collections.abc import Mapping

from netspec.emit.inline import definitions, import_lines, inlined
from netspec.emit.names import Names, attribute
from netspec.emit.structure import Child, Group, Structure, grouped
from netspec.ir.graph import Node, TypedGraph, Value
from netspec.ir.layer import Filler

__all__ = ["class_name", "torch_source"]

DEFAULT_FILLER = Filler()


def class_name(name: str) -> str:
    """`LeNet`, `resnet_50` and `9x9` as names of classes; `softmax`, which a module bears, as SoftmaxNet."""
    text = "".join(part[:1].upper() + part[1:] for part in attribute(name).split("_"))
    return text if text and text not in definitions() else f"{text}Net"


def torch_source(typed: TypedGraph, origin: str = "") -> str:
    """The module's text: imports, what torch lacks, a class per block, the network."""
    structure = Structure(typed)
    root = grouped(typed, structure)
    name = class_name(typed.graph.name)
    bodies = [block_class(cls, structure) for cls in structure.classes]
    bodies.append(network_class(name, root, typed, structure))
    used = {word for body in bodies for word in called(body)} | {"Network"}
    homes = list(dict.fromkeys(home for n in typed.graph.nodes if (home := type(n.layer).home) is not None))
    helpers = inlined(used - set(structure.class_names()), homes)
    rest = "\n".join(helpers + bodies)
    heads = [
        line
        for line in import_lines(homes)
        if line.split()[-1] in words(rest) or any(w.strip(",") in words(rest) for w in line.split("import ")[1].split())
    ]
    parts = [
        f'"""{typed.graph.name}: compiled by netspec{f" from {origin}" if origin else ""}, {typed.graph.phase} phase. Needs only torch."""'
    ]
    return "\n\n\n".join(["\n\n".join([*parts, "\n".join(heads)]), *helpers, *bodies]) + "\n"


def called(text: str) -> set[str]:
    """Names that the text uses by themselves: not as an attribute, nor in a string or a comment."""
    bare = re.sub(r"'[^'\n]*'|\"[^\"\n]*\"|#.*", "", text)
    return set(re.findall(r"(?<![.\w])[A-Za-z_]\w*", bare))


def words(text: str) -> set[str]:
    """Identifiers in a text."""
    return set("".join(c if c.isalnum() or c == "_" else " " for c in text).split())


def network_class(name: str, root: Group, typed: TypedGraph, structure: Structure) -> str:
    graph = typed.graph
    names = Names()
    head = "; ".join(f"{i.value.name} {typed.types[i.value]}" for i in graph.inputs)
    tail = "; ".join(f"{v.name} {typed.types[v]}" for v in graph.outputs)
    lines = [f"class {name}(Network):", f'    """{head} -> {tail}"""', ""]
    lines.append(f"    inputs = {tuple(i.value.name for i in graph.inputs)!r}")
    lines.append(f"    outputs = {tuple(v.name for v in graph.outputs)!r}")
    optional = tuple(i.value.name for i in graph.inputs if i.node in graph.sources)
    if optional:
        lines.append(f"    optional = {optional!r}")
    lines += table("layers", {n.name: (structure.paths[n], *(w.name for w in typed.weights[n])) for n in (*graph.sources, *graph.nodes)})
    lines += table("blobs", {name: (structure.paths[v.node], v.index) for name, v in graph.blobs.items() if v.node in structure.paths})
    modes = {structure.paths[n]: n.mode == "TRAIN" for n in graph.nodes if n.mode is not None}
    if modes:
        lines += table("modes", modes)
    weights = {top.name: w for n in graph.nodes for top, w in zip(n.tops, n.loss_weights, strict=False) if w}
    if weights:
        lines += table("loss_weights", weights)
    pinned = ["        self.train()"] if modes else []
    lines += ["", *constructor(root, {}, structure), *pinned, "", *fillers(root, structure)]
    arguments = [names[i.value.name] for i in graph.inputs]
    declared = [
        f"{a}: Tensor | None = None" if i.value.name in optional else f"{a}: Tensor" for a, i in zip(arguments, graph.inputs, strict=True)
    ]
    lines += ["", f"    def forward({', '.join(['self', *declared])}) -> Tensor | dict[str, Tensor]:"]
    variables = dict(zip((i.value for i in graph.inputs), arguments, strict=True))
    losses = [(top, w) for n in graph.nodes for top, w in zip(n.tops, n.loss_weights, strict=False) if w]
    lines += forward(root, variables, names, typed, structure, keep=frozenset(v for v, _ in losses))
    if losses:
        terms = [loss_term(variables[v], w, typed.types[v].rank) for v, w in losses]
        lines.append(f"        self.total_loss = {' + '.join(terms)}")
    results = [(v.name, variables[v]) for v in graph.outputs]
    lines.append(
        f"        return {results[0][1]}" if len(results) == 1 else f"        return {{{', '.join(f'{n!r}: {v}' for n, v in results)}}}"
    )
    return "\n".join(lines)


def loss_term(variable: str, weight: float, rank: int) -> str:
    value = variable if rank == 0 else f"{variable}.sum()"
    return value if weight == 1 else f"{weight!r} * {value}"


def table(name: str, entries: Mapping[str, object]) -> list[str]:
    """A class attribute, one entry per line."""
    if not entries:
        return [f"    {name} = {{}}"]
    return [f"    {name} = {{", *(f"        {key!r}: {value!r}," for key, value in entries.items()), "    }"]


def block_class(group: Group, structure: Structure) -> str:
    """The class of a block: constructor arguments are what differs between its instances."""
    parameters = structure.parameters(group)
    names = Names(frozenset(parameters))
    own = {value: name for name, value in group.block.inputs} if group.block else {}
    inputs = [names[own.get(v, v.name)] for v in group.inputs]
    lines = [f"class {structure.class_of(group)}(nn.Module):", f'    """Block {group.block.template if group.block else ""}."""', ""]
    lines += [*constructor(group, parameters, structure), "", *fillers(group, structure), ""]
    returns = "Tensor" if len(group.outputs) == 1 else f"tuple[{', '.join(['Tensor'] * len(group.outputs))}]"
    lines.append(f"    def forward({', '.join(['self', *(f'{i}: Tensor' for i in inputs)])}) -> {returns}:")
    variables = dict(zip(group.inputs, inputs, strict=True))
    lines += forward(group, variables, names, structure.typed, structure)
    lines.append(f"        return {', '.join(variables[v] for v in group.outputs)}")
    return "\n".join(lines)


def constructor(group: Group, parameters: Mapping[str, str], structure: Structure) -> list[str]:
    """`__init__`: a comment with name, place and shapes, then the module."""
    declared = [f"{name}: {kind}" for name, kind in parameters.items()]
    lines = [f"    def __init__({', '.join(['self', *declared])}) -> None:", "        super().__init__()"]
    for child in group.children:
        lines.append(f"        # {comment(child, structure)}")
        lines.append(f"        self.{group.names[child.name]} = {structure.construction(group, child)}")
    for child in group.children:
        lines += [f"        {line}" for line in structure.ties(group, child)]
    lines.append("        self.reset_parameters()")
    return lines


def comment(child: Child, structure: Structure) -> str:
    if isinstance(child, Group):
        return f"{child.name}: block {child.block.template if child.block else ''}"
    span = child.places["name"]
    place = f"{span.source.name}:{span.begin[0]}  " if span is not None else ""
    bottoms, tops = structure.typed.bottoms(child), structure.typed.tops(child)
    return f"{place}{child.name}: {child.layer.type} {', '.join(map(str, bottoms))} -> {', '.join(map(str, tops))}"


def fillers(group: Group, structure: Structure) -> list[str]:
    """`reset_parameters`: each weight by the filler of the spec."""
    lines = ["    def reset_parameters(self) -> None:", '        """Fill the weights as the spec says."""']
    for child in group.children:
        if isinstance(child, Node):
            lines += [f"        {line}" for line in filling(child, f"self.{group.names[child.name]}", structure)]
    return lines


def filling(node: Node, path: str, structure: Structure) -> list[str]:
    lines = []
    weights = structure.typed.weights[node]
    for index, weight in enumerate(weights):
        if (node, index) in structure.typed.shared:
            continue
        f = weight.filler
        given = {name: f.__dict__[name] for name in FILLER_WORDS[f.type] if f.__dict__[name] != DEFAULT_FILLER.__dict__[name]}
        arguments = [f"{path}.{weight.name}", *(f"{k}={v!r}" for k, v in given.items())]
        if f.type == "kaiming_uniform":
            first = weights[0].shape
            count = 1
            for size in first[1:]:
                count *= size if isinstance(size, int) else 1
            arguments.append(f"fan_in={count}")
        if f.type == "values":
            arguments.append(repr(f.numbers))
        lines.append(f"{f.type}_({', '.join(arguments)})")
    return lines


FILLER_WORDS: dict[str, tuple[str, ...]] = {
    "constant": ("value",),
    "uniform": ("min", "max"),
    "gaussian": ("mean", "std", "sparse"),
    "xavier": ("variance_norm",),
    "msra": ("variance_norm",),
    "positive_unitball": (),
    "bilinear": (),
    "kaiming_uniform": (),
    "values": (),
}


def forward(
    group: Group, variables: dict[Value, str], names: Names, typed: TypedGraph, structure: Structure, keep: frozenset[Value] = frozenset()
) -> list[str]:
    """A line per child. What only the next line reads is called h; other values bear their blob's name, dropped after their last use."""
    lines: list[str] = []
    last = group.last_uses()
    held = set(group.outputs) | keep
    given = set(variables)
    for i, child in enumerate(group.children):
        reads = group.reads(child)
        stopped = child.stopped if isinstance(child, Node) else frozenset()
        given_to = (f"{variables[v]}.detach()" if at in stopped else variables[v] for at, v in enumerate(reads))
        call = f"self.{group.names[child.name]}({', '.join(given_to)})"
        makes = group.makes(child)
        for value in makes:
            soon = len(makes) == 1 and value not in held and group.readers(value) == [i + 1]
            final = len(makes) == 1 and value in held and group.outputs == (value,) and i == len(group.children) - 1 and value not in keep
            variables[value] = "h" if soon or final else names[group.own_name(value)]
        lines.append(f"        {', '.join(variables[v] for v in makes)} = {call}" if makes else f"        {call}")
        spent = [v for v in dict.fromkeys(reads) if last.get(v) == i and v not in held and v not in given and variables[v] != "h"]
        spent += [v for v in makes if v not in last and v not in held and variables[v] != "h"]
        live = {variables[v] for v in makes if v in held or last.get(v, -1) > i}
        gone = [variables[v] for v in spent if variables[v] not in live]
        if gone and i < len(group.children) - 1:
            lines.append(f"        del {', '.join(dict.fromkeys(gone))}")
    return lines
