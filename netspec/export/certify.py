"""Is an ONNX file the net? In: the emitted module, its TypedGraph, the model; out: a Certificate, or SpecError NS703 naming the layer.

The truth is the module in float64. A tensor of onnxruntime may be off by 8 max(|torch32 - truth|, eps sqrt(fan_in) max|truth|): eight times
what float32 costs torch itself, or what rounding costs the longest sum before it at least, whichever is more.
"""

import json
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cached_property
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.diagnostics import Diagnostic, SpecError
from netspec.export.bench import Bench, Run, moved
from netspec.export.cases import Case
from netspec.export.compare import Difference, difference
from netspec.export.session import CannotRunError, Exported, Session
from netspec.ir.graph import Node, TypedGraph, Value

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Certificate", "certify"]

SECONDS = 60.0
"""No case is begun after so long; the first ones are the most telling."""
MEMORY = 2 << 30
"""Bytes of inner tensors that are held at once."""
JUMP = 1e-3
"""A tensor that is off by more of its size than this, from bottoms that agree, may come of a layer that jumps (an index, a threshold)."""


@dataclass(frozen=True)
class Certificate:
    """What was compared, and how it came out.

    tensors: comparisons made. largest_difference: the greatest |onnxruntime - truth| of all, made by `tensor`; tolerance: what was allowed
    there; size: the greatest of its values. closest: the greatest ratio of difference to tolerance. overflown: comparisons that say
    nothing, since float32 itself overflows (as it does in a net whose batch norms have gathered nothing yet). left_out: cases that there
    was no time for.
    """

    cases: int
    tensors: int
    largest_difference: float
    tolerance: float
    size: float
    tensor: str
    closest: float
    sizes: tuple[str, ...]
    device: str
    torch: str
    onnxruntime: str
    overflown: int
    left_out: int

    def metadata(self) -> dict[str, str]:
        """As properties of the model: two numbers by themselves, and all as JSON."""
        return {
            "netspec.certified": "true",
            "netspec.largest_difference": repr(self.largest_difference),
            "netspec.tolerance": repr(self.tolerance),
            "netspec.certificate": json.dumps(asdict(self)),
        }


def certify(net: "nn.Module", typed: TypedGraph, model: Path | bytes, *, device: str = "cpu") -> Certificate:
    """Run both on every case and compare: each output of the model itself, and every blob of a copy that shows them.

    The net moves to the device, and comes back in eval mode and without recurrent state.
    Raises SpecError: NS703 where a tensor is off (the first one in order of execution), NS706 where no input can be made, NS722.
    """
    return Certification(net.to(device).eval(), typed, model, device).run()


class Certification:
    """One certification at work."""

    def __init__(self, net: "nn.Module", typed: TypedGraph, model: Path | bytes, device: str) -> None:
        self.typed = typed
        self.device = device
        self.bench = Bench(net, typed, device)
        self.exported = Exported(model)
        self.found: list[tuple[Difference, str]] = []

    @cached_property
    def session(self) -> Session:
        return Session(self.exported.model, self.device)

    def run(self) -> Certificate:
        start, planned, done = time.monotonic(), self.bench.plan(), list[Case]()
        for case in planned:
            if done and time.monotonic() - start > SECONDS:
                break
            self.outputs(case)
            if case.kind not in {c.kind for c in done} and len(self.portions(case)) <= (1 if done else 3):
                self.inner(case)
            done.append(case)
        return self.certificate(done, len(planned) - len(done))

    def certificate(self, done: list[Case], left_out: int) -> Certificate:
        import onnxruntime as ort
        import torch

        sound = [(d, name) for d, name in self.found if not d.void] or [(Difference(0.0, 0.0), "")]
        largest, tensor = max(sound, key=lambda f: f[0].distance)
        sizes = tuple(dict.fromkeys(" ".join(f"{k}={v}" for k, v in case.sizes.items()) for case in done if case.sizes))
        return Certificate(
            len(done),
            len(self.found),
            largest.distance,
            largest.tolerance,
            largest.size,
            tensor,
            max(d.ratio for d, _ in sound),
            sizes,
            self.device,
            torch.__version__,
            ort.__version__,
            sum(d.void for d, _ in self.found),
            left_out,
        )

    # --- comparing ---------------------------------------------------------------------------------------------------

    def outputs(self, case: Case) -> None:
        """Compare the outputs of the model as it is; where one differs, find the layer."""
        values = self.typed.graph.outputs
        try:
            for run in self.bench.rounds(case, self.session, values):
                off = [v for v in values if not self.noted(v, measured(v, run))]
                excused = self.inner(case) if off else set()
                for value in off:
                    if value not in excused:
                        raise fault(value.node, measured(value, run), case)
        except CannotRunError as error:
            raise self.unable(case, error) from error

    def inner(self, case: Case, layers: int | None = None) -> set[Value]:
        """Compare every tensor, of the first `layers` layers if given. Answers those that differ for good reason: see `compared`."""
        excused: set[Value] = set()
        for nodes in self.portions(case, layers):
            values = list(dict.fromkeys(v for node in nodes for v in (*node.bottoms, *node.tops)))
            with self.shown(values, cut=layers) as session:
                for run in self.bench.rounds(case, session, values):
                    for node in nodes:
                        excused |= self.compared(node, run, excused)
        return excused

    def portions(self, case: Case, layers: int | None = None) -> list[list[Node]]:
        """The layers in stretches whose tensors fit into memory."""
        found: list[list[Node]] = []
        room = 0
        for node in self.typed.graph.nodes[:layers]:
            cost = sum(self.bench.memory(v, case) for v in (*node.bottoms, *node.tops))
            if not found or cost > room:
                found.append([])
                room = MEMORY
            found[-1].append(node)
            room -= cost
        return found

    def compared(self, node: Node, run: Run, excused: set[Value]) -> set[Value]:
        """Compare the tops of a layer. Where its bottoms are excused, or it jumps, what counts is the layer alone, on the bottoms it got;
        tops that then agree are excused."""
        found: set[Value] = set()
        for i, value in enumerate(node.tops):
            if value not in run.got:
                continue
            whole, tainted = measured(value, run), not excused.isdisjoint(node.bottoms)
            if not tainted and self.noted(value, whole):
                continue
            alone = self.alone(node, i, run) if tainted or whole.distance > JUMP * whole.size else whole
            if not self.noted(value, alone):
                raise fault(node, alone if tainted else whole, run.case)
            found.add(value)
        return found

    def noted(self, value: Value, found: Difference) -> bool:
        """Whether it agrees; then it goes into the certificate."""
        if found.agrees:
            self.found.append((found, self.bench.names[value]))
        return found.agrees

    def alone(self, node: Node, index: int, run: Run) -> Difference:
        """The layer by itself, on the bottoms that onnxruntime gave it. One with state is not asked: its state is of the other run."""
        value = node.tops[index]
        if any(True for _ in node.layer.state(*self.typed.bottoms(node))):
            return measured(value, run)
        bottoms = [run.got.get(v, run.truth[v]) for v in node.bottoms]
        near = [moved(b, i) for i, b in enumerate(bottoms)]
        truth, single, shaken = (
            net.layer(node, given)[index]
            for net, given in ((self.bench.exact, bottoms), (self.bench.single, bottoms), (self.bench.single, near))
        )
        return difference(run.got[value], truth, single, run.sums[value], shaken)

    # --- a model that does not run -----------------------------------------------------------------------------------

    def unable(self, case: Case, error: CannotRunError) -> SpecError:
        """The layer where onnxruntime stops, unless one before it already makes something else than torch: that is raised."""
        nodes = self.typed.graph.nodes
        good, bad = 0, len(nodes) + 1
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if self.runs(case, middle) else (good, middle)
        if good:
            self.inner(case, good)
        return fault(nodes[min(good, len(nodes) - 1)], Difference(inf, 0.0, text=f"onnxruntime cannot run it: {error}"), case)

    def runs(self, case: Case, layers: int) -> bool:
        try:
            with self.shown([v for node in self.typed.graph.nodes[:layers] for v in node.tops][-1:], cut=layers) as session:
                session.run(self.bench.feed(case))
        except CannotRunError:
            return False
        return True

    def shown(self, values: Sequence[Value], cut: int | None) -> AbstractContextManager[Session]:
        """The model with these values as outputs; cut off after its first `cut` layers, if given."""
        kept = [self.bench.names[v] for node in self.typed.graph.nodes[:cut] for v in node.tops]
        end = None if cut is None else max((self.exported.places.get(t, 0) for t in kept), default=0)
        return self.exported.shown([self.bench.names[v] for v in values], self.device, end)


def measured(value: Value, run: Run) -> Difference:
    """A tensor against the truth. One that is off gets a second look: float32 costs what a last bit of the inputs may change."""
    found = difference(run.got[value], run.truth[value], run.single[value], run.sums[value])
    if found.agrees:
        return found
    return difference(run.got[value], run.truth[value], run.single[value], run.sums[value], run.shaken.get(value))


def fault(node: Node | None, found: Difference, case: Case) -> SpecError:
    """NS703 at the layer, with the numbers and the case."""
    name = f"{node.layer.type} {node.name}" if node is not None else "an input"
    apart = f"; {found.distance:.3g} apart, {found.tolerance:.3g} is allowed" if found.distance < inf else ""
    place = node.places["name"] if node is not None else None
    return SpecError([Diagnostic("NS703", f"{name}: {found.text}{apart}", place, notes=(f"case: {case}",))])
