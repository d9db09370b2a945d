"""Torch modules of layers/reshape.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

from torch import Tensor, nn


class Reshape(nn.Module):
    """Axes begin..end replaced by `dims`: 0 copies the axis in its place, -1 is inferred."""

    def __init__(self, dims: tuple[int, ...], begin: int = 0, end: "int | None" = None) -> None:
        super().__init__()
        self.dims, self.begin, self.end = dims, begin, end

    def forward(self, x: Tensor) -> Tensor:
        copied = x.shape[self.begin :]
        dims = [copied[i] if d == 0 else d for i, d in enumerate(self.dims)]
        return x.reshape(*x.shape[: self.begin], *dims, *(() if self.end is None else x.shape[self.end :]))


class Permute(nn.Module):
    """Axes in another order."""

    def __init__(self, order: tuple[int, ...]) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.order)


class Reduction(nn.Module):
    """Sum, sum of sizes, sum of squares or mean over all axes from `axis` on, times coeff."""

    def __init__(self, operation: str = "SUM", axis: int = 0, coeff: float = 1.0) -> None:
        super().__init__()
        self.operation, self.axis, self.coeff = operation, axis, coeff

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(self.axis)
        if self.operation == "ASUM":
            x = x.abs()
        elif self.operation == "SUMSQ":
            x = x * x
        y = x.mean(-1) if self.operation == "MEAN" else x.sum(-1)
        if self.coeff == 1:
            return y
        return y * self.coeff


class Tile(nn.Module):
    """The value several times along an axis."""

    def __init__(self, tiles: int, axis: int = 1) -> None:
        super().__init__()
        self.tiles, self.axis = tiles, axis

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat([self.tiles if i == self.axis else 1 for i in range(x.dim())])


class ShuffleChannel(nn.Module):
    """Channels dealt out anew: group g's channel c becomes channel c * group + g."""

    def __init__(self, group: int = 1) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], self.group, -1, *x.shape[2:]).transpose(1, 2).flatten(1, 2)
