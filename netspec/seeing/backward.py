"""A net run backwards as DeConvNet does: each rectifier rectifies what comes back, whatever it let
through. In: a NetSubject; out: the same net, while the block runs.

    relu backwards:  R_l = relu(R_{l+1})      instead of      [x > 0] R_{l+1}

Convolutions go back by their transposes, maxima by the places that they were taken from: all of it is
torch's own gradient, so that a net without rectifiers goes back by its exact adjoint.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from netspec.seeing.subject import NetSubject

__all__ = ["rectifying_back"]


@cache
def module_of() -> Any:
    """The class of modules that stand in for rectifiers."""
    import torch

    class Both(torch.autograd.Function):
        """max(x, 0) in both directions."""

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clamp_min(0)

        @staticmethod
        def backward(ctx: Any, *back: Any) -> Any:
            return back[0].clamp_min(0)

    class Rectifier(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return Both.apply(x)  # type: ignore[no-untyped-call]

    return Rectifier


@contextmanager
def rectifying_back(net: NetSubject) -> Iterator[int]:
    """While the block runs, rectifiers stand aside; answers how many."""
    layers: Any = net.net.layers
    kept = {}
    for name, node in net.nodes.items():
        if node.layer.rectifies:
            home, _, last = layers[name][0].rpartition(".")
            parent = net.net.get_submodule(home)
            kept[parent, last] = parent._modules[last]
            parent._modules[last] = module_of()()
    try:
        yield len(kept)
    finally:
        for (parent, last), module in kept.items():
            parent._modules[last] = module
