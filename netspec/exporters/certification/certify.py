"""Is an ONNX file the net? In: the emitted module, its TypedGraph, the model; out: a Certificate,
or SpecError NS703 naming the layer.

Its weights must be the net's, bit for bit. Then each layer is compared alone, on the bottoms that
onnxruntime itself made, with weights that hide nothing and with the net's own; then the outputs of
the whole. The truth is the module in float64.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import Diagnostic, SpecError
from netspec.emit.onnx_folding import fold_all
from netspec.emit.onnx_model import Names, names_of
from netspec.exporters.certification.bench import Bench, Run, longest_sums, terms
from netspec.exporters.certification.cases import SAMPLES, Case, crop_cases
from netspec.exporters.certification.certificate import Certificate, Tally
from netspec.exporters.certification.compare import EPS, Difference, difference
from netspec.exporters.certification.drawn import draw_weights, settle_scales
from netspec.exporters.certification.plan import Level, Step, affordable_samples, plan_steps
from netspec.exporters.certification.probes import probes
from netspec.exporters.certification.reference import hangs_on_rounding, rounding, stages
from netspec.exporters.certification.sampled import Judging, best_classes, distribution
from netspec.exporters.certification.samples import MOST, Samples, Take, firsts
from netspec.exporters.certification.session import CannotRunError, Exported, Session, reason
from netspec.exporters.model_file import arrays
from netspec.ir.graph import Input, Node, TypedGraph, Value

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    Array = np.ndarray[Any, Any]

__all__ = ["Certificate", "Level", "Progress", "certify"]

MEMORY = 2 << 30
"""Bytes of inner tensors that are held at once."""

ORDINARY = 100.0
"""Outputs up to this size may be off by one rounding of 1 at least; larger ones by what was seen."""

Unit = tuple[Node, ...]

Progress = Callable[[int, int, str], None]
"""Told after every step: how many are done, of how many, and what the next one does."""


def certify(
    net: "nn.Module",
    typed: TypedGraph,
    model: Path | bytes,
    *,
    device: str = "cpu",
    level: Level = "full",
    samples: Samples | str | None = None,
    progress: Progress = lambda done, total, word: None,
) -> Certificate:
    """Compare the model with the net. What is left out, by the level or since it costs too much, is
    counted; seconds are not.

    samples: real ones of a run's test data, or why there are none. The net moves to the device, and
    comes back in eval mode and without recurrent state. Raises SpecError: NS703 where a tensor is
    off (the first one in order of execution), NS706 where no input can be made, NS716 where
    rounding hides an output from every comparison, NS722.
    """
    return Certification(net.to(device).eval(), typed, model, device, progress).run(level, samples)


class Certification:
    """One certification at work."""

    def __init__(
        self,
        net: "nn.Module",
        typed: TypedGraph,
        model: Path | bytes,
        device: str,
        progress: Progress,
    ) -> None:
        self.typed, self.net, self.device, self.progress = typed, net, device, progress
        names = names_of(typed)
        self.names, self.folds = names.weights, names.folds
        folded = [name for fold in self.folds.values() for name in fold.shapes]
        self.exported = Exported(model, (*self.names.values(), *folded))
        self.units = units_of(typed, names, self.exported.places)
        self.tally = Tally()
        self.weights: Mapping[str, Array] = {}
        self.sessions: dict[bool, Session] = {}

    def run(self, level: Level, samples: Samples | str | None = None) -> Certificate:
        self.same_weights()
        other = draw_weights(self.net, self.typed)
        self.bench = Bench(other, self.typed, self.device)
        cases = self.bench.plan()
        steps, left_out = plan_steps(self.typed, cases, level)
        self.settle(other, replace(cases[0], sizes=cases[min(1, len(cases) - 1)].sizes))
        self.weights = self.values_of(other)
        self.contracts(cases[0])
        for i, step in enumerate(steps):
            if step.weights == "own":
                self.own()
            self.progress(i, len(steps), step.text)
            self.take(step)
        self.progress(len(steps), len(steps), "real samples" if isinstance(samples, Samples) else "")
        said: dict[str, Any] | None = None
        if isinstance(samples, Samples):
            said = self.samples(samples, level)
        elif samples:
            said = {"count": 0, "why": samples}
        self.tally.demand(self.typed.graph.outputs, self.bench.names.tensors)
        found = self.tally.certificate(level, steps, left_out, self.device)
        asked = probes(self.bench, self.served, cases, self.layers)
        return replace(found, samples=said, probes=tuple(asked))

    def own(self) -> None:
        """From here on with the net's own weights."""
        if self.bench.single.net is not self.net:
            self.bench.take(self.net)
            self.weights = {}

    def settle(self, other: "nn.Module", case: Case) -> None:
        """Adapt the drawn weights to what the case makes of them, layer by layer."""
        settle_scales(other, self.typed, lambda: self.bench.single.run(self.bench.feed(case), ()))
        self.bench.exact.take(other)

    def values_of(self, net: Any) -> "dict[str, Array]":
        """A net's weights as arrays of the shapes that the model has, by its names."""
        found = {}
        for ref in self.typed.weight_refs():
            name = self.names[ref.name]
            if not ref.shared and name in self.exported.weights:
                tensor = net.layer_parameters(ref.node.name)[ref.index].detach().cpu().numpy()
                found[name] = tensor.reshape(self.exported.weights[name].shape)
        return found | self.fold_for(net)

    def fold_for(self, net: Any) -> "dict[str, Array]":
        """Those of the model's weights that are made of several layers', as a net has them."""
        made = fold_all(self.typed, self.folds, arrays(net, self.typed))
        return {name: array for name, array in made.items() if name in self.exported.weights}

    def same_weights(self) -> None:
        """The model's weights are the net's, to the bit."""
        names = self.names
        for ref in self.typed.weight_refs():
            held = self.exported.weights.get(names[ref.name])
            if ref.shared or held is None:  # what no operator reads is not in the model
                continue
            net: Any = self.net
            wanted = net.layer_parameters(ref.node.name)[ref.index].detach().cpu().numpy()
            found = unequal(names[ref.name], held, wanted)
            if found is not None:
                raise fault(layer_words(ref.node), found, None, ref.node)
        wanted = self.fold_for(self.net)
        for fold in self.folds.values():
            for name in wanted.keys() & fold.shapes.keys():
                found = unequal(name, self.exported.weights[name], wanted[name])
                if found is not None:
                    raise fault(unit_words(fold.fusion.nodes), found, None, fold.fusion.nodes[0])

    def take(self, step: Step) -> None:
        if step.how == "layers":
            self.layers(step.case)
        else:
            self.whole(step)

    # --- the contract of pictures ------------------------------------------------------------------------------------

    def contracts(self, base: Case) -> None:
        """What the model does to pictures before its first layer, stage by stage, at every parity
        of a crop.
        """
        for given in self.typed.graph.inputs:
            if given.contract is not None or given.rows is not None:
                for case in crop_cases(base, self.bench.cut(given)):
                    self.contract(given, case)

    def contract(self, given: Input, case: Case) -> None:
        import numpy as np

        name, feed = given.value.name, self.bench.feed(case)
        names = self.bench.names.stages[name]
        end = max((self.exported.places.get(n, 0) for n in names.values()), default=0)
        made: Mapping[str, Array] = {}
        try:
            if end:  # else no stage is in the model, whose pixels have to be right as they are
                with self.exported.show([*names.values()], self.device, end) as session:
                    made = session.run(feed)
        except CannotRunError as error:
            raise fault(f"{contract_words(given)} of {name}", unrunnable(error), case) from error
        if given.rows is not None:
            exact = single = given.rows.stages(feed[name])
        else:
            exact, single = (stages(feed[name], given.contract, kind) for kind in (np.float64, np.float32))
        got = feed[name]
        for word in [w for w in exact if w in WORDS]:
            got = made.get(names[word], got)
            found = difference(got, exact[word], single[word], 1.0)  # no sums
            if not found.agrees:
                raise fault(f"{contract_words(given)} of {name}, {WORDS[word]}", found, case)
            self.tally.contract += 1

    # --- each layer alone --------------------------------------------------------------------------------------------

    def layers(self, case: Case, layers: int | None = None) -> None:
        """Compare every layer, of the first `layers` if given, on the bottoms that onnxruntime
        made.
        """
        for units in self.portions(case, layers):
            values = list(dict.fromkeys(v for unit in units for v in (*unit[0].bottoms, *unit[-1].tops)))
            try:
                with self.show(values, layers) as session:
                    for run in self.bench.rounds(case, session, values):
                        for unit in units:
                            self.alone(unit, run)
            except CannotRunError as error:
                raise self.unable(case, error) from error

    def portions(self, case: Case, layers: int | None = None) -> list[list[Unit]]:
        """The units in stretches whose tensors fit into memory."""
        found: list[list[Unit]] = []
        room = 0
        for unit in self.units[:layers]:
            cost = sum(self.bench.memory(v, case) for v in (*unit[0].bottoms, *unit[-1].tops))
            if not found or cost > room:
                found.append([])
                room = MEMORY
            found[-1].append(unit)
            room -= cost
        return found

    def alone(self, unit: Unit, run: Run) -> None:
        """A unit by itself. What it makes may be off by what rounding costs it, and by no more."""
        node, tops = unit[0], unit[-1].tops
        lacks = next((v for v in tops if v not in run.got), None)
        if lacks is not None:
            raise fault(
                unit_words(unit),
                Difference(inf, 0.0, text=f"the model has no tensor {self.bench.names.tensors[lacks]}"),
                run.case,
                node,
            )
        if not tops:
            return
        bottoms = [run.got[v] for v in node.bottoms]
        exact, single = self.bench.exact.unit(unit, bottoms), self.bench.single.unit(unit, bottoms)
        stateful = any(True for _ in node.layer.state(*self.typed.bottoms(node)))
        # axis 1 of a layer with state holds streams, no channels
        axis, noise = (None if stateful else 1), None
        fan_in = max(terms(self.typed, each, run.case) for each in unit)
        for i, value in enumerate(tops):
            found = difference(run.got[value], exact[i], single[i], fan_in, axis=axis)
            if not found.agrees and node.layer.lists:
                if hangs_on_rounding(lambda given: self.bench.exact.layer(node, given), bottoms, exact):
                    found = replace(found, tolerance=inf, void=True)
            elif not found.agrees and found.distance < inf and not stateful:
                # a second look, for five more runs: what a last bit of the bottoms may do
                noise = noise or rounding(lambda given: self.bench.exact.unit(unit, given), bottoms)
                found = difference(
                    run.got[value],
                    exact[i],
                    single[i],
                    fan_in,
                    floor_noise(noise[i], exact[i]),
                    axis,
                )
            if not found.agrees:
                raise fault(unit_words(unit), found, run.case, node)
            self.tally.layer(value, self.bench.names.tensors[value], found)

    # --- the whole ---------------------------------------------------------------------------------------------------

    def whole(self, step: Step) -> None:
        """Compare the outputs of the model as it will be served. Where one is off and every layer
        agrees alone, rounding is amplified on the way or a layer jumps (an index, a threshold):
        the comparison is void.
        """
        case, values = step.case, self.typed.graph.outputs
        try:
            session = self.served
            for run in self.bench.rounds(case, session, values):
                truth, single = (
                    self.bench.exact.run(run.feed, values),
                    self.bench.single.run(run.feed, values),
                )
                found = self.measure(run, truth, single)
                if not all(d.agrees for d in found.values()):
                    self.layers(case)
                    found = {
                        v: d if d.agrees else Difference(d.distance, inf, d.size, d.text, void=True)
                        for v, d in found.items()
                    }
                for value, each in found.items():
                    self.tally.output(value, self.bench.names.tensors[value], each)
        except CannotRunError as error:
            raise self.unable(case, error) from error

    def measure(
        self, run: Run, truth: "Mapping[Value, Array]", single: "Mapping[Value, Array]"
    ) -> dict[Value, Difference]:
        """The outputs against the truth. One that is off gets a second look: float32 costs what a
        last bit of the inputs may change.
        """
        import numpy as np

        sums, shaken, found = longest_sums(self.typed, run.case), None, {}
        for value, exact in truth.items():
            if value not in run.got:
                raise fault(
                    "the model",
                    Difference(inf, 0.0, text=f"it has no output {self.bench.names.tensors[value]}"),
                    run.case,
                )
            found[value] = difference(run.got[value], exact, single[value], sums[value])
            if not found[value].agrees and found[value].distance < inf:
                if shaken is None:
                    shaken = self.bench.shaken(run.feed, [*truth])
                if value in shaken:
                    noise = floor_noise(np.abs(shaken[value].astype(np.float64) - exact), exact)
                    found[value] = difference(run.got[value], exact, single[value], sums[value], noise)
        return found

    @property
    def served(self) -> Session:
        """The model as it will be served; with the drawn weights in place of its own while these
        are tried.
        """
        key = bool(self.weights)
        if key not in self.sessions:
            self.sessions.clear()  # two would hold the weights twice
            self.sessions[key] = self.exported.serve(self.device, self.weights)
        return self.sessions[key]

    # --- real samples ------------------------------------------------------------------------------------------------

    def samples(self, samples: Samples, level: Level) -> dict[str, Any]:
        """The model on samples as its user gives them, beside the net on what training makes of
        them: what came of it, as plain data.
        """
        self.own()
        first, judging, best = samples.takes[0], Judging(samples), dict[str, list[int]]()
        most = affordable_samples(self.typed, self.case_of(first), first.count, level)
        for take in firsts(samples, min(most, MOST)):
            try:
                self.sample(take, judging, best)
            except CannotRunError as error:
                raise self.unable(self.case_of(take), error) from error
            except (
                RuntimeError,
                IndexError,
                ValueError,
            ) as error:  # torch's: a size that the net does not take, say
                return {"count": 0, "why": f"torch refuses them: {reason(error)}"}
        return {
            "count": judging.count,
            "part": samples.part,
            "best": best,
            "metrics": judging.means(),
        }

    def case_of(self, take: Take) -> Case:
        """The case of some samples, which it puts on the bench: the letters of the inputs' shapes
        are what they happen to be.
        """
        self.bench.real = take.raw
        pairs = [
            (n, k)
            for name, t in self.bench.inputs.items()
            for n, k in zip(t.shape, take.raw[name].shape, strict=True)
        ]
        return Case(SAMPLES, {str(size): n for size, n in pairs if not isinstance(size, int)}, 0)

    def sample(self, take: Take, judging: Judging, best: dict[str, list[int]]) -> None:
        """One call. Raises SpecError NS703 where a contract, an output or the best class is off."""
        case, outputs = self.case_of(take), self.typed.graph.outputs
        wanted = list(dict.fromkeys((*outputs, *judging.values())))
        truth, single = (
            side.run(take.raw, wanted, take.prepared) for side in (self.bench.exact, self.bench.single)
        )
        with self.show(wanted, None) as session:
            run = next(iter(self.bench.rounds(case, session, wanted)))
        self.check_arrival(take, run)
        served = next(iter(self.bench.rounds(case, self.served, outputs)))
        found = self.measure(served, {v: truth[v] for v in outputs}, single)
        if not all(d.agrees for d in found.values()):
            self.layers(case)
        for value, each in found.items():
            name = self.bench.names.tensors[value]
            self.tally.output(value, name, each if each.agrees else replace(each, tolerance=inf, void=True))
            if distribution(truth[value]):
                same, of, wrong = best_classes(served.got[value], single[value], each.tolerance)
                if wrong is not None:
                    raise fault(name, wrong, case, value.node)
                best[name] = [a + b for a, b in zip(best.get(name, (0, 0)), (same, of), strict=True)]
        judging.add(take, (single, {**run.got, **served.got}))

    def check_arrival(self, take: Take, run: Run) -> None:
        """What the model makes of a sample before its first layer is what training makes of it."""
        for given in self.typed.graph.inputs:
            if given.contract is not None or given.rows is not None:
                name = given.value.name
                found = difference(run.got[given.value], take.prepared[name], take.prepared[name], 1.0)
                if not found.agrees:
                    raise fault(f"{contract_words(given)} of {name}", found, run.case)
                self.tally.contract += 1

    # --- a model that does not run -----------------------------------------------------------------------------------

    def unable(self, case: Case, error: CannotRunError) -> SpecError:
        """The layer where onnxruntime stops, unless one before it already makes something else than
        torch: that is raised.
        """
        units = self.units
        # onnxruntime does not always name the node: halve the model until one is left
        good, bad = 0, len(units) + 1
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if self.runs(case, middle) else (good, middle)
        if 0 < good < len(units):
            self.layers(case, good)
        unit = units[min(good, len(units) - 1)]
        return fault(unit_words(unit), unrunnable(error), case, unit[0])

    def runs(self, case: Case, layers: int) -> bool:
        try:
            with self.show(
                [v for unit in self.units[:layers] for v in unit[-1].tops][-1:], layers
            ) as session:
                session.run(self.bench.feed(case))
        except CannotRunError:
            return False
        return True

    def show(self, values: Sequence[Value], cut: int | None) -> Any:
        """The model with these values as outputs; cut off after its first `cut` units, if given."""
        kept = [self.bench.names.tensors[v] for unit in self.units[:cut] for v in unit[-1].tops]
        end = None if cut is None else max((self.exported.places.get(t, 0) for t in kept), default=0)
        return self.exported.show(self.bench.tensors(values), self.device, end, self.weights)


WORDS = {
    "cells": "fills and categories",
    "crop": "the crop",
    "color": "the order of colours",
    "mean": "mean_value",
    "std": "std_value",
    "scale": "the scale",
}


def contract_words(given: Input) -> str:
    """What is done to an input before the first layer, in words."""
    return "the image contract" if given.rows is None else "the rows"


def floor_noise(noise: "Array", truth: "Array") -> "Array":
    """Rounding's cost, for values of ordinary size at least one last bit of 1: squashing functions
    are exact to that, not to a part.
    """
    import numpy as np

    if truth.size and np.abs(truth).max() <= ORDINARY:
        return np.maximum(noise, EPS)
    return noise


def unequal(name: str, held: "Array", wanted: "Array") -> Difference | None:
    """What keeps a tensor of the model from being the net's, if anything does."""
    import numpy as np

    if held.size != wanted.size:
        return Difference(
            inf,
            0.0,
            text=f"{name} is {list(held.shape)} in the model, {list(wanted.shape)} in the net",
        )
    a, b = (np.ascontiguousarray(x, np.float32).reshape(-1) for x in (held, wanted))
    # by their bits: 0.0 == -0.0, and NaN is not itself
    off = a.view(np.int32) != b.view(np.int32)
    if not off.any():
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(off, np.nan_to_num(np.abs(a.astype(np.float64) - b), nan=inf), -1.0)
    place = int(apart.argmax())
    index = [int(i) for i in np.unravel_index(place, wanted.shape)]
    text = f"the model has {float(a[place]):.9g} at {index} of {name}, the net {float(b[place]):.9g}"
    return Difference(float(apart[place]), 0.0, text=text)


def unrunnable(error: CannotRunError) -> Difference:
    return Difference(inf, 0.0, text=f"onnxruntime cannot run it: {error}")


def layer_words(node: Node) -> str:
    return f"{node.layer.type} {node.name}"


def unit_words(unit: Unit) -> str:
    return ", ".join(map(layer_words, unit))


def units_of(typed: TypedGraph, names: Names, places: Mapping[str, int]) -> tuple[Unit, ...]:
    """What is compared by itself, in the order of execution: each layer, but those that the file
    holds as one together. places: of the tensors that the file has.
    """
    units: dict[Node, Unit] = {node: (node,) for node in typed.graph.nodes}
    for fold in names.folds.values():
        nodes = fold.fusion.nodes
        if not any(names.tensors[node.tops[0]] in places for node in nodes[:-1]):
            units = {node: unit for node, unit in units.items() if node not in nodes[:-1]}
            units[nodes[-1]] = nodes
    return tuple(units.values())


def fault(name: str, found: Difference, case: Case | None, node: Node | None = None) -> SpecError:
    """NS703 at the layer, with the numbers and the case."""
    if found.distance < inf:
        apart = f"; {found.distance:.3g} apart, {found.tolerance:.3g} is allowed"
    else:
        apart = ""
    place = node.places["name"] if node is not None else None
    notes = (f"case: {case}",) if case is not None else ("the weights in the file, before anything was run",)
    return SpecError([Diagnostic("NS703", f"{name}: {found.text}{apart}", place, notes=notes)])
