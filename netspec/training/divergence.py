"""Where a net went wrong. In: a net and the batch on which its loss is not finite; out: words for
the first thing that is not.

And what no longer learns, told by gradients that are 0.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from netspec.diagnostics import Diagnostic
from netspec.diagnostics.words import list_briefly
from netspec.training.optim.solver import ParameterSpec
from netspec.training.world import World

__all__ = ["LISTED", "Idle", "Still", "all_finite", "first_not_finite", "judge_first_loss", "layer_name"]

LISTED = 4
"""Layers that a message names."""
TIMES = 10
"""From which ratio on a first loss is told: fillers that fit their layers keep it below 3."""
LARGE = 10.0
"""What an input of values near 1 does not reach."""


class Idle:
    """Watches the last iterations of a training for tensors whose gradient is 0 everywhere in each:
    what they stand for has died.
    """

    LAST = 10

    def __init__(self) -> None:
        self.looked = 0
        self.names: list[str] = []
        self.spent = False
        self.first: Mapping[str, Tensor] = {}
        self.constant = True

    def look(
        self, parameters: Iterable[ParameterSpec], loss: Tensor, batch: Mapping[str, Tensor] = {}
    ) -> None:
        """An iteration, after its backward passes and before its update; its last loss, batch."""
        self.first = self.first or {
            name: value[:1].clone()
            for name, value in batch.items()
            if value.is_floating_point() and value.ndim > 1
        }
        self.constant = self.constant and bool(self.first) and self.repeats(batch)
        zero = [
            each.name
            for each in parameters
            if each.trained and each.tensor.grad is not None and not bool(each.tensor.grad.any())
        ]
        self.spent = not bool(loss)
        self.names = [name for name in zero if self.looked == 0 or name in self.names]
        self.looked += 1

    def agree(self, world: World) -> None:
        """Of tensors that several processes have parts of, those that are 0 in all."""
        others = world.gather(self.names)
        self.names = [name for name in self.names if all(name in each for each in others)]

    def repeats(self, batch: Mapping[str, Tensor]) -> bool:
        """Whether all samples of a batch are the first that was seen."""
        return all(
            batch[name].shape[1:] == value.shape[1:] and bool((batch[name] == value).all())
            for name, value in self.first.items()
        )

    def findings(self, run: str) -> tuple[Diagnostic, ...]:
        """NS690, or nothing."""
        if self.looked < self.LAST or not self.names:
            return ()
        named = list_briefly(self.names, LISTED)
        fact = f"in the last {self.LAST} iterations the gradient is 0 everywhere for {named}"
        alive = "a smaller base_lr, warmup_iter, or an input scaled to about 1 keep units alive"
        note = alive
        if self.spent:
            note = "the loss itself is 0 at the end: it asks for nothing more"
        elif self.constant:
            note = f"every sample is the same to the net: {self.what_repeats()}"
        return (Diagnostic("NS690", fact, path=run, notes=(note,)),)

    def what_repeats(self) -> str:
        """What the one sample is, by input."""
        return ", ".join(
            f"{name} holds {float(value.min()):g} everywhere"
            if bool(value.min() == value.max())
            else f"{name} is constant over all samples"
            for name, value in self.first.items()
        )


class Still:
    """Whether the first iterations move any weight at all. What they were is kept of a few values
    of each: an update that reaches none of them is below what float32 can add.
    """

    AFTER = 10
    KEPT = 1000
    LEAST = 1e-12
    """What a bias of 0 may move by and stay 0 for what it is added to."""

    def __init__(self, parameters: Sequence[ParameterSpec]) -> None:
        self.trained = [each.tensor for each in parameters if each.trained]
        self.before = [self.pick(tensor).clone() for tensor in self.trained]

    def pick(self, tensor: Tensor) -> Tensor:
        return tensor.detach().reshape(-1)[: self.KEPT]

    def findings(self, world: World, count: int, rate: float, run: str) -> tuple[Diagnostic, ...]:
        """NS781, or nothing. count: iterations since; rate: that of the last one."""
        pairs = zip(self.before, self.trained, strict=True)
        changes = [(before - self.pick(tensor)).abs() for before, tensor in pairs]
        moved = any(bool((change > self.LEAST).any()) for change in changes)
        self.before = []
        # every process comes here, whatever its rows do
        if world.agree(int(moved)) != (0,):
            return ()
        gradients = [tensor.grad for tensor in self.trained if tensor.grad is not None]
        most = max((float(each.abs().max()) for each in gradients if each.numel()), default=0.0)
        fact = f"{count} iterations have changed none of its {len(self.trained)} weights and biases"
        note = f"the learning rate is {rate:.3g}, the largest gradient, clipped, {most:.3g}"
        return (Diagnostic("NS781", fact, path=run, notes=(note,)),)


def judge_first_loss(
    loss: float, guess: float, batch: Mapping[str, Tensor], run: str
) -> tuple[Diagnostic, ...]:
    """NS772 where a fresh net's first loss is many times what guessing gives: its scores are far apart
    before it has learned anything.
    """
    if not loss > TIMES * guess:
        return ()
    reach = {
        name: float(value.abs().max())
        for name, value in batch.items()
        if value.is_floating_point() and value.ndim > 1 and value.numel()
    }
    fact = f"the loss begins at {loss:.4g}, where a net that knows nothing has {guess:.4g}"
    note = "a smaller weight_filler brings the scores of the fresh net together"
    far = max(reach, key=lambda name: reach[name], default="")
    if far and reach[far] > LARGE:
        note = f"{far} reaches {reach[far]:.4g}: values scaled to about 1 (`scale`, `std_value`, `standardise`) bring the"
        note += " scores of the fresh net together"
    return (Diagnostic("NS772", fact, path=run, notes=(note,)),)


def first_not_finite(
    net: nn.Module,
    batch: Mapping[str, Tensor],
    parameters: Sequence[ParameterSpec],
    layer_of: Mapping[str, str],
    call: Callable[[nn.Module, Mapping[str, Tensor]], Any],
) -> str:
    """Words for the first input, trained tensor or layer's output that is not finite, looked for in
    this order; runs `net` once more, by `call`.
    """
    for name, tensor in batch.items():
        if not all_finite([tensor]):
            return f"the input {name} holds a value that is not finite"
    for each in parameters:
        if each.trained and not all_finite([each.tensor]):
            return f"the weights {each.name} are not finite: an earlier update made them so"
    found: list[str] = []

    def look(path: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not found and not all_finite(tensors_in(output)):
                found.append(layer_name(path, layer_of))

        return hook

    hooks = [module.register_forward_hook(look(path)) for path, module in net.named_modules() if path]
    try:
        with torch.no_grad():
            call(net, batch)
    finally:
        for hook in hooks:
            hook.remove()
    if found:
        return f"{found[0]} is the first layer whose output is not finite"
    return "every layer's output is finite, the loss alone is not"


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether no tensor holds an infinity or NaN; whole numbers never do."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors if tensor.is_floating_point())


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors of a module's output, which may be a tuple or a mapping."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if not isinstance(value, (tuple, list)):
        return []
    return [tensor for part in value for tensor in tensors_in(part)]


def layer_name(path: str, layer_of: Mapping[str, str]) -> str:
    """The spec's name of the layer that a module belongs to; the module's path where none is
    known.
    """
    owner = path
    while owner and owner not in layer_of:
        owner = owner.rpartition(".")[0]
    return layer_of.get(owner, path)
