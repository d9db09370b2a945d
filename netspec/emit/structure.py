"""Which nodes form which block, and which block instances are the same class. Compares instances by
structure; arguments may differ.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Union

from netspec.analysis.infer import open_sizes
from netspec.diagnostics import fail
from netspec.emit.names import Names
from netspec.emit.quote import Code, code, identifier, join_code
from netspec.fusion.fusion import Fusion
from netspec.ir.graph import Block, Node, TypedGraph, Value
from netspec.ir.layer import ModuleText

__all__ = ["Child", "Group", "Step", "Structure", "group_nodes"]


class Group:
    """The whole net, or one block instance: its children in order, the values that come in, and
    those that others read.
    """

    def __init__(
        self,
        name: str,
        block: Block | None,
        children: "tuple[Child, ...]",
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        sources: tuple[Node, ...] = (),
    ) -> None:
        self.name = name
        self.block = block
        self.children = children
        self.inputs = inputs
        self.outputs = outputs
        self.sources = sources
        prefix = f"{name}." if block else ""
        self.local = {child.name: child.name.removeprefix(prefix) for child in children}
        names = Names()
        self.names = {child.name: names[self.local[child.name]] for child in children}
        self.order = {value: i for i, child in enumerate(children) for value in self.makes(child)}

    def reads(self, child: "Child") -> tuple[Value, ...]:
        """What goes into a child: for a data layer, its own tops as they were passed in."""
        if isinstance(child, Group):
            return child.inputs
        if child in self.sources:
            return child.tops
        return child.bottoms

    def makes(self, child: "Child") -> tuple[Value, ...]:
        if isinstance(child, Group):
            return child.outputs
        return child.tops

    def own_name(self, value: Value) -> str:
        """A value's name as the block itself says it."""
        if self.block:
            return value.name.removeprefix(f"{self.name}.")
        return value.name


Child = Union[Node, Group]


class Step(NamedTuple):
    """A line of `forward`: the children that run in it, what it reads, what it makes."""

    children: tuple[Child, ...]
    reads: tuple[Value, ...]
    makes: tuple[Value, ...]
    fusion: Fusion | None = None


def group_nodes(typed: TypedGraph, structure: "Structure") -> Group:
    """The nodes as a tree of block instances; fills `structure` on the way."""
    graph = typed.graph
    uses: dict[Value, set[Node | None]] = {}
    for node in graph.nodes:
        for value in node.bottoms:
            uses.setdefault(value, set()).add(node)
    for value in graph.outputs:
        uses.setdefault(value, set()).add(None)
    root = group_of(
        "",
        None,
        list(graph.nodes),
        0,
        uses,
        tuple(i.value for i in graph.inputs),
        graph.outputs,
        graph.sources,
    )
    structure.learn(root)
    return root


def group_of(
    name: str,
    block: Block | None,
    nodes: list[Node],
    depth: int,
    uses: dict[Value, set[Node | None]],
    inputs: tuple[Value, ...],
    outputs: tuple[Value, ...],
    sources: tuple[Node, ...] = (),
) -> Group:
    """Nodes of one instance, those of inner instances gathered; of the whole net, first its data
    layers.
    """
    children: list[Child] = [*sources]
    i = 0
    while i < len(nodes):
        if len(nodes[i].blocks) == depth:
            children.append(nodes[i])
            i += 1
            continue
        inner = nodes[i].blocks[depth]
        j = i
        while j < len(nodes) and len(nodes[j].blocks) > depth and nodes[j].blocks[depth] == inner:
            j += 1
        members = nodes[i:j]
        own = {value for node in members for value in node.tops}
        given = tuple(dict.fromkeys(v for node in members for v in node.bottoms if v not in own))
        left = tuple(v for node in members for v in node.tops if uses.get(v, set()) - set(members))
        children.append(group_of(inner.name, inner, members, depth + 1, uses, given, left))
        i = j
    return Group(name, block, tuple(children), inputs, outputs, sources)


class Structure:
    """The classes of a net's blocks: instances of the same template whose layers and wiring are
    equal share one.

    taken: names that the text uses beside them; neither a class nor a constructor's argument is
    called so.
    """

    def __init__(
        self,
        typed: TypedGraph,
        taken: frozenset[str] = frozenset(),
        fusions: tuple[Fusion, ...] = (),
    ) -> None:
        self.typed = typed
        self.fused = {node: fusion for fusion in fusions for node in fusion.nodes}
        self.reserved = taken
        self.paths: dict[Node, Code] = {}
        self.modules: dict[Node, ModuleText] = {
            node: module_of(node, typed) for node in (*typed.graph.sources, *typed.graph.nodes)
        }
        self.converted = {node: found for node in typed.graph.nodes if (found := typed.find_converted(node))}
        self.instances: dict[Any, list[Group]] = {}
        self.keys: dict[Group, Any] = {}
        self.given: dict[Any, Code] = {}
        self.names = Names(taken)
        self.found: dict[Any, dict[tuple[str, str], tuple[Code, list[Any]]]] = {}

    def learn(self, root: Group) -> None:
        self.place(root, None)
        for child in root.children:
            if isinstance(child, Group):
                self.key(child)

    def place(self, group: Group, path: Code | None) -> None:
        for child in group.children:
            own = group.names[child.name]
            full = code("{}.{}", path, own) if path is not None else own
            if isinstance(child, Group):
                self.place(child, full)
            else:
                self.paths[child] = full

    def key(self, group: Group) -> Any:
        """What two instances must have in common to be one class."""
        if group in self.keys:
            return self.keys[group]
        numbers = {value: i for i, value in enumerate(group.inputs)}
        rows = []
        for child in group.children:
            reads = tuple(numbers[v] for v in group.reads(child))
            for value in group.makes(child):
                numbers[value] = len(numbers)
            if isinstance(child, Group):
                what = self.key(child)
            else:
                what = self.node_key(child)
            rows.append(
                (
                    group.local[child.name],
                    reads,
                    len(group.makes(child)),
                    what,
                    tuple(v.name.removeprefix(f"{group.name}.") for v in group.makes(child)),
                )
            )
        key = (
            group.block.template if group.block else "",
            len(group.inputs),
            tuple(rows),
            tuple(numbers[v] for v in group.outputs),
        )
        self.keys[group] = key
        self.instances.setdefault(key, []).append(group)
        if key not in self.given:
            self.given[key] = self.names.fresh(self.propose_name(group))
        return key

    def steps(self, group: Group) -> list[Step]:
        """The lines of a group's `forward`: what runs as one stands where the last of it does."""
        found = []
        for child in group.children:
            fusion = self.fused.get(child) if isinstance(child, Node) else None
            if fusion is None:
                found.append(Step((child,), group.reads(child), group.makes(child)))
            elif child is fusion.last:
                found.append(Step(fusion.nodes, fusion.reads, group.makes(child), fusion))
        return found

    def propose_name(self, group: Group) -> str:
        """The name that a block's class has if it is free: the block's, and from its second class
        on a number.
        """
        template = group.block.template if group.block else ""
        before = sum(1 for key in self.given if key[0] == template)
        words = (template or "Block").replace("-", "_").split("_")
        return "".join(p[:1].upper() + p[1:] for p in words) + (str(before + 1) if before else "")

    def node_key(self, node: Node) -> Any:
        text = self.modules[node]
        fusion = self.fused.get(node)
        tied = any(owner[0] is node for owner in self.typed.shared)
        fillers = tuple(repr(w.drawn) for w in self.typed.weights[node])
        fans = tuple(
            w.seen if w.filler.type == "kaiming_uniform" else () for w in self.typed.weights[node][:1]
        )
        return (
            text.target,
            len(text.arguments),
            tuple(text.keywords),
            fillers,
            fans,
            tied,
            node.layer.top_count,
            node.stopped,
            (fusion.function, fusion.arguments, len(fusion.nodes)) if fusion is not None else None,
        )

    @property
    def classes(self) -> list[Group]:
        """One instance of each class, inner classes first."""
        return [groups[0] for groups in self.instances.values()]

    @property
    def class_names(self) -> list[Code]:
        return list(self.given.values())

    def class_of(self, group: Group) -> Code:
        return self.given[self.key(group)]

    def varying(self, key: Any) -> dict[tuple[str, str], tuple[Code, list[Any]]]:
        """What differs between the instances of a class: (child, slot) -> (parameter name, value
        per instance).
        """
        if key in self.found:
            return self.found[key]
        groups = self.instances[key]
        found = self.found[key] = {}
        names = Names(self.reserved | set(self.given.values()))
        by_value: dict[str, Code] = {}
        for i, child in enumerate(groups[0].children):
            local = groups[0].local[child.name]
            peers = [g.children[i] for g in groups]
            for slot, values in self.slots(peers):
                # 1 == 1.0 == True, and yet they are other arguments
                if any(repr(v) != repr(values[0]) for v in values):
                    column = repr(values)
                    if column not in by_value:
                        by_value[column] = names.fresh(self.variable(groups, values) or f"{local}_{slot}")
                    found[local, slot] = (by_value[column], values)
        return found

    def slots(self, peers: list[Child]) -> Iterator[tuple[str, list[Any]]]:
        """Every argument of the same child in all instances."""
        first = peers[0]
        if isinstance(first, Group):
            inner = self.varying(self.key(first))
            groups = self.instances[self.key(first)]
            for name, values in dict(inner.values()).items():
                yield name, [values[groups.index(p)] for p in peers if isinstance(p, Group)]
            return
        texts = [self.modules[p] for p in peers if isinstance(p, Node)]
        for i in range(len(texts[0].arguments)):
            yield f"argument{i}", [t.arguments[i] for t in texts]
        for word in texts[0].keywords:
            yield word, [t.keywords[word] for t in texts]

    def variable(self, groups: list[Group], values: list[Any]) -> str | None:
        """The block's variable that has just these values in these instances."""
        tables = [dict(g.block.variables) if g.block else {} for g in groups]
        return next(
            (
                name
                for name in tables[0]
                if all(repr(t.get(name)) == repr(v) for t, v in zip(tables, values, strict=True))
            ),
            None,
        )

    def parameters(self, group: Group) -> dict[Code, Code]:
        """The constructor's arguments with their types."""
        return {name: kind(values) for name, values in self.varying(self.key(group)).values()}

    def construction(self, group: Group, child: Child) -> Code:
        """`nn.Conv2d(1, 20, (5, 5))`, with the class's parameters where instances differ."""
        local = group.local[child.name]
        inside = self.varying(self.key(group)) if group.block else {}

        def said(slot: str, value: object) -> object:
            if (local, slot) in inside:
                return inside[local, slot][0]
            return value

        if isinstance(child, Group):
            inner = self.varying(self.key(child))
            index = self.instances[self.key(child)].index(child)
            words = {name: said(name, values[index]) for name, values in inner.values()}
            return write_call(self.class_of(child), (), words)
        text = self.modules[child]
        arguments = tuple(said(f"argument{i}", a) for i, a in enumerate(text.arguments))
        return write_call(
            identifier(text.target),
            arguments,
            {identifier(k): said(k, v) for k, v in text.keywords.items()},
        )

    def ties(self, group: Group, child: Child) -> list[Code]:
        """Lines that make shared weights one tensor, and whole numbers real ones: written in the
        outermost class, which sees all.
        """
        if group.block is not None:
            return []
        inner = [
            node
            for node in self.converted
            if node is child or (isinstance(child, Group) and node.name.startswith(child.name + "."))
        ]
        lines = [
            code("read_as_real(self.{}, {})", self.paths[node], join_code(", ", self.converted[node]))
            for node in inner
        ]
        for (node, index), (owner, at) in self.typed.shared.items():
            if node is child or (isinstance(child, Group) and node.name.startswith(child.name + ".")):
                mine, first = self.typed.weights[node][index], self.typed.weights[owner][at]
                here, there = self.paths[node], self.paths[owner]
                if mine.shape == first.shape:
                    lines.append(
                        code(
                            "self.{}.{} = self.{}.{}",
                            here,
                            identifier(mine.name),
                            there,
                            identifier(first.name),
                        )
                    )
                else:
                    lines.append(
                        code(
                            "share_reshaped(self.{}, {}, self.{}, {}, {})",
                            here,
                            mine.name,
                            there,
                            first.name,
                            mine.shape,
                        )
                    )
        return lines


def module_of(node: Node, typed: TypedGraph) -> ModuleText:
    """A layer's module. NS304: an argument of it is an open size."""
    made = node.layer.torch(*typed.bottoms(node))
    for size in open_sizes((made.arguments, made.keywords)):
        raise fail(
            "NS304",
            f"{node.layer.type} {node.name}: its module is built of numbers: a size in it would be {size}",
            span=node.places["type"],
        )
    return made


def write_call(target: Code, arguments: tuple[object, ...], words: dict[Code, object]) -> Code:
    """A call: what is not Code already is written as a literal."""
    given = [code("{}", a) for a in arguments] + [code("{}={}", name, value) for name, value in words.items()]
    return code("{}({})", target, join_code(", ", given))


def kind(values: list[Any]) -> Code:
    """The annotation for an argument that takes these values."""
    names = {type(v).__name__ for v in values}
    if names == {"int", "float"}:
        return identifier("float")
    return identifier(names.pop() if len(names) == 1 else "Any")
