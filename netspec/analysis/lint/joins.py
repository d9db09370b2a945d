"""Lints on what follows what: NS404, NS405, NS409, NS447; and on labels: NS410."""

import os
from collections import Counter
from collections.abc import Iterator

from netspec.analysis.field.receptive_field import Extent
from netspec.analysis.lint.view import Found, Lint, View, finding, place_of
from netspec.diagnostics.model import Diagnostic, Label
from netspec.file_reading import read_bytes
from netspec.ir.graph import Node, Value
from netspec.ir.traits import JUDGING
from netspec.strict_json import BYTES
from netspec.syntax.located import Located
from netspec.syntax.paths import OutsideError, resolve_path, roots
from netspec.syntax.spec import Spec

__all__ = [
    "LINTS",
    "PAIRS",
    "find_unchanged",
    "idle_bias",
    "itself",
    "lint_label_count",
    "lint_misaligned_joins",
    "twice",
]


def idle_bias(view: View) -> Iterator[Found]:
    """NS404: a bias per channel that the mean taken next removes."""
    for node in view.nodes:
        if "has_bias" not in node.layer.traits or not node.bottoms or not node.tops:
            continue
        readers = view.uses.get(node.tops[0], [])
        bias = [
            i
            for i, w in enumerate(view.typed.weights[node])
            if w.name == "bias" and len(w.shape) == 1 and w.kind == "parameter"
        ]
        if (
            bias
            # a single number stands along no axis, whatever `axis` says
            and node.layer.along(view.typed.bottoms(node)[0]) == 1
            and readers
            and all(map(takes_mean, readers))
            and node.tops[0] not in view.typed.graph.outputs
        ):
            span = readers[0].places["name"]
            others = (Label(span, "subtracts the mean"),) if span is not None else ()
            fact = f"{readers[0].name} subtracts the mean, and this bias with it"
            yield finding("NS404", node, fact, "bias_term", "bias_term: false", others=others)


def takes_mean(node: Node) -> bool:
    """Whether training takes the batch's mean away here; a stored one leaves a bias its effect."""
    return node.layer.batch_in_training


PAIRS = (("takes_scores", "normalizes_scores", "softmax"), ("takes_logits", "logistic", "sigmoid"))
"""Trait of a loss, trait of what it does itself, and the name of that."""


def twice(view: View) -> Iterator[Found]:
    """NS405: what the loss does anyway is done before it."""
    for node in view.nodes:
        for asks, does, name in PAIRS:
            if asks in node.layer.traits and node.bottoms:
                scores = find_unchanged(node.bottoms[0])
                before = scores.node
                if before is not None and does in before.layer.traits:
                    fact = f"{before.name} takes a {name} before the loss, which takes one itself"
                    yield finding(
                        "NS405",
                        node,
                        fact,
                        "bottom",
                        f"read {before.bottoms[0].name} instead",
                        others=place_of(scores, "taken here"),
                    )


def find_unchanged(value: Value, through: tuple[str, ...] = ("view", "dropout")) -> Value:
    """The value that another is a view of, or is but for what dropout takes. through: the traits of
    layers that change nothing.
    """
    while value.node is not None and value.node.bottoms and not value.node.layer.traits.isdisjoint(through):
        value = value.node.bottoms[0]
    return value


def itself(view: View) -> Iterator[Found]:
    """NS447: one value twice where a layer compares or joins two."""
    for node in view.nodes:
        if not node.layer.wants_others or len(set(node.bottoms)) == len(node.bottoms):
            continue
        value, count = Counter(node.bottoms).most_common(1)[0]
        fact = f"{node.name} reads {value.name} {count} times among its {len(node.bottoms)} bottoms"
        if node.layer.traits & JUDGING:
            note = f"{value.name} judged by itself says nothing of what is wanted"
        else:
            note = f"{value.name} joined to itself is {value.name} again, a multiple at most"
        yield finding("NS447", node, fact, "bottom", note)


def lint_misaligned_joins(view: View) -> Iterator[Found]:
    """NS409: branches join whose units stand for different places of the input."""
    for node in view.nodes:
        if (
            len(node.bottoms) < 2
            or not node.layer.traits & {"elementwise", "joins"}
            or not beside(view, node)
        ):
            continue
        for other, fact in shifts(view, node):
            yield finding("NS409", node, fact, "bottom", others=place_of(other, "one of them"))
            break


def beside(view: View, node: Node) -> bool:
    """Whether what a layer joins stands at the same places: not one behind the other along the
    batch or an image's axis.
    """
    return "joins" not in node.layer.traits or node.layer.along(view.typed.bottoms(node)[0]) == 1


def shifts(view: View, node: Node) -> Iterator[tuple[Value, str]]:
    """Bottoms that lie apart from the first, and by how much."""
    first, *rest = node.bottoms
    for other in rest:
        for source, axes in view.fields.get(other, {}).items():
            for a, b in zip(view.fields.get(first, {}).get(source, ()), axes, strict=False):
                # axis 0 is the batch, which is no place
                if a is None or b is None or a.axis != b.axis or a.axis == 0:
                    continue
                if a.stride != b.stride:
                    yield (
                        other,
                        (
                            f"{first.name} steps by {a.stride:g} pixels of {source.name}, {other.name} by"
                            f" {b.stride:g}"
                        ),
                    )
                elif apart(a.wide, b.wide) and apart(a.narrow, b.narrow):
                    gap = abs(a.wide.center - b.wide.center)
                    yield (
                        other,
                        (
                            f"{first.name} and {other.name} lie {gap:g} pixels of {source.name} apart: half a"
                            f" stride is {a.stride / 2:g}"
                        ),
                    )


def apart(a: Extent, b: Extent) -> bool:
    """Whether the centres disagree; causal branches, which see nothing ahead, may lie behind each
    other.
    """
    return abs(a.center - b.center) > a.stride / 2 and not a.end == b.end <= 0


def lint_label_count(view: View) -> Iterator[Found]:
    """NS410: labels that an export would refuse: other than the output has channels, or a file that
    cannot be read.
    """
    section = view.resolved.spec.section("output")
    for name, body in (section.mapping if section is not None else {}).items():
        labels = body.get("labels")
        value = view.typed.graph.blobs.get(name)
        if labels is None or value is None or value not in view.typed.types:
            continue
        shape = view.typed.types[value].shape
        fact = ""
        try:
            count = count_labels(view.resolved.spec, labels)
        except (OSError, UnicodeDecodeError, OutsideError) as error:
            count, fact = None, f"labels of {name}: {labels.text}{why_unread(error)}"
        if count is not None and len(shape) > 1 and isinstance(shape[1], int) and count != shape[1]:
            fact = f"{count} labels for {name}, which has {shape[1]} channels"
        if fact:
            yield Found(
                value.node,
                Diagnostic(
                    "NS410",
                    fact,
                    labels.span,
                    others=place_of(value, f"gives {view.typed.types[value]}"),
                ),
            )


def count_labels(spec: Spec, labels: Located) -> int | None:
    """Labels of a list, or lines with text of the file named; None for a file where the spec is a
    text without a place. Raises OSError, UnicodeDecodeError, OutsideError.
    """
    if isinstance(labels.value, list):
        return len(labels.items)
    path = resolve_path(labels.text, spec.folder)
    if not os.path.isfile(spec.source.name):
        return None
    text = read_bytes(path, roots(spec.folder), BYTES).decode("utf-8-sig")
    return sum(1 for line in text.split("\n") if line.strip())


def why_unread(error: Exception) -> str:
    if isinstance(error, OutsideError):
        return " lies outside the spec's folder: --allow-outside, on the command line, lets it be read"
    return f": {error.strerror if isinstance(error, OSError) else 'it is not UTF-8'}"


LINTS: tuple[Lint, ...] = (idle_bias, twice, itself, lint_misaligned_joins, lint_label_count)
