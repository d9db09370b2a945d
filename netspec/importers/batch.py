"""The fixed batch of a deploy file -> an open one, where the typed graph proves that nothing
depends on the number.

In: a spec as plain values, and where the file declares its inputs. Caffe needs a number there, a
net does not.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from netspec.diagnostics import Diagnostic, SpecError
from netspec.importers.names import CONDITIONS, rules, several
from netspec.ir.dims import symbols
from netspec.ir.graph import TypedGraph
from netspec.read_options import Reading
from netspec.source import Source, Span
from netspec.syntax.writer import dump

__all__ = ["open_batch"]

BATCH = "N"
STAGES = 16
"""A net that names more is left alone: each is typed twice."""
Tree = dict[str, Any]


def open_batch(
    tree: Tree, places: Mapping[str, Span], names: Mapping[str, str]
) -> tuple[Tree, list[Diagnostic]]:
    """The spec with N in place of the batch of the inputs in `places`; or as it is, with a NS041
    that says what depends on the number.

    names: leads from a layer of the spec to its name in the file. A net that is faulty as it stands
    is left alone.
    """
    declared = {name: shape for name, shape in tree.get("input", {}).items() if name in places and shape}
    batch = next((shape[0] for shape in declared.values() if isinstance(shape[0], int)), None)
    if batch is None:
        return tree, []
    named = {
        name: f"{BATCH}{i + 1 if i else ''}"
        for i, name in enumerate(n for n, shape in declared.items() if shape[0] == batch)
    }
    letters = together(with_letters(tree, named), named)
    opened = {name: [letter, *declared[name][1:]] for name, letter in letters.items()}
    candidate = with_letters(tree, letters)
    why, proven = dependence(candidate, tree, names)
    if why is None:
        return (candidate if proven else tree), []
    first = next(iter(opened))
    fact = f"{first} takes batches of {batch} only: {why}"
    return tree, [Diagnostic("NS041", fact, places[first], "the batch is not opened")]


def with_letters(tree: Tree, letters: Mapping[str, str]) -> Tree:
    """The spec with a symbol for the first size of some inputs."""
    shapes = {
        name: [letters[name], *shape[1:]] if name in letters else shape
        for name, shape in tree["input"].items()
    }
    return {**tree, "input": shapes}


def together(tree: Tree, letters: Mapping[str, str]) -> dict[str, str]:
    """Which inputs are of one batch: those that the net demands to be, in a phase; regions of
    images need not be as many as these.

    Where that cannot be asked, all are.
    """
    if len(letters) < 2:
        return dict(letters)
    source, first = Source("net.yaml", dump(tree)), {letter: letter for letter in letters.values()}
    try:
        for phase, stage in states(tree):
            for _, fact in graph(source, phase, stage).facts:
                if fact.kind == "same" and str(fact.left) in first and str(fact.right) in first:
                    one, other = sorted((first[str(fact.left)], first[str(fact.right)]))
                    first = {letter: one if root == other else root for letter, root in first.items()}
    except SpecError:
        return dict.fromkeys(letters, BATCH)
    return {name: first[letter] for name, letter in letters.items()}


def dependence(opened: Tree, fixed: Tree, names: Mapping[str, str]) -> tuple[str | None, bool]:
    """What depends on N, in a sentence, or None for nothing in whatever phase and stage; and
    whether any of these could be asked.

    One that the net with its numbers does not describe is not.
    """
    proven = False
    source = Source("net.yaml", dump(opened))
    for phase, stage in states(opened):
        try:
            typed = graph(source, phase, stage)
        except SpecError as error:
            if has_net(Source("net.yaml", dump(fixed)), phase, stage):
                return error.diagnostics[0].fact, True
            continue
        proven = True
        why = demand(
            typed,
            names,
            frozenset(
                str(shape[0]) for shape in opened["input"].values() if shape and isinstance(shape[0], str)
            ),
        )
        if why is not None:
            return why, True
    return None, proven


def demand(typed: TypedGraph, names: Mapping[str, str], letters: frozenset[str]) -> str | None:
    """What a graph demands of the batch, or None."""
    for node in typed.graph.nodes:
        if "recurrent" in node.layer.traits:
            return f"axis 0 is time in layer {names.get(node.name, node.name)}"
    for node, fact in typed.facts:
        if letters & (symbols(fact.left) | symbols(fact.right)):
            return f"{fact.because} in layer {names.get(node.name, node.name)}, where {fact}"
    return None


def states(tree: Tree) -> Iterator[tuple[str, str | None]]:
    """Both phases, without a stage and with each that a layer names; one phase where no layer has
    conditions, none of too many.
    """
    conditions = [rule for layer in tree["layers"] for key in CONDITIONS for rule in rules(layer, key)]
    named = {
        str(stage)
        for rule in conditions
        for key in ("stage", "not_stage")
        for stage in several(rule.get(key))
    }
    for stage in (None, *sorted(named)) if len(named) <= STAGES else ():
        yield from (("test", stage), ("train", stage)) if conditions else (("test", stage),)


def has_net(source: Source, phase: str, stage: str | None) -> bool:
    """Whether there is such a net."""
    try:
        graph(source, phase, stage)
    except SpecError:
        return False
    return True


def graph(source: Source, phase: str, stage: str | None) -> TypedGraph:
    """The typed graph of a phase and stage. Raises SpecError."""
    from netspec import driver

    reading = Reading(stages=frozenset({stage} if stage is not None else ()))
    return driver.load_source(source, reading).graph(phase)
