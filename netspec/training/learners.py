"""Who learns: one solver for the whole net, or several players in turn, each with its own. Knows no
data and no file.

To a snapshot a team is one thing: its state is that of all its solvers, each tensor under its
weight's name, which only one of them has.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from netspec.training.job import Batch, Job, Player
from netspec.training.metrics import LossWindow
from netspec.training.optim.solver import ParameterSpec, Solver

__all__ = ["Learner", "Team"]


class Learner:
    """One who learns: its net, its solver, its losses so far. `batch` is the one that it saw
    last.
    """

    def __init__(
        self, player: Player, parameters: Sequence[ParameterSpec], length: int, max_iter: int
    ) -> None:
        self.name, self.net, self.words, self.steps, self.inputs = (
            player.name,
            player.net,
            player.words,
            player.steps,
            player.inputs,
        )
        own = [each for each in parameters if each.name in player.weights]
        self.others = [each.tensor for each in parameters if each.trained and each.name not in player.weights]
        self.solver = Solver(player.words, own, max_iter * self.steps)
        self.batches = self.steps * self.words.iter_size
        self.length = length * self.batches
        self.losses = LossWindow(self.length)
        self.batch: dict[str, Tensor] = {}

    def begin(self) -> None:
        """Before an update: no gradients are left, and only its own weights get new ones."""
        self.solver.zero_grad()
        for tensor in self.others:
            tensor.requires_grad_(False)
        if self.others:
            for tensor in self.solver.tensors:
                tensor.requires_grad_(True)

    def share(self, batch: Batch) -> dict[str, Tensor]:
        """What its net takes of a batch."""
        return {name: tensor for name, tensor in batch.items() if self.inputs is None or name in self.inputs}


class Team:
    """The learners in the order of their turns. `iteration` counts rounds: in one, each makes its
    steps.
    """

    def __init__(self, job: Job, parameters: Sequence[ParameterSpec], max_iter: int) -> None:
        alone = Player("", job.net, job.words, frozenset(each.name for each in parameters))
        for each in parameters:
            each.tensor.requires_grad_(each.trained)
        self.learners = [
            Learner(player, parameters, job.words.average_loss, max_iter)
            for player in job.players or (alone,)
        ]
        self.alone = not job.players
        self.iteration = 0

    def __iter__(self) -> Iterator[Learner]:
        return iter(self.learners)

    @property
    def type(self) -> str:
        """The rules, in the order of the turns."""
        return ", ".join(each.words.type for each in self)

    @property
    def device(self) -> torch.device:
        return self.learners[0].solver.tensors[0].device

    @property
    def loss(self) -> float:
        """The sum of the players' mean losses."""
        return sum(each.losses.mean for each in self)

    def rates(self, iteration: int) -> dict[str, float]:
        """The learning rate of each in an iteration (its first step), as the log has it."""
        return {
            self.word(each, "learning_rate"): each.solver.rate_at(iteration * each.steps) for each in self
        }

    def means(self) -> dict[str, float]:
        """The loss of each player as the log has it; nothing where one learns alone."""
        if self.alone:
            return {}
        return {self.word(each, "loss"): each.losses.mean for each in self}

    def word(self, learner: Learner, word: str) -> str:
        if self.alone:
            return word
        return f"{learner.name}.{word}"

    def recent(self) -> dict[str, list[float]]:
        """The losses that a snapshot keeps."""
        return {each.name: list(each.losses.recent) for each in self}

    def load_recent(self, losses: Mapping[str, Iterable[float]]) -> None:
        """Take over what `recent` gave."""
        for each in self:
            each.losses = LossWindow(each.length, losses.get(each.name, ()))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The state of all solvers, as Solver.state gives that of one."""
        states = [each.solver.state() for each in self]
        tensors = {name: tensor for parts, _ in states for name, tensor in parts.items()}
        scales = {name: scale for _, facts in states for name, scale in facts["scales"].items()}
        return tensors, {"iteration": self.iteration, "type": self.type, "scales": scales}

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: shape for each in self for name, shape in each.solver.state_shapes().items()}

    def load_state(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self.iteration = facts["iteration"]
        for each in self:
            each.solver.load_state(tensors, {**facts, "iteration": self.iteration * each.steps})

    def nets(self) -> nn.Module:
        """The nets that run, as one module."""
        if self.alone:
            return self.learners[0].net
        return nn.ModuleList(each.net for each in self)
