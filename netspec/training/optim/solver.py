"""One iteration's update, exactly as Caffe makes it. In: named tensors with their gradients; out:
the tensors moved, the state to keep.

The order is Caffe's: sum over iter_size batches, clip, divide by iter_size, decay, rule; the bound
on single numbers, which Caffe lacks, stands before the decay. Knows neither net nor data.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from netspec.diagnostics import fail
from netspec.resolve.learning_rates import learning_rate
from netspec.resolve.sections.solver import SolverParameter, solver_faults
from netspec.training.optim.rules import RULES, Group, multiply

__all__ = ["ParameterSpec", "Solver"]

FUSED_DEVICES = ("cpu", "cuda")
Norm = Callable[[Iterable[Tensor]], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class ParameterSpec:
    """A tensor of the net under the spec's name (conv1/weight). lr_mult 0 (statistics too): never
    trained, but saved and loaded.
    """

    name: str
    tensor: Tensor
    lr_mult: float = 1.0
    decay_mult: float = 1.0

    @property
    def trained(self) -> bool:
        return self.lr_mult != 0


class Solver:
    """Moves the trained parameters; counts iterations from 0.

    `max_iter` is the length of the training (epochs resolved). norm: of all gradients, which may be
    those of several processes. Tensors with lr_mult 0 are set not
    to require a gradient. NS670: words that do not go together. NS671: nothing to train.
    """

    def __init__(self, words: SolverParameter, parameters: Sequence[ParameterSpec], max_iter: int) -> None:
        for _, fact in solver_faults(words):
            raise fail("NS670", fact)
        self.words = words
        self.iteration = 0
        self.norm: Norm = torch.nn.utils.get_total_norm
        self.course = learning_rate(words, max_iter)
        self.factor = 1.0
        for each in parameters:
            each.tensor.requires_grad_(each.trained)
        self.rule = RULES[words.type]
        groups = group_parameters(words, [each for each in parameters if each.trained])
        self.trained: list[ParameterSpec] = [each for group in groups for each in group.pop("specs")]
        if not self.trained:
            raise fail("NS671", f"none of {len(parameters)} tensors has lr_mult above 0")
        self.tensors = [each.tensor for each in self.trained]
        fused = all(tensor.device.type in FUSED_DEVICES for tensor in self.tensors)
        self.optimizer = self.rule.build(words, groups, fused)

    def rate_at(self, iteration: int) -> float:
        """The rate of an iteration before lr_mult: by lr_policy, times what tests make of it."""
        if self.factor == 1:
            return self.course(iteration)
        return max(self.course(iteration) * self.factor, self.words.min_lr)

    @property
    def rate(self) -> float:
        """The learning rate of the iteration to come, before lr_mult."""
        return self.rate_at(self.iteration)

    def zero_grad(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)

    def step(self, sound: bool = True) -> None:
        """Move the tensors by the sum of gradients that iter_size backward passes left on them,
        which this changes. sound: else gradients overflowed, and the step is left out.
        """
        if not sound:
            self.iteration += 1
            return
        rate = self.rate
        self.normalize([gradient(tensor) for tensor in self.tensors])
        for group in self.optimizer.param_groups:
            if group["l1"]:
                add_sign(group["params"], group["l1"])
            self.rule.prepare(self.optimizer, group, rate * group["lr_mult"], self.iteration + 1, self.words)
        self.optimizer.step()
        self.iteration += 1

    def normalize(self, gradients: list[Tensor]) -> None:
        """Clip the sum of gradients by its norm, then divide by iter_size, then clip each number;
        without waiting for the device.
        """
        words = self.words
        if words.clip_gradients >= 0:
            norm = self.norm(gradients)
            factor = torch.where(norm > words.clip_gradients, words.clip_gradients / norm, 1.0)
            multiply(gradients, factor / words.iter_size)
        elif words.iter_size > 1:
            multiply(gradients, 1 / words.iter_size)
        if words.clip_value is not None:
            clamp(gradients, words.clip_value)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything the next step depends on, beside the weights: tensors by `name:buffer`, and
        facts that JSON keeps exactly.
        """
        tensors = {
            f"{each.name}:{buffer}": tensor
            for each, buffers in self.buffers()
            for buffer, tensor in buffers.items()
        }
        return tensors, {
            "iteration": self.iteration,
            "type": self.words.type,
            "scales": self.scales(),
        }

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each tensor that the next step reads, once a step was made."""
        kept = () if self.rule.counted is False and self.words.momentum == 0 else self.rule.buffers
        shapes = {
            f"{each.name}:{buffer}": tuple(each.tensor.shape) for each in self.trained for buffer in kept
        }
        return shapes | ({f"{each.name}:step": () for each in self.trained} if self.rule.counted else {})

    def load_state(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take over what `state` gave: no tensors, or those of `state_shapes` (checkpoint.py
        checks).

        Where another grouping is in force than then, a buffer is brought to the scale of its group.
        """
        self.iteration = facts["iteration"]
        state: dict[int, dict[str, Tensor]] = {}
        for i, each in enumerate(self.trained):
            for buffer in (*self.rule.buffers, "step"):
                if (tensor := tensors.get(f"{each.name}:{buffer}")) is not None:
                    state.setdefault(i, {})[buffer] = lay_out_as(tensor, each.tensor)
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        scales = {each.tensor: facts["scales"].get(each.name, 1.0) for each in self.trained}
        for group in self.optimizer.param_groups:
            group["scale"] = scales[group["params"][0]]
            for tensor in group["params"]:
                moved = self.optimizer.state.get(tensor, {}).get("momentum_buffer")
                if moved is not None and scales[tensor] != group["scale"]:
                    moved *= scales[tensor] / group["scale"]

    def history(self) -> dict[str, tuple[Tensor, ...]]:
        """Caffe's history of each trained tensor, by name: one or two tensors of its shape; zeros
        before the first step.
        """
        if self.rule.counted is False and self.words.momentum == 0:
            return {each.name: (self.last_update(each),) for each in self.trained}
        scales = self.scales()
        return {
            each.name: tuple(
                buffers[b] * scales[each.name] if b in buffers else torch.zeros_like(each.tensor)
                for b in self.rule.buffers
            )
            for each, buffers in self.buffers()
        }

    def last_update(self, each: ParameterSpec) -> Tensor:
        """V of the step before without momentum, which keeps no buffer: r (g + decay w) from the
        gradient that is left and the w it made.

        w there was before: w = now + V. Zeros where the gradient is gone. No later step depends on
        it.
        """
        decay = self.words.weight_decay * each.decay_mult * (self.words.regularization_type == "L2")
        rate = self.rate_at(max(self.iteration - 1, 0)) * each.lr_mult
        if self.iteration == 0 or each.tensor.grad is None or rate * decay == 1:
            return torch.zeros_like(each.tensor)
        return (each.tensor.grad + decay * each.tensor.detach()) * (rate / (1 - rate * decay))

    def load_history(self, iteration: int, history: Mapping[str, Sequence[Tensor]]) -> None:
        """Go on from a Caffe solverstate: the iteration and each trained tensor's history (SGD's
        rate is inside, as Caffe keeps it).
        """
        tensors = {
            f"{name}:{buffer}": tensor
            for name, parts in history.items()
            for buffer, tensor in zip(self.rule.buffers, parts, strict=True)
        }
        steps = {
            name: torch.tensor(float(iteration))
            for name, shape in self.state_shapes().items()
            if shape == () and name not in tensors
        }
        self.load_state(tensors | steps, {"iteration": iteration, "scales": {}})

    def buffers(self) -> Iterator[tuple[ParameterSpec, dict[str, Tensor]]]:
        """Each trained parameter with the tensors that its optimiser keeps; a momentum of 0 keeps
        none.
        """
        for each in self.trained:
            yield (
                each,
                {
                    name: value
                    for name, value in self.optimizer.state.get(each.tensor, {}).items()
                    if isinstance(value, Tensor)
                },
            )

    def scales(self) -> dict[str, float]:
        """What turns PyTorch's buffer of each trained parameter into Caffe's, by name; the groups
        hold them in the same order.
        """
        scales = [group.get("scale", 1.0) for group in self.optimizer.param_groups for _ in group["params"]]
        return {each.name: scale for each, scale in zip(self.trained, scales, strict=True)}


def group_parameters(words: SolverParameter, trained: Sequence[ParameterSpec]) -> list[Group]:
    """One group of the optimiser for each pair of lr_mult and decay_mult, in the order of first
    use.
    """
    groups: dict[tuple[float, float], Group] = {}
    for each in trained:
        decay = words.weight_decay * each.decay_mult
        l1 = decay if words.regularization_type == "L1" else 0.0
        new: Group = {
            "params": [],
            "specs": [],
            "lr_mult": each.lr_mult,
            "l1": l1,
            "decay": decay - l1,
            "weight_decay": decay - l1,
        }
        group = groups.setdefault((each.lr_mult, each.decay_mult), new)
        group["params"].append(each.tensor)
        group["specs"].append(each)
    return list(groups.values())


def lay_out_as(tensor: Tensor, other: Tensor) -> Tensor:
    """A copy, in the memory layout of the weight that it belongs to: fused updates walk through
    both alike.
    """
    if tensor.shape != other.shape:
        return tensor.clone()
    return torch.empty_like(other, dtype=tensor.dtype, device=tensor.device).copy_(tensor)


def gradient(tensor: Tensor) -> Tensor:
    """The gradient on a tensor: zeros where no loss reads it, since Caffe decays it all the same
    and lets its momentum run on.
    """
    if tensor.grad is None:
        tensor.grad = torch.zeros_like(tensor)
    return tensor.grad


@torch.no_grad()
def clamp(tensors: list[Tensor], most: float) -> None:
    """Bring every number into [-most, most]."""
    torch._foreach_clamp_max_(tensors, most)
    torch._foreach_clamp_min_(tensors, -most)


@torch.no_grad()
def add_sign(tensors: list[Tensor], decay: float) -> None:
    """g += decay sign(w), the gradient of decay |w|; 0 at w = 0."""
    torch._foreach_add_([gradient(tensor) for tensor in tensors], torch._foreach_sign(tensors), alpha=decay)
