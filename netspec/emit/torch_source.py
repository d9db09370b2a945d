"""A TypedGraph as readable Python that needs only torch. Comes in: the graph; goes out: the text.
Imports no torch.

Block instances become nested modules, one class per structure (emit/structure.py); everything else
is a line per layer.
"""

from collections.abc import Mapping
from typing import Any

from netspec.diagnostics import fail
from netspec.emit.inline import import_lines, inline_definitions, module_names, names_used
from netspec.emit.names import BUILTINS, FORBIDDEN, Names, attribute
from netspec.emit.quote import Code, code, comment, docstring, identifier, join_code, source
from netspec.emit.structure import Child, Group, Step, Structure, group_nodes
from netspec.fusion.passes import fuse
from netspec.ir.graph import Node, TypedGraph, Value
from netspec.ir.layer import Filler

__all__ = ["class_name", "torch_source"]

DEFAULT_FILLER = Filler()
EMPTY = code("")


def class_name(name: str, taken: frozenset[str] = frozenset()) -> Code:
    """`LeNet`, `resnet_50` and `9x9` as names of classes; `softmax`, which a module bears, as
    SoftmaxNet. taken: further names.
    """
    text = "".join(part[:1].upper() + part[1:] for part in attribute(name).split("_"))
    others = taken | module_names() | BUILTINS | FORBIDDEN
    return Names(others).fresh(text if text and text not in others else f"{text}Net")


def torch_source(typed: TypedGraph, origin: str = "", *, fused: bool = True) -> str:
    """The module's text: imports, what torch lacks, a class per block, the network, last.

    fused: layers that can run as one do (fusion/). Whatever the spec calls its parts, its words
    come into the text through emit/quote.py alone, and no two classes have one name.
    """
    homes = list(dict.fromkeys(home for n in typed.graph.nodes if (home := type(n.layer).home) is not None))
    taken = module_names(homes) | BUILTINS
    name = class_name(typed.graph.name, taken)
    structure = Structure(typed, taken | {name}, fuse(typed) if fused else ())
    root = group_nodes(typed, structure)
    once(taken, [name, *structure.class_names])
    bodies = [block_class(cls, structure) for cls in structure.classes]
    bodies.append(network_class(name, root, typed, structure))
    words = frozenset().union(*map(names_used, bodies))
    helpers, further = inline_definitions(words, homes)
    heads = import_lines(homes, words | further)
    made_from = f" from {origin}" if origin else ""
    title = docstring(
        f"{typed.graph.name}: compiled by netspec{made_from}, {typed.graph.phase} phase. Needs only torch."
    )
    return join_code("\n\n\n", [join_code("\n\n", [title, source(heads)]), *helpers, *bodies]) + "\n"


def once(taken: frozenset[str], classes: list[Code]) -> None:
    """NS503: two classes have one name, or one has the name of something else in the text."""
    double = [name for i, name in enumerate(classes) if name in taken or name in classes[:i]]
    if double:
        raise fail("NS503", f"{', '.join(double)} would be defined twice")


def network_class(name: Code, root: Group, typed: TypedGraph, structure: Structure) -> Code:
    graph = typed.graph
    names = Names()
    head = "; ".join(f"{i.value.name} {typed.types[i.value]}" for i in graph.inputs)
    tail = "; ".join(f"{v.name} {typed.types[v]}" for v in graph.outputs)
    lines = [
        code("class {}(Network):", name),
        code("    {}", docstring(f"{head} -> {tail}")),
        EMPTY,
    ]
    lines.append(code("    inputs = {}", tuple(i.value.name for i in graph.inputs)))
    lines.append(code("    outputs = {}", tuple(v.name for v in graph.outputs)))
    optional = tuple(i.value.name for i in graph.inputs if i.node in graph.sources)
    if optional:
        lines.append(code("    optional = {}", optional))
    lines += table(
        code("layers"),
        {
            n.name: (str(structure.paths[n]), *(w.name for w in typed.weights[n]))
            for n in (*graph.sources, *graph.nodes)
        },
    )
    made = {
        name: (str(structure.paths[v.node]), v.index)
        for name, v in graph.blobs.items()
        if v.node in structure.paths
    }
    lines += table(code("blobs"), made)
    modes = {str(structure.paths[n]): n.mode == "TRAIN" for n in graph.nodes if n.mode is not None}
    if modes:
        lines += table(code("modes"), modes)
    weights = {top.name: w for n in graph.nodes for top, w in zip(n.tops, n.loss_weights, strict=False) if w}
    if weights:
        lines += table(code("loss_weights"), weights)
    pinned = [code("        self.train()")] if modes else []
    lines += [EMPTY, *constructor(root, {}, structure), *pinned, EMPTY, *fillers(root, structure)]
    arguments = [names[i.value.name] for i in graph.inputs]
    declared = [
        code("{}: Tensor | None = None" if i.value.name in optional else "{}: Tensor", a)
        for a, i in zip(arguments, graph.inputs, strict=True)
    ]
    lines += [
        EMPTY,
        code(
            "    def forward({}) -> Tensor | dict[str, Tensor]:",
            join_code(", ", [code("self"), *declared]),
        ),
    ]
    variables = dict(zip((i.value for i in graph.inputs), arguments, strict=True))
    losses = [(top, w) for n in graph.nodes for top, w in zip(n.tops, n.loss_weights, strict=False) if w]
    lines += forward(root, variables, names, typed, structure, keep=frozenset(v for v, _ in losses))
    if losses:
        terms = [loss_term(variables[v], w, typed.types[v].rank) for v, w in losses]
        lines.append(code("        self.total_loss = {}", join_code(" + ", terms)))
    results = [(v.name, variables[v]) for v in graph.outputs]
    if len(results) == 1:
        lines.append(code("        return {}", results[0][1]))
    else:
        lines.append(
            code("        return {{{}}}", join_code(", ", [code("{}: {}", n, v) for n, v in results]))
        )
    return source(lines)


def loss_term(variable: Code, weight: float, rank: int) -> Code:
    # Caffe weighs every number of a loss's top
    value = variable if rank == 0 else code("{}.sum()", variable)
    if weight == 1:
        return value
    return code("{} * {}", weight, value)


def table(name: Code, entries: Mapping[str, Any]) -> list[Code]:
    """A class attribute, one entry per line."""
    if not entries:
        return [code("    {} = {{}}", name)]
    rows = [code("        {}: {},", key, value) for key, value in entries.items()]
    return [code("    {} = {{", name), *rows, code("    }}")]


def block_class(group: Group, structure: Structure) -> Code:
    """The class of a block: constructor arguments are what differs between its instances."""
    parameters = structure.parameters(group)
    names = Names(frozenset(parameters))
    own = {value: name for name, value in group.block.inputs} if group.block else {}
    inputs = [names[own.get(v, v.name)] for v in group.inputs]
    title = docstring(f"Block {group.block.template if group.block else ''}.")
    lines = [code("class {}(nn.Module):", structure.class_of(group)), code("    {}", title), EMPTY]
    lines += [*constructor(group, parameters, structure), EMPTY, *fillers(group, structure), EMPTY]
    several = code("tuple[{}]", join_code(", ", [code("Tensor")] * len(group.outputs)))
    returns = code("Tensor") if len(group.outputs) == 1 else several
    lines.append(
        code(
            "    def forward({}) -> {}:",
            join_code(", ", [code("self"), *(code("{}: Tensor", i) for i in inputs)]),
            returns,
        )
    )
    variables = dict(zip(group.inputs, inputs, strict=True))
    lines += forward(group, variables, names, structure.typed, structure)
    lines.append(code("        return {}", join_code(", ", [variables[v] for v in group.outputs])))
    return source(lines)


def constructor(group: Group, parameters: Mapping[Code, Code], structure: Structure) -> list[Code]:
    """`__init__`: a comment with name, place and shapes, then the module."""
    declared = [code("{}: {}", name, kind) for name, kind in parameters.items()]
    lines = [
        code("    def __init__({}) -> None:", join_code(", ", [code("self"), *declared])),
        code("        super().__init__()"),
    ]
    for child in group.children:
        lines.append(code("        {}", comment(remark(child, structure))))
        lines.append(
            code(
                "        self.{} = {}",
                group.names[child.name],
                structure.construction(group, child),
            )
        )
    for child in group.children:
        lines += [code("        {}", line) for line in structure.ties(group, child)]
    lines.append(code("        self.reset_parameters()"))
    return lines


def remark(child: Child, structure: Structure) -> str:
    """What the comment above a module says: place, name, type and shapes."""
    if isinstance(child, Group):
        return f"{child.name}: block {child.block.template if child.block else ''}"
    span = child.places["name"]
    if span is not None:
        place = f"{span.source.name}:{span.begin[0]}  "
    else:
        place = ""
    bottoms, tops = structure.typed.bottoms(child), structure.typed.tops(child)
    return (
        f"{place}{child.name}: {child.layer.type} {', '.join(map(str, bottoms))} ->"
        f" {', '.join(map(str, tops))}"
    )


def fillers(group: Group, structure: Structure) -> list[Code]:
    """`reset_parameters`: each weight by the filler of the spec."""
    lines = [
        code("    def reset_parameters(self) -> None:"),
        code("        {}", docstring("Fill the weights as the spec says.")),
    ]
    for child in group.children:
        if isinstance(child, Node):
            lines += [
                code("        {}", line)
                for line in filling(child, code("self.{}", group.names[child.name]), structure)
            ]
    return lines


def filling(node: Node, path: Code, structure: Structure) -> list[Code]:
    lines = []
    weights = structure.typed.weights[node]
    for index, weight in enumerate(weights):
        if (node, index) in structure.typed.shared:
            continue
        f = weight.drawn
        given = {
            name: f.__dict__[name]
            for name in f.own_words
            if f.__dict__[name] != DEFAULT_FILLER.__dict__[name]
        }
        arguments = [
            code("{}.{}", path, identifier(weight.name)),
            *(code("{}={}", identifier(k), v) for k, v in given.items()),
        ]
        if f.type == "kaiming_uniform":
            count = 1
            for size in weights[0].seen:
                count *= size if isinstance(size, int) else 1
            arguments.append(code("fan_in={}", count))
        if f.type == "values":
            arguments.append(code("{}", f.numbers))
        lines.append(code("{}_({})", identifier(f.type), join_code(", ", arguments)))
    return lines


def forward(
    group: Group,
    variables: dict[Value, Code],
    names: Names,
    typed: TypedGraph,
    structure: Structure,
    keep: frozenset[Value] = frozenset(),
) -> list[Code]:
    """A line per step. What only the next line reads is called h; other values bear their blob's
    name, dropped after their last use.
    """
    lines: list[Code] = []
    steps = structure.steps(group)
    last = {value: i for i, step in enumerate(steps) for value in step.reads}
    held = set(group.outputs) | keep
    given = set(variables)
    for i, step in enumerate(steps):
        line = call(step, group, variables)
        makes = step.makes
        for value in makes:
            soon = len(makes) == 1 and value not in held and readers(steps, value) == [i + 1]
            final = (
                len(makes) == 1
                and value in held
                and group.outputs == (value,)
                and i == len(steps) - 1
                and value not in keep
            )
            if soon or final:
                variables[value] = code("h")
            else:
                variables[value] = names[group.own_name(value)]
        made = join_code(", ", [variables[v] for v in makes])
        lines.append(code("        {} = {}", made, line) if makes else code("        {}", line))
        spent = [
            v
            for v in dict.fromkeys(step.reads)
            if last.get(v) == i and v not in held and v not in given and variables[v] != "h"
        ]
        spent += [v for v in makes if v not in last and v not in held and variables[v] != "h"]
        live = {variables[v] for v in makes if v in held or last.get(v, -1) > i}
        gone = [variables[v] for v in spent if variables[v] not in live]
        if gone and i < len(steps) - 1:
            lines.append(code("        del {}", join_code(", ", dict.fromkeys(gone))))
    return lines


def readers(steps: list[Step], value: Value) -> list[int]:
    """Which steps read a value."""
    return [i for i, step in enumerate(steps) if value in step.reads]


def call(step: Step, group: Group, variables: Mapping[Value, Code]) -> Code:
    """A module on what it reads; of what runs as one, the function that runs these modules."""
    modules = [code("self.{}", group.names[child.name]) for child in step.children]
    if step.fusion is not None:
        more = [code("{}", argument) for argument in step.fusion.arguments]
        given = [*(variables[v] for v in step.reads), *modules, *more]
        return code("{}({})", identifier(step.fusion.function), join_code(", ", given))
    (child,) = step.children
    stopped = child.stopped if isinstance(child, Node) else frozenset()
    given = [code("{}.detach()" if at in stopped else "{}", variables[v]) for at, v in enumerate(step.reads)]
    return code("{}({})", modules[0], join_code(", ", given))
