"""Nets that are legal and probably not meant: one function per code, listed at the bottom. In: the typed graphs of a spec; out: warnings.

Rules ask traits and sizes, never names of types. `allow: [NS404]` on a layer or on the file keeps one quiet.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from math import inf
from typing import Any, NamedTuple

from netspec.analysis.receptive_field import Extent, Fields, fields
from netspec.diagnostics.codes import CODES
from netspec.diagnostics.model import Diagnostic, Diagnostics, Label
from netspec.frozen import frozen
from netspec.ir.dims import Size
from netspec.ir.graph import Node, TypedGraph, Value
from netspec.ir.types import SPACE
from netspec.resolve.deploy import deployed
from netspec.resolve.resolve import Resolved

__all__ = ["lint", "zero_weights"]


class Found(NamedTuple):
    """A finding and the layer that may allow it."""

    node: Node | None
    diagnostic: Diagnostic


@frozen
class View:
    """One typed graph of a spec: "test", "train", or "learning", the net with the heads that training adds."""

    resolved: Resolved
    typed: TypedGraph
    kind: str

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.typed.graph.nodes

    @cached_property
    def uses(self) -> dict[Value, list[Node]]:
        return self.typed.graph.uses()

    @cached_property
    def fields(self) -> Fields:
        return fields(self.typed)

    @cached_property
    def windows(self) -> tuple["Slide", ...]:
        """Every window along every axis of known sizes."""
        return tuple(slide for node in self.nodes if "windowed" in node.layer.traits for slide in slides(self.typed, node))


class Slide(NamedTuple):
    """A window along one axis: all sizes are numbers. reach: from its first tap to its last, both counted."""

    node: Node
    axis: str
    size: int
    out: int
    stride: int
    reach: int
    begin: int

    @property
    def left(self) -> int:
        """Units behind the last window."""
        return self.size + self.begin - (self.out - 1) * self.stride - self.reach


def slides(typed: TypedGraph, node: Node) -> Iterator[Slide]:
    layer: Any = node.layer
    bottom = typed.bottoms(node)[0]
    image = layer.bottom(bottom) if hasattr(layer, "bottom") else bottom
    window, tops = layer.window(image), typed.tops(node)[0].shape[-image.axes :]
    letters = SPACE.get(image.axes, tuple(f"D{i}" for i in range(image.axes)))
    for i, name in enumerate(letters):
        begin = window.pads[i][0] if isinstance(window.pads[i], tuple) else window.pads[i]
        numbers: tuple[Any, ...] = (image.space[i], tops[i], window.stride[i], window.reach[i], begin)
        if all(isinstance(n, int) for n in numbers):
            yield Slide(node, name, *numbers)


def finding(code: str, node: Node, fact: str, at: str, *notes: str, others: tuple[Label, ...] = ()) -> Found:
    return Found(node, Diagnostic(code, f"{node.name}: {fact}", node.places[at], others=others, notes=notes))


def place_of(value: Value, text: str) -> tuple[Label, ...]:
    span = value.node.places["name"] if value.node is not None else None
    return (Label(span, text),) if span is not None else ()


# --- windows ---------------------------------------------------------------------------------------------------------


def dropped(view: View) -> Iterator[Found]:
    """NS401: the last window ends before the input does."""
    for s, axes in alike(s for s in view.windows if s.stride <= s.reach and s.left > 0 and "transposed" not in s.node.layer.traits):
        fact = f"the last {s.left} of {s.size} along {axes} {'is' if s.left == 1 else 'are'} read by no window"
        note = f"({s.size} - {s.reach - s.begin}) % {s.stride} = {s.left}; round_mode: EXACT makes this an error"
        yield finding("NS401", s.node, fact, "stride", note)


def skipped(view: View) -> Iterator[Found]:
    """NS402: gaps between windows."""
    for s, axes in alike(s for s in view.windows if s.stride > s.reach and s.out > 1 and "transposed" not in s.node.layer.traits):
        fact = f"stride {s.stride} along {axes} leaves {s.stride - s.reach} unread between windows of {s.reach}"
        yield finding("NS402", s.node, fact, "stride")


def alike(slides: Iterable["Slide"]) -> Iterator[tuple["Slide", str]]:
    """One slide for each layer and its numbers, and the axes they hold for: `H and W`."""
    found: dict[tuple[Any, ...], list[Slide]] = {}
    for s in slides:
        found.setdefault((s.node, s.size, s.out, s.stride, s.reach, s.begin), []).append(s)
    for each in found.values():
        yield each[0], " and ".join(s.axis for s in each)


def chequered(view: View) -> Iterator[Found]:
    """NS403: windows of a transposed convolution overlap unevenly (Odena et al. 2016)."""
    for node in view.nodes:
        if {"windowed", "transposed"} <= node.layer.traits:
            layer: Any = node.layer
            window = layer.window(layer.bottom(view.typed.bottoms(node)[0]))
            uneven = [(k, s) for k, s, d in zip(window.kernel, window.stride, window.dilation, strict=True) if d == 1 and k % s]
            for kernel, stride in uneven[:1]:
                yield finding(
                    "NS403", node, f"stride must divide kernel_size for even cover: {kernel} % {stride} = {kernel % stride}", "kernel_size"
                )


def padded_pooling(view: View) -> Iterator[Found]:
    """NS411: a mean that counts the border's zeros, or a window that lies wholly in the border."""
    pools = [s for s in view.windows if "pooling" in s.node.layer.traits]
    for s, axes in alike(s for s in pools if (s.out - 1) * s.stride - s.begin >= s.size):
        yield finding("NS411", s.node, f"the last window along {axes} begins past the {s.size} values there are", "stride")
    for node in view.nodes:
        if "pooling" in node.layer.traits and getattr(node.layer, "averages_border", lambda x: False)(view.typed.bottoms(node)[0]):
            note = "count_include_pad: false divides by the values that are there"
            yield finding("NS411", node, "the means at the border count the padding's zeros", "pad", note)


# --- what follows what -----------------------------------------------------------------------------------------------


def idle_bias(view: View) -> Iterator[Found]:
    """NS404: a bias per channel that the mean taken next removes."""
    for node in view.nodes:
        if "has_bias" not in node.layer.traits or "recurrent" in node.layer.traits or not node.tops or getattr(node.layer, "axis", 1) != 1:
            continue
        readers = view.uses.get(node.tops[0], [])
        bias = [i for i, w in enumerate(view.typed.weights[node]) if w.name == "bias" and len(w.shape) == 1 and w.kind == "parameter"]
        if bias and readers and all("batch_statistics" in r.layer.traits for r in readers) and node.tops[0] not in view.typed.graph.outputs:
            span = readers[0].places["name"]
            others = (Label(span, "takes the mean away"),) if span is not None else ()
            yield finding(
                "NS404", node, f"the mean that {readers[0].name} takes away holds its bias", "bias_term", "bias_term: false", others=others
            )


PAIRS = (("takes_scores", "normalizes_scores", "softmax"), ("takes_logits", "logistic", "sigmoid"))
"""Trait of a loss, trait of what it does itself, and the name of that."""


def twice(view: View) -> Iterator[Found]:
    """NS405: what the loss does anyway is done before it."""
    for node in view.nodes:
        for asks, does, name in PAIRS:
            if asks in node.layer.traits and node.bottoms:
                before = node.bottoms[0].node
                if before is not None and does in before.layer.traits:
                    fact = f"{before.name} takes a {name} before the loss, which takes one itself"
                    yield finding(
                        "NS405",
                        node,
                        fact,
                        "bottom",
                        f"read {before.bottoms[0].name} instead",
                        others=place_of(node.bottoms[0], "taken here"),
                    )


def misaligned(view: View) -> Iterator[Found]:
    """NS409: branches join whose units stand for different places of the input."""
    for node in view.nodes:
        if len(node.bottoms) < 2 or not node.layer.traits & {"elementwise", "joins"}:
            continue
        for other, fact in shifts(view, node):
            yield finding("NS409", node, fact, "bottom", others=place_of(other, "one of them"))
            break


def shifts(view: View, node: Node) -> Iterator[tuple[Value, str]]:
    """Bottoms that lie apart from the first, and by how much."""
    first, *rest = node.bottoms
    for other in rest:
        for source, axes in view.fields.get(other, {}).items():
            for a, b in zip(view.fields.get(first, {}).get(source, ()), axes, strict=False):
                if a is None or b is None or a.axis != b.axis or a.axis == 0:
                    continue
                if a.stride != b.stride:
                    yield other, f"{first.name} steps by {a.stride:g} pixels of {source.name}, {other.name} by {b.stride:g}"
                elif apart(a.wide, b.wide) and apart(a.narrow, b.narrow):
                    gap = abs(a.wide.center - b.wide.center)
                    yield (
                        other,
                        f"{first.name} and {other.name} lie {gap:g} pixels of {source.name} apart: half a stride is {a.stride / 2:g}",
                    )


def apart(a: Extent, b: Extent) -> bool:
    """Whether the centres disagree; causal branches, which see nothing ahead, may lie behind each other."""
    return abs(a.center - b.center) > a.stride / 2 and not a.end == b.end <= 0


# --- what is for nothing ---------------------------------------------------------------------------------------------


def dead(views: tuple[View, ...]) -> Iterator[Found]:
    """NS406: layers that no output, loss, metric or file needs, in any phase. Said of the last one of a branch."""
    alive: set[str] = set()
    for view in views:
        alive.update(node.name for node in needed(view))
    seen: set[str] = set()
    for view in views:
        for node in view.nodes:
            if node.name not in alive and node.name not in seen and not any(view.uses.get(top) for top in node.tops):
                seen.add(node.name)
                outputs = ", ".join(name for name, _ in view.resolved.outputs) or "the outputs"
                yield finding("NS406", node, f"nothing reads {node.tops[0].name}, and {outputs} do not need it", "name")


def needed(view: View) -> set[Node]:
    graph = view.typed.graph
    outputs = tuple(graph.blobs[name] for name, _ in view.resolved.outputs if name in graph.blobs)
    roots = deployed(graph, outputs).outputs
    values, found = set(roots), set[Node]()
    for node in reversed(graph.nodes):
        ends = node.layer.traits & {"loss", "metric", "writes_file"} or any(node.loss_weights) or not node.tops
        if ends or values.intersection(node.tops):
            found.add(node)
            values.update(node.bottoms)
    return found


def untrained(view: View) -> Iterator[Found]:
    """NS407: no loss sends a gradient to the parameters of a layer."""
    if not any(any(node.loss_weights) for node in view.nodes):
        return
    reached = with_gradient(view)
    shared = {owner[0] for (node, _), owner in view.typed.shared.items() if node in reached}
    without = dict.fromkeys(ref.node for ref in view.typed.weight_refs() if ref.kind == "parameter" and not ref.shared)
    for node in without:
        if node not in reached and node not in shared:
            yield finding("NS407", node, "no loss sends its weights a gradient", "name", "lr_mult: 0 says that they are not to learn")


def with_gradient(view: View) -> set[Node]:
    """Nodes whose tops a loss depends on by a path that gradients take."""
    stopped = {d.name: d.fields.propagate_down for d in view.resolved.drafts.values() if d.fields.propagate_down}
    values, found = set[Value](), set[Node]()
    for node in reversed(view.nodes):
        if not (any(node.loss_weights) or values.intersection(node.tops)):
            continue
        found.add(node)
        if "no_gradient" in node.layer.traits:
            continue
        blocked = node.layer.indices(*view.typed.bottoms(node)) if node.bottoms else {}
        down = stopped.get(node.name, ())
        for i, value in enumerate(node.bottoms):
            if i not in blocked and f"no_gradient.{i}" not in node.layer.traits and (i >= len(down) or down[i]):
                values.add(value)
    return found


def far_sighted(view: View) -> Iterator[Found]:
    """NS408: even the narrowest branch sees more than twice the input: most of what it sees is padding."""
    reported: set[tuple[Value, int]] = set()
    for node in view.nodes:
        for source, axes in view.fields.get(node.tops[0], {}).items() if node.tops else ():
            for field in axes:
                if field is None or (source, field.axis) in reported:
                    continue
                size: Size = view.typed.types[source].shape[field.axis]
                if isinstance(size, int) and field.axis > 0 and 2 * size < field.narrow.size < inf:
                    reported.add((source, field.axis))
                    yield finding(
                        "NS408",
                        node,
                        f"a unit sees {field.narrow.size:g} along axis {field.axis} of {source.name}, which has {size}",
                        "name",
                    )


def miscounted(view: View) -> Iterator[Found]:
    """NS410: as many labels as an output has channels."""
    section = view.resolved.spec.section("output")
    for name, body in (section.mapping if section is not None else {}).items():
        labels = body.get("labels")
        value = view.typed.graph.blobs.get(name)
        if labels is None or value is None or value not in view.typed.types:
            continue
        shape = view.typed.types[value].shape
        count = len(labels.items) if isinstance(labels.value, list) else lines_of(view.resolved.spec.folder, labels.text)
        if count is not None and len(shape) > 1 and isinstance(shape[1], int) and count != shape[1]:
            fact = f"{count} labels for {name}, which has {shape[1]} channels"
            yield Found(value.node, Diagnostic("NS410", fact, labels.span, others=place_of(value, f"gives {view.typed.types[value]}")))


def lines_of(folder: str, path: str) -> int | None:
    """Lines with text in a labels file; None where it cannot be read (export says so) or is no list of lines."""
    from os.path import join

    if not path.endswith(".txt"):
        return None
    try:
        with open(join(folder, path), encoding="utf-8") as file:
            return sum(1 for line in file if line.strip())
    except (OSError, UnicodeDecodeError):
        return None


def zero_start(view: View) -> Iterator[Found]:
    """NS412: every layer gives nothing, so no layer gets a gradient. Only of nets that are trained."""
    if view.kind != "learning" and not any(any(node.loss_weights) for node in view.nodes):
        return
    for node in zero_weights(view.typed)[:1]:
        note = "weight_filler: xavier, or msra before a ReLU; Caffe's default is constant 0"
        at = "weight_filler" if "weight_filler" in node.places else "type"
        yield finding("NS412", node, "its weights start at 0, and so do those of every other layer", at, note)


def zero_weights(typed: TypedGraph) -> list[Node]:
    """The layers whose multiplying weights are trained and start at 0, where that is true of all that have such weights; else none.

    `train` refuses such a net: no gradient ever leaves 0 (LANGUAGE, section 3).
    """
    zero: list[Node] = []
    for node in typed.graph.nodes:
        weights = [w for w in typed.weights[node] if w.kind == "parameter" and len(w.shape) > 1]
        if not weights or "elementwise" in node.layer.traits:
            continue
        if any(w.filler.type != "constant" or w.filler.value != 0 for w in weights):
            return []
        zero.append(node)
    return zero


# --- running them ----------------------------------------------------------------------------------------------------


LINTS: tuple[Callable[[View], Iterator[Found]], ...] = (
    dropped,
    skipped,
    chequered,
    idle_bias,
    twice,
    far_sighted,
    misaligned,
    miscounted,
    padded_pooling,
)
"""Those that look at every phase."""
LEARNING: tuple[Callable[[View], Iterator[Found]], ...] = (untrained, zero_start)
"""Those that look at the net in training."""


def lint(resolved: Resolved, typed: Mapping[str, TypedGraph], diagnostics: Diagnostics) -> None:
    """Warn of everything in the views of a spec ("test", "train", "learning") that its `allow:` does not name."""
    allowed, by_layer = allowances(resolved, diagnostics)
    views = tuple(View(resolved, graph, kind) for kind, graph in typed.items())
    found = list(dead(views))
    for view in views:
        found += [each for rule in LINTS for each in rule(view)]
    trained = next((view for kind in ("learning", "train", "test") for view in views if view.kind == kind), None)
    if trained is not None:
        found += [each for rule in LEARNING for each in rule(trained)]
    said: set[tuple[str, str | None, str]] = set()
    for node, diagnostic in found:
        key = (diagnostic.code, node.name if node is not None else None, diagnostic.fact)
        if diagnostic.code not in allowed and key not in said and (node is None or diagnostic.code not in by_layer.get(node.name, ())):
            said.add(key)
            diagnostics.add(diagnostic)


def allowances(resolved: Resolved, diagnostics: Diagnostics) -> tuple[frozenset[str], dict[str, frozenset[str]]]:
    """Codes that the file and that each layer allows; a word that is no lint's code is refused."""
    layers = {d.name: frozenset(d.fields.allow) for d in resolved.drafts.values() if d.fields.allow}
    places = {d.name: d.places["allow"] for d in resolved.drafts.values() if d.fields.allow}
    section = resolved.spec.section("allow")
    named = [("the file", frozenset(resolved.file.allow), section.span if section is not None else None)]
    for who, codes, span in [*named, *((name, codes, places[name]) for name, codes in layers.items())]:
        for code in sorted(codes):
            if not (code.startswith("NS4") and code in CODES):
                diagnostics.error("NS105", f"allow of {who} names {code}, which is no lint", span, notes=("lints are NS401 to NS412",))
    return frozenset(resolved.file.allow), layers
