"""Runs that are to become one model. In: their folders; out: Members, or NS612: what they do not have
in common. Knows no layer type.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from netspec import driver
from netspec.data.facts import read_facts
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.ir.graph import Node, TypedGraph, Value
from netspec.read_options import PLAIN, Reading
from netspec.training.class_names import labels_of
from netspec.training.run.folder import load_run
from netspec.training.teaching import describe_input

__all__ = ["Member", "check_alike", "find_scoring", "is_normalised", "load_members"]


class Member(NamedTuple):
    """A run: its deployed net, the tensors by layer and number of the weight there, and what its data
    fixed.
    """

    folder: Path
    program: driver.Program
    typed: TypedGraph
    tensors: Mapping[tuple[str, int], Tensor]
    classes: tuple[str, ...] | None
    labels: Mapping[str, Sequence[str]]
    facts: Mapping[str, Any]
    seed: int


def load_members(
    folders: Sequence[str | Path], weights: str = "last", reading: Reading = PLAIN
) -> list[Member]:
    """The runs of these folders, alike in what goes in and comes out. NS612, and what reading a run
    raises.
    """
    members = [load_member(Path(folder), weights, reading) for folder in folders]
    if len(members) < 2:
        raise fail("NS612", f"one model is made of two runs at least: there is {len(members)}")
    check_alike(members)
    return members


def load_member(folder: Path, weights: str, reading: Reading) -> Member:
    run = load_run(folder, weights, reading=reading)
    net: Any = run.net
    if run.program.resolved.file.plugins:
        raise fail("NS612", "its spec names plug-ins, which lie beside it", path=str(folder))
    tensors = {
        (ref.node.name, ref.index): net.layer_parameters(ref.node.name)[ref.index].detach()
        for ref in run.typed.weight_refs()
    }
    return Member(
        folder,
        run.program,
        run.typed,
        tensors,
        run.classes,
        labels_of(run.program, run.typed, folder),
        read_facts(folder),
        run.record["seed"],
    )


def check_alike(members: Sequence[Member]) -> None:
    """NS612, one for each run, where inputs, contracts, classes or outputs are not those of the
    first.
    """
    first = members[0]
    found = []
    for member in members[1:]:
        facts = [*unlike(first, member)]
        if facts:
            found.append(Diagnostic("NS612", facts[0], path=str(member.folder), notes=tuple(facts[1:])))
    if found:
        raise SpecError(found)


def unlike(one: Member, other: Member) -> Iterator[str]:
    """What two runs do not have in common, the other's side first."""
    for what, first, second in (
        ("input", inputs(one), inputs(other)),
        ("output", outputs(one), outputs(other)),
    ):
        for name in dict.fromkeys((*first, *second)):
            a, b = first.get(name), second.get(name)
            if a is None or b is None:
                lacks, has = (one, other) if a is None else (other, one)
                yield f"{what} {name} is in {has.folder}, not in {lacks.folder}"
            elif a != b:
                yield f"{what} {name} is {b}, in {one.folder} {a}"
    if names(one) != names(other):
        yield f"classes: other than in {one.folder}"
    if one.facts != other.facts:
        yield f"what the training data fixed: other than in {one.folder}"


def inputs(member: Member) -> dict[str, str]:
    """Type and contract of each input."""
    types = member.typed.types
    return {
        given.value.name: f"{types[given.value].dtype} {describe_input(member.typed, given)}"
        for given in member.typed.graph.inputs
    }


def outputs(member: Member) -> dict[str, str]:
    """The type of each output, and whether it is made of shares or scores."""
    return {
        value.name: f"{member.typed.types[value]}, {describe(member, value)}"
        for value in member.typed.graph.outputs
    }


def describe(member: Member, value: Value) -> str:
    if is_normalised(value):
        return "shares of classes"
    scoring = find_scoring(member, value)
    if scoring is not None:
        return "scores"
    return "values"


def is_normalised(value: Value) -> bool:
    return value.node is not None and "normalizes_scores" in value.node.layer.traits


def names(member: Member) -> tuple[Any, ...]:
    return member.classes, {name: list(said) for name, said in member.labels.items()}


def find_scoring(member: Member, value: Value) -> Node | None:
    """The loss of a training that makes shares of an output itself; None where there is none."""
    if member.program.resolved.file.train is None or is_normalised(value):
        return None
    for node in member.program.training_graph("train").graph.nodes:
        scores = node.bottoms and node.bottoms[0].name == value.name
        if scores and node.layer.traits & {"takes_scores", "takes_logits"}:
            return node
    return None
