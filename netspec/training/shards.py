"""Weights, gradients and the solver's state spread over the processes of a training, by FSDP2. In: a
net and its tensors; out: each process's parts, and the whole tensors while a block runs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from netspec.resolve.sections.pace import PaceWords
from netspec.training.learners import Team
from netspec.training.optim.solver import ParameterSpec
from netspec.training.world import World

__all__ = ["Shards", "Together"]


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

    def keep(self) -> None:
        """Take over what a block of `whole` has made of the parameters so far."""

    def join(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The solver's tensors whole, in the first process."""
        return state

    def share_out(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """What this process has of the solver's whole tensors."""
        return state

    def widen(self, shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        """The shapes of the solver's tensors as `join` gives them."""
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
        """The tensor that a tensor of the solver belongs to; its count of steps is no part."""
        owner, _, buffer = name.rpartition(":")
        if buffer == "step":
            return None
        return self.shards.get(owner)

    def join(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        found = {}
        with self.world.hearing():
            for name, tensor in state.items():
                shard = self.find(name)
                whole = tensor if shard is None else shard.join(tensor)
                if self.world.first:
                    found[name] = whole.cpu()
        return found

    def share_out(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        found = {name: self.find(name) for name in state}
        return {
            name: tensor if shard is None else tensor[shard.rows]
            for (name, tensor), shard in zip(state.items(), found.values(), strict=True)
        }

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
