"""What the loop takes, made of a program's graphs, its nets and its data."""

import hashlib
from typing import Any

import torch

from netspec import compiled, driver
from netspec.analysis.lint.run import zero_weights
from netspec.analysis.lint.scores import takes_one_score
from netspec.data.registry import Role
from netspec.data.source import Source
from netspec.diagnostics import Diagnostic, SpecError
from netspec.diagnostics.model import Fix, Label
from netspec.diagnostics.words import list_briefly
from netspec.ir.graph import TypedGraph
from netspec.ir.traits import JUDGING
from netspec.resolve.sections.solver import SolverParameter
from netspec.training.batches.feeds import Feeds, arguments
from netspec.training.job import Job, Player
from netspec.training.nets import Twins, join_nets

__all__ = ["check_fillers", "check_scores", "hash_of", "job_of", "losses_of", "players_of"]

SHOWN = 5
"""Layers that a message names."""


def players_of(
    program: driver.Program, nets: Twins, trained: TypedGraph, words: SolverParameter
) -> tuple[Player, ...]:
    """Who learns in turn: a net for each player's losses, which holds the tensors of the whole
    one.
    """
    found = []
    for part in program.players():
        net = compiled.compile(part.typed, "train")
        join_nets(net, part.typed, nets.train, trained)
        if part.said.solver is not None:
            own = part.said.solver.over(words)
        else:
            own = words
        found.append(
            Player(
                part.name,
                net,
                own,
                part.weights,
                frozenset(arguments(net).values()),
                part.said.steps,
            )
        )
    return tuple(found)


def job_of(
    graphs: tuple[TypedGraph, TypedGraph],
    nets: Twins,
    feeds: Feeds,
    words: SolverParameter,
    device: torch.device,
    players: tuple[Player, ...],
) -> Job:
    """What the loop takes."""
    seed = words.random_seed
    train_batches = feeds.batches("train", graphs[0], nets.train, seed, device)
    measured: Role = "test" if feeds.val is None else "val"
    tests: dict[Role, Any] = {
        role: feeds.batches(role, graphs[1], nets.test, 0, device)
        for role in dict.fromkeys((measured, "test"))
        if role == "val" or feeds.tested
    }
    return Job(
        net=nets.train,
        parameters=nets.parameters,
        words=words,
        train_batches=train_batches,
        test_net=nets.test if tests else None,
        test_batches=tests.get(measured),
        final_batches=tests.get("test") if measured == "val" else None,
        measured=measured,
        losses=losses_of(*graphs),
        layer_of={path: name for name, (path, *_) in nets.train.layers.items()},  # type: ignore[union-attr, operator]
        spec_hash=hash_of(graphs[0], players),
        players=players,
        judges=judges_of(graphs[0], nets.train),
        counted=call_samples(graphs[0], feeds.train),
        guess=guess_of(graphs[0]),
    )


def guess_of(typed: TypedGraph) -> float | None:
    """The loss of a net whose scores are all alike; None where one of its losses does not know."""
    total = 0.0
    for node in typed.graph.nodes:
        for weight in filter(None, node.loss_weights):
            guess = node.layer.guess(*typed.bottoms(node))
            if guess is None:
                return None
            total += weight * guess
    return total or None


def call_samples(typed: TypedGraph, source: Source | None) -> str:
    """images, where an input is a picture by its contract or its four axes, and what feeds it has
    channels, rows and columns; else samples.
    """
    if source is not None and len(next(iter(source.fields.values())).shape) != len("CHW"):
        return "samples"
    for given in typed.graph.inputs:
        if given.contract is not None or len(typed.types[given.value].shape) == len("NCHW"):
            return "images"
    return "samples"


def judges_of(typed: TypedGraph, net: Any) -> frozenset[str]:
    """The modules of losses and metrics, by their paths."""
    return frozenset(net.layers[node.name][0] for node in typed.graph.nodes if node.layer.traits & JUDGING)


def losses_of(*graphs: TypedGraph) -> frozenset[str]:
    """Names of values of which less is better."""
    judges = (
        node
        for typed in graphs
        for node in typed.graph.nodes
        if "loss" in node.layer.traits or any(node.loss_weights)
    )
    return frozenset({"loss"} | {top.name for node in judges for top in node.tops})


def hash_of(typed: TypedGraph, players: tuple[Player, ...] = ()) -> str:
    """A hash of what is trained: layers with their parameters, wiring and weights, and by whom.
    Texts that mean the same have the same.
    """
    graph = typed.graph
    number = {
        value: i
        for i, value in enumerate(
            [*(i.value for i in graph.inputs), *(top for node in graph.nodes for top in node.tops)]
        )
    }
    lines = [f"{given.value.name} {typed.types[given.value]} {given.contract!r}" for given in graph.inputs]
    for node in graph.nodes:
        names = [(w.name, tuple(map(str, w.shape)), w.kind) for w in typed.weights[node]]
        lines.append(
            f"{node.name} {node.layer!r} {[number[v] for v in node.bottoms]} {names} {node.params}"
            f" {node.loss_weights}"
        )
    lines += [f"{node.name} {index} {said}" for (node, index), said in typed.settings.items()]
    lines += [f"{player.name} {sorted(player.weights)}" for player in players]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def check_scores(typed: TypedGraph) -> None:
    """NS664 where every loss of the net takes the softmax of one score: it is 0, whatever is learned."""
    losses = [node for node in typed.graph.nodes if any(node.loss_weights)]
    single = [node for node in losses if "takes_scores" in node.layer.traits and takes_one_score(typed, node)]
    if not losses or single != losses:
        return
    maker = single[0].bottoms[0].node
    if maker is None:
        at = single[0].places["bottom"]
    elif "num_output" in maker.places:
        at = maker.places["num_output"]
    else:
        at = maker.places["name"]
    fact = f"{single[0].name} takes the softmax of one score, which is 1, whatever {single[0].bottoms[0].name} is"
    fixes = (
        Fix("two classes take two scores: `num_output: 2`"),
        Fix("of one score, SigmoidCrossEntropyLoss learns yes or no"),
    )
    raise SpecError([Diagnostic("NS664", fact, at, "one score", fixes=fixes)])


def check_fillers(typed: TypedGraph) -> None:
    """NS680 where every weight matrix of the net is filled with 0, at the layers."""
    nodes = zero_weights(typed)
    if not nodes:
        return
    said = [node for node in nodes if "weight_filler" in node.places]
    bare = "no weight_filler, and the default is constant 0"
    if not said:
        why = bare
    elif len(said) == len(nodes):
        why = "a weight_filler of constant 0"
    else:
        why = "none but constant 0 as weight_filler"
    at = [span for node in nodes[:SHOWN] if (span := node.places["weight_filler"]) is not None]
    fact = (
        f"{list_briefly([node.name for node in nodes], SHOWN)} {'has' if len(nodes) == 1 else 'have'} {why}"
    )
    others = tuple(Label(span, "so is this") for span in at[1:])
    fix = Fix("give the layers weight_filler: xavier, each or under defaults")
    raise SpecError(
        [Diagnostic("NS680", fact, at[0] if at else None, "filled with 0", others=others, fixes=(fix,))]
    )
