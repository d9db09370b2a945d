"""Greedy pre-training, layer by layer from below (Hinton et al. 2006; Bengio et al. 2007). In: a net,
batches, the section; out: the net's tensors, changed, and the error of each layer by epoch.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, linear

from netspec.diagnostics import fail
from netspec.ir.graph import TypedGraph
from netspec.resolve.sections.recipes import PretrainSection
from netspec.source import Span
from netspec.training.optim.uncompiled import strip_marks
from netspec.training.pretraining.layers import PretrainedLayer, find_layers, read_bottom
from netspec.training.pretraining.machine import Machine, diverge, happens

__all__ = ["Learned", "pretrain"]


class Batches(Protocol):
    """Batches without end; len: those of an epoch."""

    def __next__(self) -> Mapping[str, Tensor]: ...
    def __len__(self) -> int: ...


class Learned(NamedTuple):
    """A layer, and the mean squared error of a unit that it read, in each epoch."""

    layer: str
    errors: tuple[float, ...]


class Learner(Protocol):
    """Moves a layer's tensors by what it read; the error before that."""

    def __call__(self, v: Tensor) -> Tensor: ...


def pretrain(
    net: Any,
    typed: TypedGraph,
    batches: Batches,
    words: PretrainSection,
    seed: int,
    place: Span | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[Learned, ...]:
    """Let each layer learn to draw what it reads of the layers below, which have learned before it.

    The net runs as in a test: what it drops, and statistics, stay out of it. NS639: a layer cannot,
    or its error is no longer finite.
    """
    layers = find_layers(net, typed, words.layers, place)
    was = net.training
    net.eval()
    try:
        return tuple(
            pretrain_layer(net, layer, batches, words, Generator().manual_seed(seed + i), place, say)
            for i, layer in enumerate(layers)
        )
    finally:
        net.train(was)


def pretrain_layer(
    net: Any,
    layer: PretrainedLayer,
    batches: Batches,
    words: PretrainSection,
    draw: Generator,
    place: Span | None,
    say: Callable[[str], None],
) -> Learned:
    """One layer, through all epochs."""
    learner = LEARNERS[words.method](layer, words, draw, place)
    errors = []
    for epoch in range(1, words.epochs + 1):
        found = [learner(v) for v in values(net, layer, batches, words, place)]
        errors.append(float(torch.stack(found).mean()))
        if not torch.isfinite(torch.stack(found)).all():
            fact = (
                f"the error of {layer.name} is no longer finite in epoch {epoch}: base_lr {words.base_lr:g}"
            )
            raise fail("NS639", fact, span=place, notes=("a lower base_lr",))
        say(f"pretrain {layer.name}: epoch {epoch} of {words.epochs}, error {errors[-1]:.4g}")
    return Learned(layer.name, tuple(errors))


def values(
    net: Any, layer: PretrainedLayer, batches: Batches, words: PretrainSection, place: Span | None
) -> Iterator[Tensor]:
    """What a layer reads, an epoch of it."""
    for _ in range(len(batches)):
        v = read_bottom(net, layer, next(batches))
        if is_binary(layer, words) and not (v.min() >= 0 and v.max() <= 1):
            fact = (
                f"{layer.name} must read numbers from 0 to 1: they reach from {v.min():.4g} to {v.max():.4g}"
            )
            note = "visible: gaussian takes any; `image: {scale: ...}` of the input brings pixels to 0 to 1"
            raise fail("NS639", fact, span=place, notes=(note,))
        yield v


def is_binary(layer: PretrainedLayer, words: PretrainSection) -> bool:
    """Whether what a layer reads is drawn as probabilities: behind a sigmoid always."""
    return layer.below or words.visible == "binary"


class Autoencoder:
    """Draws what a layer reads by the layer's own matrix, transposed, from a copy of which a share is
    0 (Vincent et al. 2010); by the cross-entropy of each unit, or half its squared distance, summed.
    """

    def __init__(
        self, layer: PretrainedLayer, words: PretrainSection, draw: Generator, place: Span | None
    ) -> None:
        self.layer, self.words, self.draw = layer, words, draw
        self.visible = torch.zeros(layer.weight.shape[1], device=layer.weight.device)
        own = [layer.weight, self.visible, *([layer.bias] if layer.bias is not None else [])]
        self.tensors = [each.detach().requires_grad_() for each in own]
        self.rule = strip_marks(torch.optim.SGD)(self.tensors, lr=words.base_lr, momentum=words.momentum)

    def __call__(self, v: Tensor) -> Tensor:
        weight, visible, *biases = self.tensors
        noisy = v
        if self.words.corruption:
            noisy = v * (1 - happens(torch.full_like(v, self.words.corruption), self.draw))
        code = linear(noisy, weight, biases[0] if biases else None)
        if self.layer.after is not None:
            code = self.layer.after(code)
        drawn = linear(code, weight.T, visible)
        if is_binary(self.layer, self.words):
            loss = binary_cross_entropy_with_logits(drawn, v, reduction="sum") / len(v)
            drawn = torch.sigmoid(drawn)
        else:
            loss = (drawn - v).square().sum() / 2 / len(v)
        for tensor, gradient in zip(self.tensors, torch.autograd.grad(loss, self.tensors), strict=True):
            tensor.grad = gradient
        self.rule.step()
        return (drawn.detach() - v).square().mean()


class Boltzmann:
    """Moves a layer as the weights of a restricted Boltzmann machine, by contrastive divergence."""

    def __init__(
        self, layer: PretrainedLayer, words: PretrainSection, draw: Generator, place: Span | None
    ) -> None:
        if not layer.logistic:
            fact = f"rbm: what follows {layer.name} must be a sigmoid, whose values are probabilities"
            raise fail("NS639", fact, span=place)
        self.words, self.draw, self.learns = words, draw, layer.bias is not None
        hidden = layer.bias if layer.bias is not None else layer.weight.new_zeros(len(layer.weight))
        visible = layer.weight.new_zeros(layer.weight.shape[1])
        self.machine = Machine(
            layer.weight.detach(), hidden.detach(), visible, gaussian=not is_binary(layer, words)
        )
        self.speed = [torch.zeros_like(each) for each in self.machine[:3]]

    def __call__(self, v: Tensor) -> Tensor:
        way = diverge(self.machine, v, self.words.k, self.draw)
        for tensor, speed, direction, learns in zip(
            self.machine[:3], self.speed, way[:3], (True, self.learns, True), strict=True
        ):
            speed.mul_(self.words.momentum).add_(direction, alpha=self.words.base_lr)
            tensor.add_(speed, alpha=float(learns))
        return way.error


LEARNERS: dict[str, Callable[..., Learner]] = {"autoencoder": Autoencoder, "rbm": Boltzmann}
