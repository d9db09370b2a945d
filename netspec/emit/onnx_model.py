"""A TypedGraph as an ONNX model, node by node, with the spec's names. In: the graph, weights by
name; out: a ModelProto. Knows no torch.

The model is made and checked in full (onnx's strict shape inference against our own types) before
any weight goes in: an `Outline`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from netspec.diagnostics.model import Diagnostic, SpecError, fail
from netspec.emit.onnx_builder import OPSET, Body, Call, NotExportableError, Operand, unique
from netspec.emit.onnx_contract import STAGES, prepare_input, raw_type
from netspec.emit.onnx_folding import Fold, find_folds, fold_all
from netspec.emit.onnx_idioms import Builder
from netspec.emit.onnx_proto import node_proto, readers, tensor_proto, value_info
from netspec.ir.dims import Dim, untrace
from netspec.ir.graph import Input, Node, TypedGraph, Value
from netspec.ir.types import TensorType

if TYPE_CHECKING:
    import numpy as np
    from onnx import GraphProto, ModelProto, NodeProto

    Arrays = Mapping[str, np.ndarray[Any, Any]]

__all__ = ["Names", "Outline", "fit_weights", "names_of", "onnx_model", "outline_model"]

IR_VERSION = 10
"""The version that came with opset 22."""


@dataclass(frozen=True, eq=False)
class Outline:
    """A checked model that still lacks its weights.

    weights: name in the model -> name in weight files, and shape. tensors: name in the model of
    every value. inputs, outputs: what goes in and comes out; states: name of the input of each
    recurrent state -> name of its output, and type.
    """

    model: "ModelProto"
    weights: Mapping[str, tuple[str, tuple[int, ...]]]
    tensors: Mapping[Value, str]
    inputs: Mapping[str, TensorType]
    outputs: tuple[str, ...]
    states: Mapping[str, tuple[str, TensorType]]
    typed: TypedGraph
    folds: Mapping[Node, Fold]


def before(node: Node) -> tuple[str, ...]:
    """How the net is exported up to a layer that ONNX cannot hold: what it reads as outputs."""
    made = dict.fromkeys(value.name for value in node.bottoms if value.node is not None)
    if made:
        return (f"to export the net up to there: --set 'output=[{', '.join(made)}]'",)
    return ()


def onnx_model(
    typed: TypedGraph,
    weights: "Arrays",
    *,
    metadata: Mapping[str, str] | None = None,
    fused: bool = True,
) -> "ModelProto":
    """The model, weights and all, in memory. `weights` holds arrays by the spec's names
    (`conv1.weight`), as WeightRef names them.

    Raises SpecError: NS701 (a layer that ONNX cannot hold), NS702 (weights that do not fit), NS708
    (no output), NS901.
    """
    outline = outline_model(typed, metadata, fused)
    for name, array in fit_weights(outline, weights).items():
        outline.model.graph.initializer.append(tensor_proto(name, array))
    return outline.model


def outline_model(
    typed: TypedGraph, metadata: Mapping[str, str] | None = None, fused: bool = True
) -> Outline:
    """The model without weights, checked. fused: layers that vanish in others do (fusion/folding).
    Raises SpecError: NS701 for each layer that ONNX cannot hold, NS708 without outputs, NS901.
    """
    outline = Assembly(typed, fused).run()
    for key, value in (metadata or {}).items():
        outline.model.metadata_props.add(key=key, value=value)
    return outline


def fit_weights(outline: Outline, weights: "Arrays") -> "dict[str, np.ndarray[Any, Any]]":
    """The arrays by their names in the model, float32 and contiguous; those that are so already are
    not copied. Raises SpecError NS702.
    """
    import numpy as np

    found = {}
    for name, (key, shape) in outline.weights.items():
        if key not in weights:
            raise fail("NS702", f"{key} {list(shape)} is missing")
        if tuple(weights[key].shape) != shape:
            raise fail("NS702", f"{key} has {list(weights[key].shape)}: the net needs {list(shape)}")
        found[name] = np.ascontiguousarray(weights[key], np.float32).reshape(shape)
    return found | fold_all(outline.typed, outline.folds, weights)


class Assembly:
    """One walk over the graph: every layer builds its nodes, then they get their names."""

    def __init__(self, typed: TypedGraph, fused: bool) -> None:
        self.typed = typed
        self.graph = typed.graph
        self.g = Builder()
        self.calls: list[Call] = []
        self.protos: list[NodeProto] = []
        self.inputs: list[Operand] = []
        self.values: dict[Value, Operand] = {}
        self.weights: dict[str, Operand] = {}
        self.refs: dict[Node, list[tuple[str, TensorType, TensorType]]] = {}
        self.states: dict[str, tuple[Operand, Operand]] = {}
        self.node_names: set[str] = {node.name for node in self.graph.nodes}
        self.refused: list[Diagnostic] = []
        self.fixed = names_of(typed)
        self.names = self.fixed.tensors
        self.folds = self.fixed.folds if fused else {}
        self.folded: list[Operand] = []
        self.vanished = {node for each in self.folds.values() for node in each.fusion.nodes}
        self.g.taken.update(self.fixed.all())

    def run(self) -> Outline:
        self.declare_weights()
        for given in self.graph.inputs:
            self.input(given)
        for node in self.graph.nodes:
            self.node(node)
        if self.refused:
            raise SpecError(self.refused)
        if not self.graph.outputs:
            raise fail(
                "NS708",
                "a model needs an output, and every layer's top is read by another or dropped",
            )
        return self.outline()

    def declare_weights(self) -> None:
        """One operand for each tensor; of each use the name, the tensor's shape and the shape it is
        read in.
        """
        shapes: dict[str, TensorType] = {}
        for ref in self.typed.weight_refs():
            mine = TensorType(tuple(untrace(s) for s in ref.weight.shape))
            whole = shapes.setdefault(ref.name, mine)
            self.refs.setdefault(ref.node, []).append((ref.name, whole, mine))
            if ref.name not in self.weights:
                self.weights[ref.name] = Operand(self.fixed.weights[ref.name], whole)

    def input(self, given: Input) -> None:
        """A graph input; where it has a contract, what the net computes with is made from it by the
        contract's arithmetic.
        """
        type_, name = self.typed.types[given.value], given.value.name
        operand = Operand(name, raw_type(given, type_))
        self.inputs.append(operand)
        self.g.begin(name, {})
        made = prepare_input(self.g, operand, given, type_, self.fixed.stages[name])
        for axis, size in enumerate(type_.shape):
            if isinstance(size, Dim) and str(size).isidentifier():
                self.g.symbols.setdefault(str(size), (made, axis))
        self.settle(name, {})
        self.values[given.value] = made

    def node(self, node: Node) -> None:
        """The node at hand, with those that vanish in it; they come where the last of them
        stands.
        """
        if node in self.folds:
            self.layer(self.folds[node].fusion.nodes[0], self.folds[node])
        elif node not in self.vanished:
            self.layer(node)

    def layer(self, node: Node, fold: Fold | None = None) -> None:
        """What a layer builds: with its own weights, or those that others vanish in."""
        self.g.begin(node.name, self.states_of(node))
        values = fold.fusion.last.tops if fold is not None else node.tops
        try:
            self.refuse_training_phase(node)
            made = self.build(node, fold)
            if isinstance(made, (tuple, list)):
                tops = tuple(made)
            else:
                tops = (made,) * len(values[:1])
            self.settle(node.name, dict(zip(values, tops, strict=False)))
        except (NotExportableError, NotImplementedError) as error:
            why = str(error) or f"ONNX has no form of {node.layer.type}"
            self.refused.append(
                Diagnostic(
                    "NS701",
                    f"{node.layer.type} {node.name}: {why}",
                    node.places["type"],
                    notes=before(node),
                )
            )
        # the fault of a definition, of a plug-in's perhaps: told at its place, with all others
        except (
            TypeError,
            ValueError,
            KeyError,
            IndexError,
            AttributeError,
            AssertionError,
            ZeroDivisionError,
        ) as error:
            text = f"the ONNX form of {node.layer.type} {node.name} failed: {type(error).__name__}: {error}"
            self.refused.append(Diagnostic("NS901", text, node.places["type"]))
        for value in values:
            self.values.setdefault(value, Operand(self.names[value], self.typed.types[value]))

    def states_of(self, node: Node) -> dict[str, Operand]:
        """The states of a layer, as inputs of the graph."""
        states = node.layer.state(*self.typed.bottoms(node))
        return {
            name: Operand(self.g.unique(f"{node.name}.{name}"), TensorType(shape)) for name, shape in states
        }

    def build(self, node: Node, fold: Fold | None) -> Any:
        """The operators of a layer; what it answers is its tops."""
        bottoms = tuple(self.values[v] for v in node.bottoms)
        if fold is not None and fold.weight:
            held = {name: Operand(name, TensorType(shape)) for name, shape in fold.shapes.items()}
            self.folded += held.values()
            return fold.build(self.typed, self.g, bottoms[0], *held.values())
        if fold is not None and fold.number is not None:
            return self.g.Clip(bottoms[0], fold.number, fold.number)  # as wide as what it reads
        weights = zip(self.typed.weights[node], self.refs.get(node, ()), strict=True)
        read = {
            w.name: self.weights[n] if a == b else self.g.reshape(self.weights[n], b.shape)
            for w, (n, a, b) in weights
        }
        real = self.typed.find_converted(node)
        bottoms = tuple(self.g.cast(b, "float32") if i in real else b for i, b in enumerate(bottoms))
        return node.layer.onnx(self.g, *bottoms, **read)

    def refuse_training_phase(self, node: Node) -> None:
        """Refuse a layer that its own `phase` keeps training: a model draws nothing and gathers
        nothing.
        """
        gathers = any(w.kind == "statistic" for w in self.typed.weights[node])
        if node.mode == "TRAIN" and (gathers or node.layer.draws):
            raise self.g.refuse("its own phase is TRAIN: a served model has what training leaves")

    def settle(self, layer: str, tops: dict[Value, Operand]) -> None:
        """Name what the layer built: its tops, what it keeps, its nodes, and the rest after
        them.
        """
        g = self.g
        fresh = {o for call in g.main for o in call.outputs}
        for value, operand in tops.items():
            top = self.own(operand, fresh)
            top.name, top.known = self.names[value], self.typed.types[value]
            self.values[value] = top
        for name, before in g.states.items():
            after = self.own(g.kept[name], fresh)
            after.name, after.known = g.unique(f"{layer}.{name}.next"), before.known
            self.states[before.name] = (before, after)
        last = self.values[list(tops)[-1]] if tops else None
        main = next((call for call in g.main if last in call.outputs), None)
        for call in g.main:
            self.name(call, layer, main)
        self.calls += g.main
        self.protos += [node_proto(call) for call in g.main]

    def own(self, operand: Operand, fresh: set[Operand]) -> Operand:
        """The operand, if this layer made it and it bears no name yet; else a copy."""
        if operand not in fresh or operand.name:
            operand = self.g.Identity(operand)
        return operand

    def name(self, call: Call, layer: str, main: Call | None) -> None:
        if call is main:
            call.name = layer
        else:
            call.name = self.unique_node(f"{layer}/{call.op}")
        for body in call.attributes.values():
            if isinstance(body, Body):
                body.name = f"{call.name}/body"
                for operand in body.inputs:
                    operand.name = self.g.unique(f"{layer}/{call.op}/in")
                for inner in body.calls:
                    self.name(inner, layer, None)
        for operand in call.outputs:
            operand.name = operand.name or self.g.unique(f"{layer}/{call.op}")

    def unique_node(self, name: str) -> str:
        found, count = name, 0
        while found in self.node_names:
            count += 1
            found = f"{name}_{count}"
        self.node_names.add(found)
        return found

    def outline(self) -> Outline:
        from onnx import helper

        used = readers(self.calls)
        weights = {o.name: (name, numbers(o.type)) for name, o in self.weights.items() if o in used}
        outputs = [self.values[v] for v in self.graph.outputs]
        states = [*self.states.values()]
        inner = [
            o
            for v, o in self.values.items()
            if v.node is not None and o not in outputs and o not in self.inputs
        ]
        graph = helper.make_graph(
            self.protos,
            self.graph.name or "net",
            [value_info(o) for o in (*self.inputs, *(before for before, _ in states))],
            [value_info(o) for o in (*outputs, *(after for _, after in states))],
            [tensor_proto(o.name, a) for o, a in self.g.arrays.items() if o in used],
            value_info=[value_info(o) for o in inner],
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="netspec",
            producer_version=version(),
        )
        check(model, [o for o in (*self.weights.values(), *self.folded) if o in used])
        return Outline(
            model,
            weights,
            {v: o.name for v, o in self.values.items()},
            {o.name: o.type for o in self.inputs},
            tuple(o.name for o in outputs),
            {b.name: (a.name, b.type) for b, a in states},
            self.typed,
            self.folds,
        )


@dataclass(frozen=True, eq=False)
class Names:
    """What things are called in a model, known before it is built: values; weights by their spec's
    name; the contract's stages by input; what is folded, by the last layer.
    """

    tensors: Mapping[Value, str]
    weights: Mapping[str, str]
    stages: Mapping[str, Mapping[str, str]]
    folds: Mapping[Node, Fold]

    def all(self) -> set[str]:
        return {
            *self.tensors.values(),
            *self.weights.values(),
            *(name for named in self.stages.values() for name in named.values()),
            *(name for fold in self.folds.values() for name in fold.shapes),
        }


def names_of(typed: TypedGraph) -> Names:
    """The names that a model of this graph has."""
    tensors = tensor_names(typed)
    taken = set(tensors.values())
    weights = {name: unique(name, taken) for name in dict.fromkeys(ref.name for ref in typed.weight_refs())}
    stages = {
        i.value.name: {stage: unique(f"{i.value.name}/{stage}", taken) for stage in STAGES}
        for i in typed.graph.inputs
    }
    return Names(tensors, weights, stages, find_folds(typed, partial(unique, taken=taken)))


def tensor_names(typed: TypedGraph) -> dict[Value, str]:
    """The name of each value in the model: its blob's. Where in-place layers make a blob anew, only
    the last has it, others `blob/layer`.

    An input keeps its name, since it is fed by it.
    """
    inputs = {i.value: i.value.name for i in typed.graph.inputs}
    given, names = set(inputs.values()), dict(inputs)
    last = {v.name: v for node in typed.graph.nodes for v in node.tops}
    for node in typed.graph.nodes:
        for value in node.tops:
            if last[value.name] is value and value.name not in given:
                names[value] = value.name
            else:
                names[value] = f"{value.name}/{node.name}"
    return names


def numbers(type_: TensorType) -> tuple[int, ...]:
    """The shape of a weight: inference has seen to it that its sizes are numbers."""
    return tuple(s for s in map(untrace, type_.shape) if isinstance(s, int))


def check(model: "ModelProto", weights: list[Operand]) -> None:
    """onnx's own full check, weights as typed inputs. Raises SpecError NS901: whatever it finds is
    a fault of ours.
    """
    from onnx import checker, shape_inference

    graph: GraphProto = model.graph
    count = len(graph.input)
    graph.input.extend(value_info(w) for w in weights)
    try:
        checker.check_model(model, full_check=True)
    except (checker.ValidationError, shape_inference.InferenceError, TypeError) as error:
        raise fail("NS901", f"the ONNX model is not valid: {' '.join(str(error).split())}") from error
    finally:
        del graph.input[count:]


def version() -> str:
    from netspec.version import __version__

    return __version__
