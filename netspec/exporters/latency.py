"""Holds a net to `expect.latency`, and measures for `netspec time`. In: a program, its net, its
file; out: Timings and findings.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.analysis.expect.latency import latency, read_demand
from netspec.analysis.sizes.legal import legal_sizes
from netspec.diagnostics import fail
from netspec.diagnostics.model import Diagnostic
from netspec.driver import Program
from netspec.emit.onnx_model import fit_weights, outline_model
from netspec.exporters.certification.bench import Bench
from netspec.exporters.certification.cases import Case
from netspec.exporters.devices import absent
from netspec.exporters.model_file import arrays, write_model
from netspec.exporters.timing import Plan, Timing, time_model, time_net
from netspec.ir.dims import symbols
from netspec.ir.graph import TypedGraph

if TYPE_CHECKING:
    from torch import nn

__all__ = ["hold", "judge_latency", "timings"]

ORDINARY = Plan()


def hold(program: Program, net: "nn.Module", typed: TypedGraph, model: Path) -> list[Diagnostic]:
    """Measure the file where the spec demands a latency: what breaks it (NS329), or that its device
    is not here (NS332).
    """
    demand = read_demand(program.resolved)
    if demand is None:
        return []
    limit, missing = demand.limit, absent(demand.limit.device)
    if missing is not None:
        fact = f"latency is demanded on {limit.device}, and it is not here: {missing}"
        return [
            Diagnostic(
                "NS332",
                fact,
                demand.body.span,
                notes=("`netspec time` measures it where the device is",),
            )
        ]
    feed = feed_of(net, typed, limit.batch, {})
    return judge_latency(program, time_model(model, typed, feed, limit.device, ORDINARY))


def judge_latency(program: Program, timing: Timing) -> list[Diagnostic]:
    """NS329 for each limit of the spec that a timing breaks, if it is about this device and batch;
    the layers that spend the time.
    """
    demand = read_demand(program.resolved)
    if demand is None or demand.limit.batch != timing.batch:
        return []
    return latency(program.resolved, timing.summary, timing.device, timing.layers)


def timings(
    program: Program,
    net: "nn.Module",
    device: str,
    engines: tuple[str, ...],
    sizes: Mapping[str, int],
    plan: Plan = ORDINARY,
) -> list[Timing]:
    """The deployed net under torch and onnxruntime, as `engines` names them, N and other open sizes
    as `sizes` has them.

    A size that is not given is an ordinary legal one, N the batch of `expect.latency`, else 1.
    device: one that is here. Raises SpecError: NS726 (no such symbol), NS727 (a size that the net
    does not take), and what export raises.
    """
    typed = program.graph("deploy")
    demand = read_demand(program.resolved)
    feed = feed_of(net, typed, demand.limit.batch if demand is not None else 1, sizes)
    found = []
    for engine in engines:
        if engine == "torch":
            found.append(time_net(net, typed, feed, device, plan))
            net.to("cpu")  # from where it was timed
        else:
            with tempfile.TemporaryDirectory() as folder:
                outline, model = outline_model(typed), Path(folder) / "model.onnx"
                write_model(outline, fit_weights(outline, arrays(net, typed)), model)
                found.append(time_model(model, typed, feed, device, plan))
    return found


def feed_of(net: "nn.Module", typed: TypedGraph, batch: int, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Arrays of ordinary values for one call."""
    bench = Bench(net, typed, "cpu")
    planned = bench.plan()[0]
    counts = {str(t.shape[0]) for t in bench.inputs.values() if t.shape and not isinstance(t.shape[0], int)}
    known = {name for t in bench.inputs.values() for size in t.shape for name in symbols(size)}
    for name in sizes:
        if name not in known:
            raise fail(
                "NS726",
                f"no input has a size {name}: open are {', '.join(sorted(known)) or 'none'}",
            )
    chosen = {**planned.sizes, **dict.fromkeys(counts, batch), **sizes}
    inside = {
        name for i in typed.graph.inputs for size in typed.types[i.value].shape for name in symbols(size)
    }
    refused = legal_sizes(typed).refuses({k: v for k, v in chosen.items() if k in inside}) if inside else None
    if refused is not None:
        raise fail("NS727", refused.text)
    return bench.feed(Case("normal", chosen, 0))
