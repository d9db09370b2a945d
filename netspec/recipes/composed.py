"""Several nets as one spec: each member's layers under a prefix, an answer made of all of theirs. In:
Members and what each counts; out: a run's folder, which every command takes.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from netspec import driver
from netspec.diagnostics import SpecError, fail
from netspec.driver import state_of
from netspec.emit.resolved_spec import build_resolved_tree
from netspec.layers.common.ensembles import PROBABILITY_HEADS, heads_at_places, mean_of, shares_of
from netspec.read_options import Reading
from netspec.recipes.made_run import write_made_run
from netspec.recipes.members import Member, find_scoring, is_normalised
from netspec.source import Source
from netspec.syntax.located import plain
from netspec.syntax.writer import dump, escape_dollars
from netspec.training.run.origins import origins_of

__all__ = ["Composed", "compose", "write_composed"]

KEPT = ("data", "val_data", "test_data", "split", "solver", "fill", "augment")
"""What is taken over of `train:`, so that the model can be tested; recipes were the members'."""
DRAWING = ("bootstrap", "sample_weights")
"""How a member's samples were drawn."""


@dataclass(frozen=True, eq=False)
class Composed:
    """A net made of members: its program, and its tensors by their names in it."""

    program: driver.Program
    tensors: Mapping[str, Tensor]
    members: Sequence[Member]


def compose(members: Sequence[Member], shares: Sequence[float], name: str) -> Composed:
    """One net whose outputs are the sum of the members', times their shares. Scores that the loss of
    the training makes shares of classes become such first.
    """
    tree = build_tree(members, shares, name)
    origins = dict.fromkeys(name for each in members for name in origins_of(each.program))
    program = read(tree, members[0].program.resolved.spec.folder, Reading(origins=tuple(origins)))
    typed = program.graph("deploy")
    tensors = {}
    for ref in typed.weight_refs():
        prefix, _, layer = ref.node.name.partition(".")
        if not ref.shared:
            tensors[ref.name] = members[int(prefix[1:]) - 1].tensors[layer, ref.index]
    return Composed(program, tensors, members)


def read(tree: dict[str, Any], folder: str, reading: Reading) -> driver.Program:
    """The program of a tree, with its section `train` if the net can be measured so."""
    for given in (tree, {key: value for key, value in tree.items() if key != "train"}):
        program = driver.load_source(Source(os.path.join(folder, "spec.yaml"), dump(given)), reading)
        if "train" not in given:
            return program
        try:
            program.training_graph("train"), program.training_graph("test")
        except SpecError:
            continue
        return program
    raise AssertionError("a tree without train is always read")


def write_composed(made: Composed, folder: Path, more: Mapping[str, Any]) -> None:
    """The run of a net made of others. more: what run.json says besides."""
    first = made.members[0]
    write_made_run(folder, made.program, made.tensors, like=first.folder, seed=first.seed, more=more)


# --- the text --------------------------------------------------------------------------------------------------------


def build_tree(members: Sequence[Member], shares: Sequence[float], name: str) -> dict[str, Any]:
    """The spec as plain values."""
    trees = [tree_of(member) for member in members]
    first = trees[0]
    layers = [layer for i, tree in enumerate(trees, 1) for layer in prefix_layers(tree, f"m{i}")]
    heads: list[dict[str, Any]] = []
    for value in members[0].typed.graph.outputs:
        if value.name in first["input"]:
            raise fail("NS612", f"its output {value.name} is an input", path=str(members[0].folder))
        heads += answers(members, value.name, shares)
    tree = {
        "netspec": 1,
        "name": name,
        "description": f"{len(members)} runs as one net.",
        "input": first["input"],
        "layers": [*layers, *heads],
        "output": said_outputs(members[0]),
    }
    section = members[0].program.resolved.spec.section("train")
    if section is not None:
        tree["train"] = training(members[0], escape_dollars(plain(section)))
    return tree


def tree_of(member: Member) -> dict[str, Any]:
    """A member's deployed net, written out."""
    state = state_of("deploy", member.program.reading)
    return build_resolved_tree(member.program.resolved, {state: member.typed})


def prefix_layers(tree: Mapping[str, Any], prefix: str) -> Iterator[dict[str, Any]]:
    """A net's layers under names of their own. A layer that wrote over an input no longer does: others
    read it too.
    """
    known = {name: name for name in tree["input"]}
    for layer in tree["layers"]:
        own = {**layer, "name": f"{prefix}.{layer['name']}"}
        own.pop("include", None)
        if "bottom" in layer:
            own["bottom"] = rename(layer["bottom"], known)
        for top in as_list(layer["top"]):
            known[top] = f"{prefix}.{top}"
        own["top"] = rename(layer["top"], known)
        if "param" in layer:
            own["param"] = [
                {**each, **({"name": f"{prefix}.{each['name']}"} if each.get("name") else {})}
                for each in layer["param"]
            ]
        yield own


def rename(given: Any, known: Mapping[str, str]) -> Any:
    if isinstance(given, list):
        return [known[name] for name in given]
    return known[given]


def as_list(given: Any) -> list[str]:
    if isinstance(given, list):
        return given
    return [given]


def answers(members: Sequence[Member], name: str, shares: Sequence[float]) -> Iterator[dict[str, Any]]:
    """The layers that make an output of the members'."""
    parts = []
    for i, member in enumerate(members, 1):
        value = next(each for each in member.typed.graph.outputs if each.name == name)
        made = f"m{i}.{value.name}"
        scoring = find_scoring(member, value)
        if scoring is not None:
            exclusive = "takes_scores" in scoring.layer.traits
            axis = scoring.layer.__dict__.get("axis", 1)
            yield shares_of(f"{made}.shares", made, axis, exclusive)
            made = f"{made}.shares"
        parts.append(made)
    yield mean_of(name, parts, shares)


def said_outputs(member: Member) -> Any:
    """The section `output`, class names written out."""
    names = [value.name for value in member.typed.graph.outputs]
    if not member.labels:
        return names
    return {name: {"labels": list(member.labels[name])} if name in member.labels else {} for name in names}


def training(member: Member, said: Mapping[str, Any]) -> dict[str, Any]:
    """`train:` of the first member, as far as it can measure the net that is made."""
    found = {key: said[key] for key in KEPT if said.get(key) not in (None, {}, [])}
    if isinstance(found.get("data"), dict):
        found["data"] = {key: value for key, value in found["data"].items() if key not in DRAWING}
    split = found.get("split")
    if isinstance(split, dict) and split.get("folds"):
        # each member learned from other folds: none of them is anybody's validation data
        found["split"] = {key: value for key, value in split.items() if key not in ("folds", "fold")}
        found.pop("val_data", None)
        if not found["split"].get("test"):
            found.pop("split")
    classifies = any(
        is_normalised(value) or find_scoring(member, value) is not None
        for value in member.typed.graph.outputs
    )
    if classifies:
        found["loss"] = measures(member, said.get("loss"))
    elif said.get("loss") is not None:
        found["loss"] = said["loss"]
    return found


def measures(member: Member, said: Any) -> list[dict[str, Any]]:
    """What measures the mean of the members' shares: where classes stand at places, of a picture or in
    time, what measured theirs.
    """
    outputs = member.typed.graph.outputs
    if len(outputs) != 1 or member.typed.types[outputs[0]].rank == 2:
        return [dict(head) for head in PROBABILITY_HEADS]
    judge = find_scoring(member, outputs[0]) or outputs[0].node
    axis = judge.layer.__dict__.get("axis", 1) if judge is not None else 1
    return heads_at_places(outputs[0].name, said if isinstance(said, list) else [], axis)
