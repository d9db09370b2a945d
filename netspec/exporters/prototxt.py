"""A spec's file becomes a prototxt, and its solver's a second one. In: a program; out: texts,
findings, files.
"""

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

from netspec.analysis.infer import infer
from netspec.diagnostics import Diagnostic, Diagnostics, SpecError
from netspec.driver import Program
from netspec.emit.prototxt import View, prototxt, solver_prototxt
from netspec.exporters.caffemodel import collect_stored_layers, write_caffemodel
from netspec.exporters.endings import held
from netspec.file_writing import write_text
from netspec.resolve.resolve import wire
from netspec.resolve.sections.spec_file import SpecFile
from netspec.resolve.wiring import NetState

__all__ = ["Prototxt", "Written", "export_prototxt", "to_prototxt"]


WITHOUT_PLACE = {
    "description": "a prototxt has no field for it",
    "source": "a prototxt has no field for it",
    "output": "Caffe's outputs are the blobs that no layer reads",
    "expect": "Caffe has no budgets",
}
WITHOUT_PLACE_IN_SOLVER = {
    "data": "Caffe's data stand in data layers; add one, or feed the inputs",
    "test_data": "Caffe's data stand in data layers; add one for the test phase",
    "augment": "Caffe has transform_param of a data layer for it",
    "loss": "Caffe's losses are layers; only those that the spec lists are written",
}


class Prototxt(NamedTuple):
    """What was written: the net, its solver if it has one, and what was left out of them."""

    net: str
    solver: str | None
    findings: list[Diagnostic]


class Written(NamedTuple):
    """The files that were written, and what was left out of them."""

    files: tuple[Path, ...]
    findings: list[Diagnostic]


def to_prototxt(program: Program, net_file: str = "net.prototxt") -> Prototxt:
    """A program as prototxt; `net_file` is what its solver calls it. Raises SpecError NS710, and
    what wiring the net raises.
    """
    diagnostics = Diagnostics()
    views = list(views_of(program))
    net = prototxt(program.resolved, views, diagnostics)
    sections(program.resolved.file, diagnostics)
    solver = solver_prototxt(program.resolved, net_file, diagnostics)
    if diagnostics.failed:
        raise SpecError([d for d in diagnostics.sorted() if d.severity == "error"])
    return Prototxt(net, solver, diagnostics.sorted())


def sections(file: SpecFile, diagnostics: Diagnostics) -> None:
    """NS711 for each section of a spec that neither a prototxt nor a solver's file has a place
    for.
    """
    for name, why in WITHOUT_PLACE.items():
        if getattr(file, name):
            diagnostics.add(Diagnostic("NS711", f"{name}: {why}"))
    for name, why in WITHOUT_PLACE_IN_SOLVER.items():
        if file.train is not None and getattr(file.train, name):
            diagnostics.add(Diagnostic("NS711", f"train.{name}: {why}"))


def export_prototxt(
    program: Program,
    path: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    solver: str | os.PathLike[str] | None = None,
) -> Written:
    """Write a program as prototxt; its solver to `solver`, by default NAME.solver.prototxt;
    `weights` (safetensors) to NAME.caffemodel.

    Nothing is written before all of it is known. Raises SpecError: as to_prototxt and
    stored_layers, NS704, NS709.
    """
    path = Path(path)
    held(path, "prototxt")
    made = to_prototxt(program, path.name)
    layers, notes = collect_stored_layers(views_of(program), weights) if weights is not None else ([], [])
    files = [path]
    write_text(path, made.net, "NS704")
    if made.solver is not None:
        files.append(Path(solver) if solver is not None else path.with_suffix(f".solver{path.suffix}"))
        write_text(files[-1], made.solver, "NS704")
    if weights is not None:
        files.append(path.with_suffix(".caffemodel"))
        write_caffemodel(files[-1], program.resolved.file.name, layers)
    return Written(tuple(files), [*made.findings, *notes])


def views_of(program: Program) -> Iterator[View]:
    """The net in each phase, with every stage and level that its layers name. Raises SpecError if
    it can be wired in none.
    """
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
        yield View(
            graph,
            tuple(sorted(typed.weight_refs(), key=lambda ref: ref.shared))
            if typed is not None and known
            else (),
        )
    if not wired:
        raise SpecError(faults)


def states_of(program: Program) -> Iterator[NetState]:
    """Both phases, with the program's own stages and level, and with each stage and level that a
    rule names.
    """
    rules = [
        rule
        for draft in program.resolved.drafts.values()
        for rule in (*draft.fields.include, *draft.fields.exclude)
    ]
    stages = {program.reading.stages, *(frozenset(rule.stage) for rule in rules)}
    levels = {
        program.reading.level,
        *(level for rule in rules for level in (rule.min_level, rule.max_level) if level is not None),
    }
    for phase, chosen, level in product(("TEST", "TRAIN"), sorted(stages, key=sorted), sorted(levels)):
        yield NetState(phase, chosen, level)
