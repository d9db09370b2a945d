"""A net that learns from another's answers too (Hinton et al. 2015). In: the net to train and a run
that teaches; out: the net, whose loss has a part more. Knows no solver.
"""

from collections.abc import Mapping
from inspect import signature
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div

from netspec.diagnostics import fail
from netspec.driver import Program
from netspec.ir.graph import Input, Node, TypedGraph
from netspec.record import as_written
from netspec.resolve.sections.recipes import TeacherSection
from netspec.syntax.paths import OutsideError, resolve_path
from netspec.syntax.writer import flow
from netspec.training.run.folder import LoadedRun, load_run

__all__ = ["describe_input", "teach"]

LEAST = 1e-20
"""Shares below it count as it: their logarithm is finite."""
SCORES = "takes_scores"


def teach(net: nn.Module, program: Program, words: TeacherSection) -> None:
    """Let every call of a net that is in training ask the teacher about the same batch; its loss is then

    (1 - alpha) L + alpha T^2 KL(p || q), p and q the shares of the classes that teacher and net give at
    temperature T, the mean over samples and places.

    NS616: the teacher reads other inputs, or tells other classes apart; NS114, NS683 and what loading
    the run raises.
    """
    typed = program.training_graph("train")
    run = open_teacher(program, words)
    loss = find_loss(program, typed)
    width = typed.types[loss.bottoms[0]].shape[1]
    check_teacher(run, program, int(str(width)), words.run)
    Lesson(net, run, loss, words).begin()


class Lesson:
    """The hooks of one net: what its loss reads is kept until the call ends."""

    def __init__(self, net: Any, run: LoadedRun, loss: Node, words: TeacherSection) -> None:
        self.net, self.teacher, self.words = net, run.net.eval(), words
        names = signature(self.teacher.forward).parameters
        own = dict(zip(net.inputs, signature(net.forward).parameters, strict=True))
        inputs: Any = self.teacher.inputs
        self.takes = {name: own[given] for given, name in zip(inputs, names, strict=True)}
        output = run.typed.graph.outputs[0].node
        self.normalised = output is not None and "normalizes_scores" in output.layer.traits
        self.judge = net.get_submodule(net.layers[loss.name][0])
        self.signature, self.scores = signature(net.forward), cast("Tensor | None", None)

    def begin(self) -> None:
        self.judge.register_forward_pre_hook(self.keep)
        self.net.register_forward_hook(self.add, with_kwargs=True)

    def keep(self, module: nn.Module, given: tuple[Any, ...]) -> None:
        self.scores = given[0]

    def add(self, net: Any, given: Any, batch: Mapping[str, Tensor], made: Any) -> None:
        """Put the teacher's part into the loss."""
        if not net.training or self.scores is None:
            return
        scores, self.scores = self.scores.float(), None
        truth = self.ask(self.signature.bind(*given, **batch).arguments).to(scores.device)
        heat, share = self.words.temperature, self.words.alpha
        p, q = (torch.log_softmax(each / heat, 1) for each in (truth, scores))
        apart = kl_div(q, p, log_target=True, reduction="none").sum(1).mean()
        net.total_loss = (1 - share) * net.total_loss + share * heat**2 * apart

    @torch.no_grad()
    def ask(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The teacher's scores, or the logarithm of its shares, which differs by a number for each
        sample.
        """
        self.teacher.to(next(iter(batch.values())).device)
        made = self.teacher(**{name: batch[own] for name, own in self.takes.items()})
        if self.normalised:
            return torch.log(made.float().clamp_min(LEAST))
        return torch.as_tensor(made).float()


def open_teacher(program: Program, words: TeacherSection) -> LoadedRun:
    """The run that teaches, with the weights that are asked for. Its folder lies in the spec's."""
    try:
        path = resolve_path(words.run, program.resolved.spec.folder)
    except OutsideError as error:
        raise fail("NS114", str(error), path=words.run) from error
    return load_run(path, words.weights)


def find_loss(program: Program, typed: TypedGraph) -> Node:
    """The loss whose scores the teacher speaks of. NS616: there is none, or several."""
    found = [
        node for node in typed.graph.nodes if SCORES in node.layer.traits and node.layer.traits & {"loss"}
    ]
    if len(found) != 1 or program.resolved.file.train is None or program.resolved.file.train.players:
        why = "a teacher needs one loss that makes shares of the classes itself, and one who learns"
        raise fail("NS616", f"{why}: there are {len(found)}", span=place(program))
    return found[0]


def check_teacher(run: LoadedRun, program: Program, width: int, name: str) -> None:
    """NS616, at the word."""
    typed, graph = run.typed, program.graph("train")
    ours = {given.value.name: describe_input(graph, given) for given in graph.graph.inputs}
    for given in typed.graph.inputs:
        theirs, own = describe_input(typed, given), ours.get(given.value.name, "not among the net's")
        if own != theirs:
            fact = f"{name} reads {given.value.name} as {theirs}: it is {own}"
            raise fail("NS616", fact, span=place(program))
    if len(typed.graph.outputs) != 1:
        count = len(typed.graph.outputs)
        raise fail("NS616", f"{name} must have one output: it has {count}", span=place(program))
    shape = typed.types[typed.graph.outputs[0]].shape
    if len(shape) < 2 or str(shape[1]) != str(width):
        fact = f"{name} answers {typed.types[typed.graph.outputs[0]]}: the loss reads {width} classes"
        raise fail("NS616", fact, span=place(program))


def describe_input(typed: TypedGraph, given: Input) -> str:
    """The type and the contract of an input, as a spec writes them."""
    if given.contract is None:
        return str(typed.types[given.value])
    return f"{typed.types[given.value]}, image: {flow(as_written(given.contract))}"


def place(program: Program) -> Any:
    section = program.resolved.spec.section("train")
    if section is None:
        return None
    return section.key_span("teacher")
