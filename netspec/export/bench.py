"""Runs a case on both sides: onnxruntime, and torch in float64 and float32. In: a net, its TypedGraph, cases; out: Runs. Judges nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import fail
from netspec.emit.onnx_contract import raw_type
from netspec.emit.onnx_model import tensor_names
from netspec.export.cases import WHOLE, Case, array, cases
from netspec.export.reference import Reference
from netspec.export.session import Session, reason
from netspec.ir.dims import Size, evaluate, product
from netspec.ir.graph import TypedGraph, Value

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    Array = np.ndarray[Any, Any]
    Tensors = Mapping[Value, Array]

__all__ = ["Bench", "Run", "count"]


@dataclass(frozen=True, eq=False)
class Run:
    """What one run made, by value: onnxruntime, torch in float64 and in float32. sums: see `longest_sums`."""

    case: Case
    got: "Tensors"
    truth: "Tensors"
    single: "Tensors"
    sums: Mapping[Value, float]


class Bench:
    """Everything that it takes to run a case; inputs are what callers of the model feed, contract included."""

    def __init__(self, net: "nn.Module", typed: TypedGraph, device: str) -> None:
        self.typed = typed
        self.exact = Reference(net, typed, device, double=True)
        self.single = Reference(net, typed, device, double=False)
        self.names = tensor_names(typed)
        given = typed.graph.inputs
        self.inputs = {i.value.name: raw_type(i.contract, typed.types[i.value], i.value.name) for i in given}
        self.readings = {i.value.name: "pixels" if i.contract is not None else "real" for i in given}
        self.states = {f"{node.name}.{name}": shape for node in typed.graph.nodes for name, shape in node.layer.state(*typed.bottoms(node))}

    def plan(self) -> list[Case]:
        """The cases; finds out for each input what values the module takes: real numbers, or else whole ones. Raises SpecError NS706."""
        crops = [(i.value.name, i.contract.crop) for i in self.typed.graph.inputs if i.contract is not None and i.contract.crop]
        planned = cases(self.typed, self.inputs, {f"{name}_{axis}": n for name, crop in crops for axis, n in zip("HW", crop, strict=True)})
        words = ", ".join(f"{name} {type_}" for name, type_ in self.inputs.items()) or "none"
        if not planned:
            raise fail("NS706", f"no sizes up to 4096 are legal for all layers; inputs: {words}")
        refusal: Exception | None = None
        for readings in self.trials():
            self.readings = readings
            try:
                self.exact.reset()
                self.exact.run(self.feed(planned[0]), ())
            except (RuntimeError, IndexError, ValueError) as error:
                refusal = refusal or error
            else:
                return planned
        raise fail("NS706", f"the torch module refuses every input that was tried ({words}): {reason(refusal or RuntimeError())}")

    def trials(self) -> Iterator[dict[str, str]]:
        """What inputs may hold: what they hold now, then whole numbers in one of them, then in all."""
        now = self.readings
        yield now
        for whole in WHOLE:
            yield from ({**now, name: whole} for name in now)
            yield dict.fromkeys(now, whole)

    def feed(self, case: Case) -> "dict[str, Array]":
        """What goes into the model: its inputs, and no state before the first call."""
        data = {name: array(case, type_, self.readings[name], i) for i, (name, type_) in enumerate(self.inputs.items())}
        return {**data, **{name: zeros(shape, case) for name, shape in self.states.items()}}

    def rounds(self, case: Case, session: Session, values: Sequence[Value]) -> Iterator[Run]:
        """Run the case; twice where the net has state, the second time with what the first left."""
        self.exact.reset()
        self.single.reset()
        feed, sums = self.feed(case), longest_sums(self.typed, case)
        for _ in range(2 if self.states else 1):
            truth, single = self.exact.run(feed, values), self.single.run(feed, values)
            made = session.run(feed)
            yield Run(case, {v: made[self.names[v]] for v in values if self.names[v] in made}, truth, single, sums)
            if any(f"{name}.next" not in made for name in self.states):
                return
            feed |= {name: made[f"{name}.next"] for name in self.states}

    def memory(self, case: Case) -> float:
        """Bytes of all tensors of a run."""
        return 16 * sum(count(product(self.typed.types[v].shape), case) for node in self.typed.graph.nodes for v in node.tops)


def longest_sums(typed: TypedGraph, case: Case) -> dict[Value, float]:
    """fan_in of each tensor: the most terms that the layer that makes it, or any before it, sums into one element.

    For a layer with products: products per element; for one that shrinks its bottoms (pooling, reduction): elements in per element out.
    """
    found: dict[Value, float] = {i.value: 1.0 for i in typed.graph.inputs}
    for node in typed.graph.nodes:
        inside = sum(count(t.size, case) for t in typed.bottoms(node))
        outside = sum(count(t.size, case) for t in typed.tops(node)) or 1.0
        terms = max(inside, count(typed.macs(node), case)) / outside
        found.update(dict.fromkeys(node.tops, max([terms, 1.0, *(found[v] for v in node.bottoms)])))
    return found


def count(size: Size, case: Case) -> float:
    """A size with the case's numbers put in."""
    value = evaluate(size, case.sizes)
    return float(value) if isinstance(value, int) else 1.0


def zeros(shape: Sequence[Size], case: Case) -> "Array":
    import numpy as np

    return np.zeros([int(count(s, case)) for s in shape], np.float32)
