"""Torch modules of layers/pointwise.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import torch
from torch import Tensor, nn


def square_root(x: Tensor) -> Tensor:
    """x^(1/2), rounded correctly where no gradient is asked for: of float32 torch's library of vectors
    is often off by the last place on a CPU, and the root in float64 has digits to spare. A backward
    pass would keep these, twice the bytes.
    """
    learning = torch.is_grad_enabled() and x.requires_grad
    if x.dtype == torch.float32 and not x.is_cuda and not learning:
        return x.double().sqrt().float()
    return x.sqrt()


class Affine(nn.Module):
    """Base of functions of shift + scale x."""

    def __init__(self, scale: float = 1.0, shift: float = 0.0) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def inner(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


class Power(Affine):
    """(shift + scale x)^power."""

    def __init__(self, power: float = 1.0, scale: float = 1.0, shift: float = 0.0) -> None:
        super().__init__(scale, shift)
        self.power = power

    def forward(self, x: Tensor) -> Tensor:
        if self.power == 1:
            return self.inner(x)
        if self.power == 0.5:
            return square_root(self.inner(x))
        return self.inner(x).pow(self.power)


class Exponential(Affine):
    """exp(rate (shift + scale x)): the rate is the base's logarithm."""

    def __init__(self, rate: float = 1.0, scale: float = 1.0, shift: float = 0.0) -> None:
        super().__init__(scale, shift)
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        return (self.inner(x) * self.rate).exp()


class Logarithm(Affine):
    """ln(shift + scale x) / rate: the rate is the base's logarithm."""

    def __init__(self, rate: float = 1.0, scale: float = 1.0, shift: float = 0.0) -> None:
        super().__init__(scale, shift)
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x).log() / self.rate


class Clip(nn.Module):
    """x held between min and max; the gradient is 1 on both bounds."""

    def __init__(self, min: float, max: float) -> None:
        super().__init__()
        self.min, self.max = min, max

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(self.min, self.max)


class Threshold(nn.Module):
    """1 where x is greater than the threshold, else 0."""

    def __init__(self, threshold: float = 0.0) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, x: Tensor) -> Tensor:
        return (x > self.threshold).to(x.dtype)
