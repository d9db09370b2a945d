"""Torch modules of layers/pointwise.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

from torch import Tensor, nn


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
