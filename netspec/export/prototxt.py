"""A spec's file becomes a prototxt, and its solver's a second one. In: a program; out: texts, findings, files."""

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

from netspec.analysis.infer import infer
from netspec.diagnostics import Diagnostic, Diagnostics, SpecError
from netspec.driver import Program
from netspec.emit.prototxt import View, prototxt, solver_prototxt
from netspec.files import write_text
from netspec.resolve.build import NetState
from netspec.resolve.resolve import wire

__all__ = ["Prototxt", "export_prototxt", "to_prototxt"]


class Prototxt(NamedTuple):
    """What was written: the net, its solver if it has one, and what was left out of them."""

    net: str
    solver: str | None
    findings: list[Diagnostic]


def to_prototxt(program: Program, net_file: str = "net.prototxt") -> Prototxt:
    """A program as prototxt; `net_file` is what its solver calls it. Raises SpecError NS710, and what wiring the net raises."""
    diagnostics = Diagnostics()
    views = list(views_of(program))
    net = prototxt(program.resolved, views, diagnostics)
    solver = solver_prototxt(program.resolved, net_file, diagnostics)
    if diagnostics.failed:
        raise SpecError([d for d in diagnostics.sorted() if d.severity == "error"])
    return Prototxt(net, solver, diagnostics.sorted())


def export_prototxt(program: Program, path: str | os.PathLike[str]) -> Prototxt:
    """Write a program as prototxt; a solver goes to NAME.solver.prototxt beside it. Raises SpecError: as to_prototxt, NS704."""
    path = Path(path)
    made = to_prototxt(program, path.name)
    write_text(path, made.net, "NS704")
    if made.solver is not None:
        write_text(path.with_suffix(f".solver{path.suffix}"), made.solver, "NS704")
    return made


def views_of(program: Program) -> Iterator[View]:
    """The net in each phase, with every stage and level that its layers name. Raises SpecError if it can be wired in none."""
    faults: list[Diagnostic] = []
    wired = False
    for state in states_of(program):
        diagnostics = Diagnostics()
        graph = wire(program.resolved, state, diagnostics)
        if diagnostics.failed:
            faults = faults or diagnostics.sorted()
            continue
        typed = infer(graph, diagnostics)
        known = typed is not None and not diagnostics.failed
        wired = True
        yield View(graph, tuple(sorted(typed.weight_refs(), key=lambda ref: ref.shared)) if typed is not None and known else ())
    if not wired:
        raise SpecError(faults)


def states_of(program: Program) -> Iterator[NetState]:
    """Both phases, with the program's own stages and level, and with each stage and level that a rule names."""
    rules = [rule for draft in program.resolved.drafts.values() for rule in (*draft.fields.include, *draft.fields.exclude)]
    stages = {program.reading.stages, *(frozenset(rule.stage) for rule in rules)}
    levels = {program.reading.level, *(level for rule in rules for level in (rule.min_level, rule.max_level) if level is not None)}
    for phase, chosen, level in product(("TEST", "TRAIN"), sorted(stages, key=sorted), sorted(levels)):
        yield NetState(phase, chosen, level)
