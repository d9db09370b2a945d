"""How long a call takes, as a whole and layer by layer. In: a model file or a net, and what to
feed; out: seconds. Judges nothing.

A layer's time is measured in calls of their own, since looking costs time.
"""

import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from netspec.exporters.certification.reference import Reference
from netspec.exporters.certification.session import CannotRunError, Session, reason
from netspec.ir.graph import TypedGraph

if TYPE_CHECKING:
    import numpy as np

    Feed = Mapping[str, np.ndarray[Any, Any]]

__all__ = ["Plan", "Timing", "time_model", "time_net"]

OTHER = "(between layers)"
"""What no layer of the spec owns: copies and reorderings that onnxruntime puts in."""


@dataclass(frozen=True)
class Plan:
    """How to measure: at least `warmup` calls and WARM_SECONDS first, then `calls` (0: enough for
    `seconds`, from 30 to 2,000).
    """

    calls: int = 0
    warmup: int = 5
    seconds: float = 1.0
    layers: bool = True


WARM_SECONDS = 0.2
"""Until memory is reserved and the processor runs at its full rate."""
LEAST, MOST = 30, 2000
"""Calls: a median and a ninetieth percentile need some thirty, and more than 2,000 say no more."""
DECORATION = re.compile(r"^fused |(_nchwc|_nhwc)?(_token_[0-9]+)?$")
PRODUCT = re.compile("Conv|Gemm|MatMul")
PROFILED = 10
"""Calls of which a layer's time is the mean."""


@dataclass(frozen=True)
class Timing:
    """Seconds of each call, in order, and of each layer (mean of a call, measured apart)."""

    engine: str
    device: str
    batch: int
    times: tuple[float, ...]
    layers: Mapping[str, float]

    def percentile(self, percent: int) -> float:
        """The time that `percent` of 100 calls do not exceed: the least of the measured ones for
        which that is true (nearest rank).
        """
        ranked = sorted(self.times)
        return ranked[-(-percent * len(ranked) // 100) - 1]

    @property
    def summary(self) -> dict[str, float]:
        """mean, p50, p95, p99, in seconds."""
        found = {f"p{percent}": self.percentile(percent) for percent in (50, 95, 99)}
        return {"mean": sum(self.times) / len(self.times), **found}


def time_model(model: Path, typed: TypedGraph, feed: "Feed", device: str, plan: Plan) -> Timing:
    """An exported file under onnxruntime, arrays in and arrays out. Raises CannotRunError,
    SpecError NS722.
    """
    session = Session(model, device)
    times = measure(lambda: session.run(feed), plan)
    layers = profile(model, typed, feed, device) if plan.layers else {}
    return Timing("onnxruntime", device, batch_of(feed), times, layers)


def time_net(net: Any, typed: TypedGraph, feed: "Feed", device: str, plan: Plan) -> Timing:
    """The emitted module in torch, float32, without gradient: arrays in, the outputs' arrays out.
    Raises what torch raises.
    """
    reference = Reference(net, typed, device, double=False)
    wanted = [v for v in typed.graph.outputs if v.node is not None]
    times = measure(lambda: reference.run(feed, wanted), plan)
    layers = watch(reference, typed, feed, device) if plan.layers else {}
    return Timing("torch", device, batch_of(feed), times, layers)


def batch_of(feed: "Feed") -> int:
    return next((len(array) for array in feed.values() if array.ndim), 1)


def measure(call: Callable[[], object], plan: Plan) -> tuple[float, ...]:
    """Seconds of each call after the warm-up. The clock is read once between two calls."""
    begin, count = perf_counter(), 0
    while count < plan.warmup or (plan.warmup and perf_counter() - begin < WARM_SECONDS):
        call()
        count += 1
    times: list[float] = []
    begin = last = perf_counter()
    while len(times) < (plan.calls or LEAST) or (
        not plan.calls and last - begin < plan.seconds and len(times) < MOST
    ):
        call()
        now = perf_counter()
        times.append(now - last)
        last = now
    return tuple(times)


# --- layer by layer --------------------------------------------------------------------------------------------------


def profile(model: Path, typed: TypedGraph, feed: "Feed", device: str) -> dict[str, float]:
    """onnxruntime's own profile: the time of each node, by the layer whose name it bears."""
    with tempfile.TemporaryDirectory() as folder:
        session = Session(model, device, profile=os.path.join(folder, "profile"))
        for _ in range(PROFILED + 1):
            session.run(feed)
        try:
            events = json.loads(Path(session.session.end_profiling()).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CannotRunError(reason(error)) from error
    found: dict[str, list[float]] = {}
    products: dict[str, float] = {}
    for event in events:
        if event.get("cat") == "Node" and str(event.get("name", "")).endswith("_kernel_time"):
            node = event["name"].removesuffix("_kernel_time")
            found.setdefault(node, []).append(event["dur"] / 1e6)  # onnxruntime counts microseconds
            if PRODUCT.search(str(event.get("args", {}).get("op_name"))):
                products[node] = 1.0
    names = [
        *(i.value.name for i in typed.graph.inputs),
        *(node.name for node in typed.graph.nodes),
    ]
    # The first call also prepares; it is left out.
    layers = by_layer(
        {node: sum(times[len(times) // (PROFILED + 1) :]) / PROFILED for node, times in found.items()},
        names,
    )
    return join_fused(layers, typed, set(by_layer(products, names)))


def by_layer(nodes: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """The times of nodes summed by layer, in the spec's order. A node is named `layer` or
    `layer/Op`; the longest layer name wins.

    onnxruntime's optimizer decorates names: `fused ip1`, `conv1_nchwc`, `conv1_token_3`.
    """
    known, found = set(names), dict.fromkeys(names, 0.0)
    for node, seconds in nodes.items():
        owner = max(owner_of(node, known), owner_of(DECORATION.sub("", node), known), key=len) or OTHER
        found[owner] = found.get(owner, 0.0) + seconds
    return {name: seconds for name, seconds in found.items() if seconds}


def owner_of(node: str, known: set[str]) -> str:
    parts = node.split("/")
    return next((name for i in range(len(parts), 0, -1) if (name := "/".join(parts[:i])) in known), "")


def join_fused(layers: Mapping[str, float], typed: TypedGraph, products: set[str]) -> dict[str, float]:
    """What a layer without products spends in a node that has some belongs to the layer that it was
    fused with: the one before it.

    products: layers that own such a node. onnxruntime calls the fusion of a convolution and what
    follows by the name of the last.
    """
    found: dict[str, float] = {}
    nodes = {node.name: node for node in typed.graph.nodes}
    for name, seconds in layers.items():
        node = nodes.get(name)
        while (
            name in products
            and node is not None
            and typed.macs(node) == 0
            and node.bottoms
            and node.bottoms[0].node is not None
        ):
            node = node.bottoms[0].node
        if node is not None and name in products and typed.macs(node) != 0:
            owner = node.name
        else:
            owner = name
        found[owner] = found.get(owner, 0.0) + seconds
    return found


def watch(reference: Reference, typed: TypedGraph, feed: "Feed", device: str) -> dict[str, float]:
    """The time between a module's call and its answer, by hooks; on a GPU the device is waited for
    on both sides.
    """
    import torch

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    spent, begun = dict.fromkeys((node.name for node in typed.graph.nodes), 0.0), dict[str, float]()

    def before(name: str) -> None:
        wait()
        begun[name] = perf_counter()

    def after(name: str) -> None:
        wait()
        spent[name] += perf_counter() - begun[name]

    hooks = []
    for node in typed.graph.nodes:
        module = reference.module(node)
        hooks.append(module.register_forward_pre_hook(lambda *_, name=node.name: before(name)))
        hooks.append(module.register_forward_hook(lambda *_, name=node.name: after(name)))
    try:
        for _ in range(PROFILED):
            reference.run(feed, ())
    finally:
        for hook in hooks:
            hook.remove()
    return {name: seconds / PROFILED for name, seconds in spent.items() if seconds}
