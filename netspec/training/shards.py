"""Weights, gradients and the solver's state spread over the processes of a training, by FSDP2. In: a
net and its tensors; out: each process's parts, and the whole tensors while a block runs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from netspec.diagnostics import Diagnostic, SpecError
from netspec.resolve.sections.pace import PaceWords
from netspec.training.learners import Team
from netspec.training.optim.solver import ParameterSpec
from netspec.training.run.weights import (
    PARTS,
    Facts,
    Stored,
    read_rows,
    write_part,
    write_tensors,
)
from netspec.training.world import World

__all__ = ["LIVE", "Shards", "Together"]

LIVE = "live:"
"""Before names of the weights that training moves, where an average of them is what the run's weights
hold.
"""


class Together:
    """Weights that each process has whole: what Shards does is nothing here. parts: the tensors that
    the solver moves.
    """

    def __init__(self, parameters: Sequence[ParameterSpec]) -> None:
        self.parts = list(parameters)

    def lay_out(self, words: PaceWords) -> PaceWords:
        """How the net runs, in the memory layout that the tensors can have."""
        return words

    def run(self, net: nn.Module, batch: Mapping[str, Tensor]) -> Any:
        """A net that trains, on a batch."""
        return net(**batch)

    def backward(self, loss: Tensor) -> None:
        torch.autograd.backward(loss)

    def attend(self, team: Team) -> None:
        """Let the solvers of a team know that others have parts too."""

    def forget(self) -> None:
        """Before the backward passes of an update: no gradients are left."""

    def hand_over(self) -> None:
        """After them: the parts have their gradients."""

    @contextmanager
    def whole(self) -> Iterator[None]:
        """While the block runs, the parameters hold all their values, and may be changed. Every
        process comes here, or none.
        """
        yield

    def write(self, path: Path, tensors: dict[str, Tensor], facts: Facts, world: World) -> None:
        """Write a file of the run, whole or not at all, of what each process has of some tensors. Every
        process comes here. NS673: it cannot be written.
        """
        if world.first:
            write_tensors(path, tensors, facts)

    def read(self, path: Path) -> Stored:
        """What this process has of the tensors of such a file. Raises as read_rows does."""
        return read_rows(path, self.find_rows, [path.parent])

    def find_rows(self, name: str) -> slice | None:
        """Which rows of a tensor this process has; None: all."""
        return None

    def widen(self, shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        """The shapes of the solver's tensors as files have them."""
        return shapes

    def agree(self, sound: bool) -> bool:
        """Whether it holds for the parts of all."""
        return sound


class Watched(nn.Module):
    """A net and its loss as one call: FSDP begins its backward pass at what a call gives."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net: Any = net

    def forward(self, **batch: Tensor) -> tuple[Any, Any]:
        return self.net(**batch), self.net.total_loss


class Shard:
    """One tensor. whole: all of it, whose memory is there only when asked for; spread: as FSDP has
    it; part: this process's rows, in the memory of `spread`.
    """

    def __init__(self, whole: Tensor, spread: Any) -> None:
        self.whole, self.spread = whole, spread
        self.part = nn.Parameter(spread.detach().to_local(), requires_grad=spread.requires_grad)

    @property
    def rows(self) -> slice:
        mesh = self.spread.device_mesh
        step = -(-len(self.whole) // mesh.size())  # as FSDP cuts: the last ones may have fewer, or none
        return slice(mesh.get_local_rank() * step, (mesh.get_local_rank() + 1) * step)

    def join(self, part: Tensor) -> Tensor:
        """The whole tensor of which each process gives its rows."""
        from torch.distributed.tensor import DTensor

        like = self.spread
        made: Any = DTensor.from_local(
            part.detach(), like.device_mesh, like.placements, shape=like.shape, stride=like.stride()
        )
        return made.full_tensor()  # type: ignore[no-any-return]

    def fill(self) -> None:
        self.whole.data = self.join(self.part)

    def free(self) -> None:
        self.whole.data = self.whole.new_zeros(()).expand(self.whole.shape)  # its shape, in no memory

    def keep(self) -> None:
        self.part.copy_(self.whole[self.rows])


class Shards(Together):
    """Weights of which each process has its rows. The matrices of a layer are whole while it runs,
    all tensors while a test or a snapshot is made.
    """

    def __init__(
        self, net: nn.Module, parameters: Sequence[ParameterSpec], world: World, device: torch.device
    ) -> None:
        self.net, self.world, self.open = net, world, False
        for each in parameters:
            each.tensor.requires_grad_(each.trained)
        paths: dict[Tensor, str] = {tensor: path for path, tensor in net.named_parameters()}
        self.watched = spread(net, world, device)
        self.shards = {
            each.name: Shard(each.tensor, net.get_parameter(paths[each.tensor]))
            for each in parameters
            if each.tensor in paths
        }
        super().__init__([self.take_part(each) for each in parameters])
        for shard in self.shards.values():
            shard.free()

    def take_part(self, each: ParameterSpec) -> ParameterSpec:
        if each.name in self.shards:
            return replace(each, tensor=self.shards[each.name].part)
        return each

    def lay_out(self, words: PaceWords) -> PaceWords:
        return words._replace(layout="contiguous")  # FSDP cuts no other

    def run(self, net: nn.Module, batch: Mapping[str, Tensor]) -> Any:
        with self.world.hearing_messages():
            answer, _ = self.watched(**batch)
        return answer

    def backward(self, loss: Tensor) -> None:
        with self.world.hearing_messages():
            super().backward(loss)

    def attend(self, team: Team) -> None:
        for learner in team:
            learner.solver.norm = self.norm

    def norm(self, gradients: Iterable[Tensor]) -> Tensor:
        """The norm of gradients of which each process has its parts."""
        squares = torch.nn.utils.get_total_norm(gradients).square()
        self.world.average([squares])
        return (squares * self.world.size).sqrt()

    def forget(self) -> None:
        for shard in self.shards.values():
            shard.spread.grad = None

    def hand_over(self) -> None:
        for shard in self.shards.values():
            if shard.spread.grad is not None:
                shard.part.grad = shard.spread.grad.to_local()

    @contextmanager
    def whole(self) -> Iterator[None]:
        if self.open:
            yield
            return
        with torch.no_grad(), self.world.hearing():
            for shard in self.shards.values():
                shard.fill()
        self.open = True
        try:
            yield
            self.keep()
        finally:
            self.open = False
            for shard in self.shards.values():
                shard.free()

    @torch.no_grad()
    def keep(self) -> None:
        for shard in self.shards.values():
            shard.keep()

    def find(self, name: str) -> Shard | None:
        """The tensor that a weight, or a tensor of the solver, belongs to; its count of steps is no
        part.
        """
        owner, _, buffer = name.rpartition(":")
        if buffer == "step":
            return None
        return self.shards.get(name.removeprefix(LIVE)) or self.shards.get(owner)

    def find_rows(self, name: str) -> slice | None:
        shard = self.find(name)
        return None if shard is None else shard.rows

    def write(self, path: Path, tensors: dict[str, Tensor], facts: Facts, world: World) -> None:
        """Each process writes its rows; then the first the rest, and whose parts belong to it: from
        then on the file counts. A process that cannot write is told by all.
        """
        rows = {name: tensor for name, tensor in tensors.items() if self.find(name) is not None}
        try:
            told: str | Diagnostic = write_part(path, world.rank, world.size, rows)
        except SpecError as error:
            told = error.diagnostics[0]
        parts = world.gather(told)
        if faults := [part for part in parts if isinstance(part, Diagnostic)]:
            raise SpecError(faults[:1])
        rest = {name: tensor for name, tensor in tensors.items() if name not in rows}
        super().write(path, rest, {**facts, PARTS: parts}, world)

    def widen(self, shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        found = {name: self.find(name) for name in shapes}
        return shapes | {name: tuple(shard.whole.shape) for name, shard in found.items() if shard is not None}

    def agree(self, sound: bool) -> bool:
        return self.world.agree(int(not sound)) == (0,)


def spread(net: nn.Module, world: World, device: torch.device) -> nn.Module:
    """Let FSDP take a net's parameters: each module below it that has matrices is a group of its own,
    gathered while it runs; all other tensors are one.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (world.size,))
    large = [each for each in net.children() if any(tensor.dim() > 1 for tensor in each.parameters())]
    watched = Watched(net)
    for module in (*large, watched):
        fully_shard(module, mesh=mesh, reshard_after_forward=True)
    return watched
