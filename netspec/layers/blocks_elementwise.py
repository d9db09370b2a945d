"""Torch modules of element-wise layers that nn lacks. Inlined into emitted files."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SharedPReLU(nn.Module):
    """max(x, 0) + a min(x, 0) with one trained slope a for all channels, a tensor without axes."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(()))

    def forward(self, x: Tensor) -> Tensor:
        return F.prelu(x, self.weight)


class LeakyReLU6(nn.Module):
    """min(max(x, 0), 6) + slope min(x, 0)."""

    def __init__(self, negative_slope: float) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.negative_slope) - F.relu(x - 6)


class Absolute(nn.Module):
    """|x|; its gradient at 0 is 0."""

    def forward(self, x: Tensor) -> Tensor:
        return x.abs()


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
        return self.inner(x) if self.power == 1 else self.inner(x).pow(self.power)


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


class Swish(nn.Module):
    """x sigmoid(beta x)."""

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.beta * x)


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


class ForkDropout(nn.Module):
    """Dropout of forks of Caffe: unscaled while training (the test then weakens by 1 - ratio), or drawn in test too."""

    def __init__(self, ratio: float, scale_train: bool = True, sample_weights_test: bool = False) -> None:
        super().__init__()
        self.ratio, self.scale_train, self.sample_weights_test = ratio, scale_train, sample_weights_test

    def forward(self, x: Tensor) -> Tensor:
        if self.training or self.sample_weights_test:
            y = F.dropout(x, self.ratio)
            return y if self.scale_train else y * (1 - self.ratio)
        return x if self.scale_train else x * (1 - self.ratio)
