"""Nets that are legal and probably not meant: one function per code, listed below. In: the typed
graphs of a spec; out: warnings.

Rules ask traits and sizes, never names of types. `allow: [NS404]` on a layer or on the file keeps
one quiet.
"""

from collections.abc import Mapping, Sequence

from netspec.analysis.learning_rate.courses import read_length
from netspec.analysis.lint import (
    batch,
    data,
    joins,
    normalization,
    pictures,
    scores,
    solver,
    symmetry,
    training,
    windows,
)
from netspec.analysis.lint.training import dead, zero_weights
from netspec.analysis.lint.view import Found, Lint, View
from netspec.diagnostics.codes import CODES, Phase, number_of, phase_of
from netspec.diagnostics.model import Diagnostics
from netspec.ir.graph import TypedGraph
from netspec.resolve.resolve import Resolved

__all__ = ["lint", "lint_training", "zero_weights"]

LINTS: tuple[Lint, ...] = (
    *windows.LINTS,
    *joins.LINTS,
    *scores.LINTS,
    *normalization.LINTS,
    *batch.LINTS,
    *pictures.LINTS,
    *training.LINTS,
)
"""Those that look at every phase; each module lists its own."""
COURSE: tuple[Lint, ...] = (*solver.COURSE, *normalization.COURSE)
"""Those that depend on how long the training lasts, which may be known only where it begins."""
IN_TRAINING: tuple[Lint, ...] = (*COURSE, joins.twice, *scores.LINTS, *symmetry.LEARNING)
"""Those that a training says too: what they tell of spoils its result, and `check` may not have run."""
LEARNING: tuple[Lint, ...] = (*training.LEARNING, *symmetry.LEARNING, *data.LEARNING, *COURSE)
"""Those that look at the net in training."""


LINTED = sorted(code for code in CODES if phase_of(code) == Phase.LINTS)


def stretches(codes: Sequence[str]) -> str:
    """`NS401 to NS418, NS425 to NS429, NS440`: codes in order, the gaps left out."""
    found: list[list[str]] = []
    for code in codes:
        if found and number_of(code) == number_of(found[-1][-1]) + 1:
            found[-1].append(code)
        else:
            found.append([code])
    return ", ".join(part[0] if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in found)


def lint(resolved: Resolved, typed: Mapping[str, TypedGraph], diagnostics: Diagnostics) -> None:
    """Warn of everything in the views of a spec ("test", "train", "learning") that its `allow:`
    does not name.
    """
    allowed = allowances(resolved, diagnostics)
    views = tuple(View(resolved, graph, kind, read_length(resolved)) for kind, graph in typed.items())
    found = list(dead(views))
    for view in views:
        found += [each for rule in LINTS for each in rule(view)]
    trained = next(
        (view for kind in ("learning", "train", "test") for view in views if view.kind == kind),
        None,
    )
    if trained is not None:
        found += [each for rule in LEARNING for each in rule(trained)]
    warn(found, allowed, diagnostics)


def lint_training(resolved: Resolved, typed: TypedGraph, length: int, diagnostics: Diagnostics) -> None:
    """Warn of what spoils a training of so many iterations. typed: the net in training."""
    allowed = allowances(resolved, Diagnostics())
    view = View(resolved, typed, "learning", length)
    warn([each for rule in IN_TRAINING for each in rule(view)], allowed, diagnostics)


def warn(found: list[Found], allowed: "Allowed", diagnostics: Diagnostics) -> None:
    """Report what is not allowed, each once."""
    by_file, by_layer = allowed
    said: set[tuple[object, ...]] = set()
    for node, diagnostic in found:
        key = (node.name if node is not None else None, diagnostic.identity)
        if (
            diagnostic.code not in by_file
            and key not in said
            and (node is None or diagnostic.code not in by_layer.get(node.name, ()))
        ):
            said.add(key)
            diagnostics.add(diagnostic)


Allowed = tuple[frozenset[str], dict[str, frozenset[str]]]


def allowances(resolved: Resolved, diagnostics: Diagnostics) -> Allowed:
    """Codes that the file and that each layer allows; a word that is no lint's code is refused."""
    layers = {d.name: frozenset(d.fields.allow) for d in resolved.drafts.values() if d.fields.allow}
    places = {d.name: d.places["allow"] for d in resolved.drafts.values() if d.fields.allow}
    section = resolved.spec.section("allow")
    named = [("the file", frozenset(resolved.file.allow), section.span if section is not None else None)]
    for who, codes, span in [
        *named,
        *((name, codes, places[name]) for name, codes in layers.items()),
    ]:
        for code in sorted(codes):
            if code not in LINTED:
                diagnostics.error(
                    "NS105",
                    f"allow of {who} names {code}, which is no lint",
                    span,
                    notes=(f"lints are {stretches(LINTED)}",),
                )
    return frozenset(resolved.file.allow), layers
