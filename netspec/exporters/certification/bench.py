"""Runs a case on both sides: onnxruntime, and torch in float64 and float32. In: a net, its
TypedGraph, cases; out: Runs. Judges nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import fail
from netspec.emit.onnx_contract import raw_type
from netspec.emit.onnx_model import names_of
from netspec.exporters.certification.cases import SAMPLES, Case, Values, array, cases, number
from netspec.exporters.certification.compare import EPS
from netspec.exporters.certification.reference import Reference, prepare
from netspec.exporters.certification.session import Session, reason
from netspec.ir.boxes import Boxes
from netspec.ir.dims import Size
from netspec.ir.field import Reads
from netspec.ir.graph import Input, Node, TypedGraph, Value
from netspec.ir.types import TensorType

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    Array = np.ndarray[Any, Any]
    Tensors = Mapping[Value, Array]

__all__ = ["Bench", "Run", "longest_sums", "perturb", "terms"]


@dataclass(frozen=True, eq=False)
class Run:
    """One call with a case: what the model's tensors hold, by value (of an input: what the net is
    given of it), and what went in.
    """

    case: Case
    feed: "Mapping[str, Array]"
    got: "Tensors"


class Bench:
    """Everything that it takes to run a case; inputs are what callers of the model feed, contract
    included.
    """

    def __init__(self, net: "nn.Module", typed: TypedGraph, device: str) -> None:
        self.typed = typed
        self.device = device
        self.exact = Reference(net, typed, device, double=True)
        self.single = Reference(net, typed, device, double=False)
        self.names = names_of(typed)
        given = typed.graph.inputs
        self.inputs = {i.value.name: raw_type(i, typed.types[i.value]) for i in given}
        self.values = {i.value.name: values_of(i, typed) for i in given}
        self.real: Mapping[str, Array] = {}
        self.states = {
            f"{node.name}.{name}": shape
            for node in typed.graph.nodes
            for name, shape in node.layer.state(*typed.bottoms(node))
        }

    def take(self, net: "nn.Module") -> None:
        """From here on with this network, of the same class."""
        self.exact.take(net)
        self.single = Reference(net, self.typed, self.device, double=False)

    def plan(self) -> list[Case]:
        """The cases; finds out what values the module takes where its layers do not say. Raises
        SpecError NS706 where none can be run.
        """
        pictures = any(values == "pixels" for values in self.values.values())
        planned = cases(self.typed, self.inputs, self.least, pictures)
        words = ", ".join(f"{name} {type_}" for name, type_ in self.inputs.items()) or "none"
        if not planned:
            raise fail("NS706", f"no sizes up to 4096 are legal for all layers; inputs: {words}")
        refusal: Exception | None = None
        for values in self.trials():
            self.values = values
            try:
                self.exact.reset()
                self.exact.run(self.feed(planned[0]), ())
            # torch's, where a real number stands for an index, say
            except (RuntimeError, IndexError, ValueError) as error:
                refusal = refusal or error
            else:
                return planned
        raise fail(
            "NS706",
            f"the torch module refuses every input that was tried ({words}):"
            f" {reason(refusal or RuntimeError())}",
        )

    @property
    def least(self) -> dict[str, int]:
        """The crop bounds the open sizes of an image that it is cut from; where the contract's
        `resize` is exact, none is open.
        """
        return {name: n for given in self.typed.graph.inputs for name, n in self.cut(given)}

    def cut(self, given: Input) -> list[tuple[str, int]]:
        """The open sizes of an input that is cropped, and the crop's."""
        crop = given.contract.crop if given.contract is not None else None
        pairs = zip(self.inputs[given.value.name].space, crop or (), strict=False)
        return [(str(size), n) for size, n in pairs if not isinstance(size, int)]

    def trials(self) -> Iterator[dict[str, Values]]:
        """What inputs may hold: what they hold now, then whole numbers (below 10, below 2, 0) in
        one of them, then in all.
        """
        now = self.values
        yield now
        for below in (10, 2, 1):
            yield from ({**now, name: below} for name in now)
            yield dict.fromkeys(now, below)

    def feed(self, case: Case) -> "dict[str, Array]":
        """What goes into the model: its inputs, and no state before the first call; of SAMPLES
        those in `real`.
        """
        if case.kind == SAMPLES:
            return dict(self.real)
        data = {
            name: array(case, type_, self.values[name], i)
            for i, (name, type_) in enumerate(self.inputs.items())
        }
        rows = {i.value.name: i.rows for i in self.typed.graph.inputs if i.rows is not None}
        data |= {name: each.draw(data[name]) for name, each in rows.items()}
        return {**data, **{name: zeros(shape, case) for name, shape in self.states.items()}}

    def rounds(self, case: Case, session: Session, values: Sequence[Value]) -> Iterator[Run]:
        """Run the case; twice where the net has state, the second time with what the first left."""
        self.exact.reset()
        self.single.reset()
        feed = self.feed(case)
        for _ in range(2 if self.states else 1):
            made = session.run(feed)
            got = {v: made[self.names.tensors[v]] for v in values if self.names.tensors[v] in made}
            yield Run(
                case,
                feed,
                {
                    **got,
                    **{i.value: self.feed_layers(i, feed, made) for i in self.typed.graph.inputs},
                },
            )
            if any(f"{name}.next" not in made for name in self.states):
                return
            feed = {**feed, **{name: made[f"{name}.next"] for name in self.states}}

    def feed_layers(self, given: Input, feed: "Mapping[str, Array]", made: "Mapping[str, Array]") -> "Array":
        """What the model hands to its layers of an input: after the last stage of its contract that
        it has.
        """
        last = [name for name in self.names.stages[given.value.name].values() if name in made]
        if last:
            return made[last[-1]]
        return feed[given.value.name]

    def tensors(self, values: Sequence[Value]) -> list[str]:
        """The names of values in the model, of an input those of its stages."""
        inner = [self.names.tensors[v] for v in values]
        return [
            *inner,
            *(name for stages in self.names.stages.values() for name in stages.values()),
        ]

    def shaken(self, feed: "Mapping[str, Array]", values: Sequence[Value]) -> "Tensors":
        """torch in float32, each input moved in its last bit; nothing of a net with state."""
        import numpy as np

        if self.states:
            return {}
        shaken = {name: perturb(array, i) for i, (name, array) in enumerate(feed.items())}
        if not any(given.rows for given in self.typed.graph.inputs):
            return self.single.run(shaken, values)
        # a category is moved by no last bit: of rows what is made of them is
        made = {
            given.value.name: prepare(feed[given.value.name], given, np.float32)
            for given in self.typed.graph.inputs
        }
        return self.single.run(
            shaken, values, {name: perturb(array, i) for i, (name, array) in enumerate(made.items())}
        )

    def memory(self, value: Value, case: Case) -> int:
        """Bytes of a tensor in a run: once in float64, twice in float32."""
        return 16 * number(self.typed.types[value].size, case)


def perturb(array: "Array", seed: int) -> "Array":
    """Each number moved by one part in 2^23, up or down; an array of whole numbers stays as it
    is.
    """
    import numpy as np

    if array.dtype.kind != "f" or (array == np.round(array)).all():
        return array
    made: Array = (array * (1 + np.random.default_rng(seed).choice((-EPS, EPS), array.shape))).astype(
        array.dtype
    )
    return made


def values_of(given: Input, typed: TypedGraph) -> Values:
    """What an input holds, as the layers that read it say, boxes even where others only move them
    in between.
    """
    said = next(said_of(given.value, typed, typed.types[given.value].shape), None)
    if said is not None:
        return said
    if given.contract is not None:
        return "pixels"
    return "real"


MOVING = frozenset(("joins", "rearranges", "view"))


def said_of(value: Value, typed: TypedGraph, shape: tuple[Size, ...]) -> Iterator[Boxes | Size]:
    """What the readers of a value say of it, which came as an input of that shape."""
    for node in typed.graph.nodes:
        if value not in node.bottoms:
            continue
        at, bottoms = node.bottoms.index(value), typed.bottoms(node)
        held = node.layer.holds(*bottoms).get(at)
        if held is not None and held.fits(shape):
            yield held
        if value.node is None or value.node in typed.graph.sources:
            below = node.layer.indices(*bottoms).get(at)
            if below is not None:
                yield below
        if node.layer.traits & MOVING:
            yield from said_of(node.tops[0], typed, shape)


def longest_sums(typed: TypedGraph, case: Case) -> dict[Value, float]:
    """fan_in of each tensor: the most elements that the layer that makes it, or any before it,
    reads for one element.
    """
    found: dict[Value, float] = {i.value: 1.0 for i in typed.graph.inputs}
    for node in typed.graph.nodes:
        found.update(
            dict.fromkeys(node.tops, max([terms(typed, node, case), *(found[v] for v in node.bottoms)]))
        )
    return found


def terms(typed: TypedGraph, node: Node, case: Case) -> float:
    """The most elements that a layer reads for one of its own."""
    outside = sum(number(t.size, case) for t in typed.tops(node)) or 1
    products = number(typed.macs(node), case) / outside
    fields = zip(typed.bottoms(node), node.layer.field(*typed.bottoms(node)), strict=False)
    return max([products, 1.0, *(elements(bottom, reads, case) for bottom, reads in fields)])


def elements(bottom: TensorType, reads: Reads, case: Case) -> float:
    """How many elements of a bottom one element of the top reads; of the batch its own place,
    unless the layer says otherwise.
    """
    extent = {step.axis: step.last - step.first + 1 for step in reads if step is not None}
    batch = inf if reads and reads[0] is None else 1
    return prod(
        min(float(number(size, case)), extent.get(axis, inf if axis else batch))
        for axis, size in enumerate(bottom.shape)
    )


def zeros(shape: Sequence[Size], case: Case) -> "Array":
    import numpy as np

    return np.zeros([number(s, case) for s in shape], np.float32)
