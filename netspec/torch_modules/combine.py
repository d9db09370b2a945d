"""Torch modules of layers/combine.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import torch
from torch import Tensor, nn


class EltwiseSum(nn.Module):
    """Sum of values of one shape, each times its coefficient."""

    def __init__(self, coeff: tuple[float, ...] = ()) -> None:
        super().__init__()
        self.coeff = coeff

    def forward(self, x: Tensor, *more: Tensor) -> Tensor:
        coeff = self.coeff or (1.0,) * (len(more) + 1)
        y = x if coeff[0] == 1 else coeff[0] * x
        for factor, other in zip(coeff[1:], more, strict=True):
            y = y + other if factor == 1 else y.add(other, alpha=factor)
        return y


class EltwiseProd(nn.Module):
    """Product of values of one shape."""

    def forward(self, x: Tensor, *more: Tensor) -> Tensor:
        for other in more:
            x = x * other
        return x


class EltwiseMax(nn.Module):
    """Greatest of values of one shape. The gradient goes to one: of two equal ones to the second of
    the first two, else to the earlier.
    """

    def forward(self, x: Tensor, y: Tensor, *more: Tensor) -> Tensor:
        z = torch.where(x > y, x, y)
        for other in more:
            z = torch.where(other > z, other, z)
        return z


class Concat(nn.Module):
    """Values side by side along an axis."""

    def __init__(self, axis: int = 1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *xs: Tensor) -> Tensor:
        return torch.cat(xs, self.axis)


class Slice(nn.Module):
    """Stretches of a value along an axis: between `points`, or that many of equal size."""

    def __init__(self, parts: "int | tuple[int, ...]", axis: int = 1) -> None:
        super().__init__()
        self.parts, self.axis = parts, axis

    def forward(self, x: Tensor) -> "Tensor | tuple[Tensor, ...]":
        found = x.tensor_split(self.parts, self.axis)
        if len(found) > 1:
            return found
        return found[0]


class Split(nn.Module):
    """The same value several times."""

    def __init__(self, tops: int = 1) -> None:
        super().__init__()
        self.tops = tops

    def forward(self, x: Tensor) -> "Tensor | tuple[Tensor, ...]":
        if self.tops > 1:
            return (x,) * self.tops
        return x


class Filter(nn.Module):
    """The samples whose selector, the last value, is not 0."""

    def forward(self, *xs: Tensor) -> "Tensor | tuple[Tensor, ...]":
        kept = xs[-1].flatten().nonzero().flatten()
        found = tuple(x.index_select(0, kept) for x in xs[:-1])
        if len(found) > 1:
            return found
        return found[0]


class BatchReindex(nn.Module):
    """Samples in the order of an index, which may come as a float."""

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        return x.index_select(0, index.long())
