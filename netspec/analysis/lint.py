"""Nets that are legal and probably not meant: one function per code, listed below. In: the typed graphs of a spec; out: warnings.

Rules ask traits and sizes, never names of types. `allow: [NS404]` on a layer or on the file keeps one quiet.
"""

from collections.abc import Callable, Iterator, Mapping

from netspec.analysis.lint_joins import idle_bias, misaligned, miscounted, twice
from netspec.analysis.lint_training import dead, untrained, zero_start, zero_weights
from netspec.analysis.lint_view import Found, View
from netspec.analysis.lint_windows import chequered, dropped, far_sighted, padded_pooling, skipped
from netspec.diagnostics.codes import CODES
from netspec.diagnostics.model import Diagnostics
from netspec.ir.graph import TypedGraph
from netspec.resolve.resolve import Resolved

__all__ = ["lint", "zero_weights"]

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
