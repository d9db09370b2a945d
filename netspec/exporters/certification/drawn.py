"""Weights that hide nothing: a copy of a net in which every bias, slope and statistic counts. In:
an emitted net; out: its twin.

No value is constant, no channel dwarfs another, and what a layer makes spreads over +-6, so that
activations saturate. The same net gets the same weights on every machine, but for the last bits.
"""

from collections.abc import Callable
from math import isfinite, prod
from typing import TYPE_CHECKING, Any

from netspec.exporters.certification.reference import twin
from netspec.ir.graph import Node, TypedGraph
from netspec.ir.layer import Weight

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    Array = np.ndarray[Any, Any]

__all__ = ["draw_weights", "settle_scales"]

SPREAD = 3.0
"""Standard deviation of what a layer with weights makes: a twentieth lies beyond 6, where ReLU6 and
its like saturate.
"""
CENTRED = 0.8
"""How much of a channel's mean its bias takes away, lest a ReLU be always open or always shut."""


def draw_weights(net: "nn.Module", typed: TypedGraph) -> "nn.Module":
    """A copy of the net with weights of its own; tensors that training never changes (`fixed`)
    stay.
    """
    import numpy as np
    import torch

    made: Any = twin(net).eval()
    with torch.no_grad():
        for i, ref in enumerate(typed.weight_refs()):
            if not ref.shared and ref.weight.kind != "fixed":
                tensor = made.layer_parameters(ref.node.name)[ref.index]
                values = values_for(np.random.default_rng((7, i)), ref.weight, tuple(tensor.shape))
                tensor.copy_(torch.from_numpy(np.asarray(values)))
    return made  # type: ignore[no-any-return]


def values_for(rng: "np.random.Generator", weight: Weight, shape: tuple[int, ...]) -> "Array":
    """Statistics and factors positive, what is added of both signs, matrices normal with rows of
    unequal length.
    """
    if weight.kind == "statistic":
        return rng.uniform(0.5, 1.5, shape)
    if not matrix(shape):
        return rng.uniform(0.3, 1.2, shape) * (rng.choice((-1.0, 1.0), shape) if is_summand(weight) else 1.0)
    rows = rng.uniform(0.7, 1.4, (shape[0],) + (1,) * (len(shape) - 1))
    # over the root of how many are summed: values keep their size from layer to layer
    made: Array = rng.standard_normal(shape) * rows / (prod(shape[1:]) or 1) ** 0.5
    return made


def matrix(shape: tuple[int, ...]) -> bool:
    """Whether a weight mixes what it reads; one number a channel, in whatever shape, does not."""
    return len(shape) == 2 or (len(shape) > 2 and prod(shape) != max(shape))


def is_summand(weight: Weight) -> bool:
    """Whether a weight of one number a channel is a summand rather than a factor: it begins at
    zero.
    """
    return (
        "bias" in weight.name
        or "shift" in weight.name
        or (weight.filler.type == "constant" and weight.filler.value == 0)
    )


def settle_scales(net: Any, typed: TypedGraph, run: Callable[[], Any]) -> None:
    """Scale the matrices and move the biases of a drawn net, layer by layer, while `run` runs it
    once.
    """
    handles = []
    for node in typed.graph.nodes:
        if any(True for _ in node.layer.state(*typed.bottoms(node))):
            continue  # a second call would begin from another state
        matrices, bias = movable(net, typed, node)
        if matrices or bias is not None:
            module = net.get_submodule(net.layers[node.name][0])
            handles.append(module.register_forward_hook(Settling(matrices, bias)))
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()


def movable(net: Any, typed: TypedGraph, node: Node) -> "tuple[list[Tensor], Tensor | None]":
    """The matrices of a layer and its bias; none that another layer reads, or owns."""
    shared = {key for pair in typed.shared.items() for key in pair}
    own = [
        (w, t)
        for i, (w, t) in enumerate(zip(typed.weights[node], net.layer_parameters(node.name), strict=True))
        if (node, i) not in shared
    ]
    parameters = [(w, t) for w, t in own if w.kind == "parameter"]
    bias = next((t for w, t in parameters if not matrix(tuple(t.shape)) and is_summand(w)), None)
    return [t for _, t in parameters if matrix(tuple(t.shape))], bias


class Settling:
    """A forward hook: changes the layer's weights and answers what it makes with them."""

    def __init__(self, matrices: "list[Tensor]", bias: "Tensor | None") -> None:
        self.matrices, self.bias, self.busy = matrices, bias, False

    def __call__(self, module: Any, inputs: Any, made: Any) -> Any:
        if self.busy:
            return None
        self.busy = True
        try:
            if self.rescale(first(made)):
                made = module(*inputs)
            if self.shift(first(made)):
                made = module(*inputs)
        finally:
            self.busy = False
        return made

    def rescale(self, y: "Tensor") -> bool:
        if y.is_floating_point() and y.numel() > 1:
            spread = float(y.std())
        else:
            spread = 0.0
        if not self.matrices or not isfinite(spread) or spread == 0:
            return False
        for weight in self.matrices:
            # a product of them spreads
            weight.mul_(min(max((SPREAD / spread) ** (1 / len(self.matrices)), 1e-4), 1e4))
        return True

    def shift(self, y: "Tensor") -> bool:
        if (
            self.bias is None
            or y.dim() < 2
            or y.shape[1] != self.bias.numel()
            or not y.is_floating_point()
            or y.numel() <= y.shape[1]
        ):
            return False
        mean = y.transpose(0, 1).flatten(1).mean(1)
        if not bool(mean.isfinite().all()):
            return False
        self.bias.sub_(CENTRED * mean.reshape(self.bias.shape))
        return True


def first(made: Any) -> "Tensor":
    return made[0] if isinstance(made, tuple) else made  # type: ignore[no-any-return]
