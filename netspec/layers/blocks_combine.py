"""Torch modules for layers that multiply by a matrix, combine and rearrange values. Inlined into emitted files, so it needs torch alone."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class InnerProduct(nn.Module):
    """A dense layer over all axes from `axis` on; weight (out, in), or (in, out) if transposed."""

    def __init__(self, inputs: int, outputs: int, axis: int = 1, transpose: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.axis, self.transpose = axis, transpose
        self.weight = nn.Parameter(torch.zeros((inputs, outputs) if transpose else (outputs, inputs)))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.flatten(self.axis), self.weight.t() if self.transpose else self.weight, self.bias)


class Embed(nn.Module):
    """A row of the table for each index, which may come as a float, and a bias."""

    def __init__(self, rows: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(rows, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.embedding(x.long(), self.weight)
        return y if self.bias is None else y + self.bias


class Parameter(nn.Module):
    """A trained tensor as a value."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape))

    def forward(self) -> Tensor:
        return self.weight


class ArgMax(nn.Module):
    """Indices (as floats) or values of the greatest entries along an axis, or of the whole sample; of equal ones the higher index first."""

    def __init__(self, top_k: int = 1, axis: int | None = None, out_max_val: bool = False) -> None:
        super().__init__()
        self.top_k, self.axis, self.out_max_val = top_k, axis, out_max_val

    def forward(self, x: Tensor) -> Tensor:
        x, axis = x.detach(), 1 if self.axis is None else self.axis
        scores = x.reshape(x.shape[0], -1) if self.axis is None else x
        ordered, places = scores.flip(axis).sort(dim=axis, descending=True, stable=True)
        values = ordered.narrow(axis, 0, self.top_k)
        indices = (scores.shape[axis] - 1 - places.narrow(axis, 0, self.top_k)).to(x.dtype)
        if self.axis is not None:
            return values if self.out_max_val else indices
        y = torch.stack((indices, values), 1) if self.out_max_val else indices.unsqueeze(1)
        return y.reshape(*y.shape, *(1,) * (x.dim() - 3))


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
    """Greatest of values of one shape. The gradient goes to one: of two equal ones to the second of the first two, else to the earlier."""

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
        return found if len(found) > 1 else found[0]


class Split(nn.Module):
    """The same value several times."""

    def __init__(self, tops: int = 1) -> None:
        super().__init__()
        self.tops = tops

    def forward(self, x: Tensor) -> "Tensor | tuple[Tensor, ...]":
        return (x,) * self.tops if self.tops > 1 else x


class Filter(nn.Module):
    """The samples whose selector, the last value, is not 0."""

    def forward(self, *xs: Tensor) -> "Tensor | tuple[Tensor, ...]":
        kept = xs[-1].flatten().nonzero().flatten()
        found = tuple(x.index_select(0, kept) for x in xs[:-1])
        return found if len(found) > 1 else found[0]


class BatchReindex(nn.Module):
    """Samples in the order of an index, which may come as a float."""

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        return x.index_select(0, index.long())


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
        return y if self.coeff == 1 else y * self.coeff


class Tile(nn.Module):
    """The value several times along an axis."""

    def __init__(self, tiles: int, axis: int = 1) -> None:
        super().__init__()
        self.tiles, self.axis = tiles, axis

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat([self.tiles if i == self.axis else 1 for i in range(x.dim())])


class Silence(nn.Module):
    """Takes values and makes none."""

    def forward(self, *xs: Tensor) -> None:
        return None


class ShuffleChannel(nn.Module):
    """Channels dealt out anew: group g's channel c becomes channel c * group + g."""

    def __init__(self, group: int = 1) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], self.group, -1, *x.shape[2:]).transpose(1, 2).flatten(1, 2)
