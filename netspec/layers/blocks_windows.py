"""Torch modules of windowed layers, for what nn's own cannot say: borders, axes, pooling as Caffe does it. Inlined into emitted files."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CONVOLVE: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX_POOL: dict[int, Any] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE_POOL: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def bordered(x: Tensor, pads: Any, mode: str, value: float) -> Tensor:
    """x with (begin, end) more elements along each spatial axis. symmetric repeats the edge itself, which F.pad cannot."""
    if mode == "symmetric":
        for axis, (begin, end) in enumerate(pads, x.dim() - len(pads)):
            size = x.shape[axis]
            x = torch.cat([x.narrow(axis, 0, begin).flip(axis), x, x.narrow(axis, size - end, end).flip(axis)], axis)
        return x
    flat = [side for pair in reversed(pads) for side in pair]
    return F.pad(x, flat, mode, value) if mode == "constant" else F.pad(x, flat, mode)


def tensorflow_pads(space: Any, kernel: Any, stride: Any, dilation: Any) -> list[tuple[int, int]]:
    """TensorFlow's SAME: as much as ceil(in / stride) windows need, the smaller half first."""
    pads = []
    for size, k, s, d in zip(space, kernel, stride, dilation, strict=True):
        missing = max((-(-size // s) - 1) * s + d * (k - 1) + 1 - size, 0)
        pads.append((missing // 2, missing - missing // 2))
    return pads


def convolved(x: Tensor, weight: Tensor, stride: Any, dilation: Any, groups: int) -> Tensor:
    """Convolution without border, of any number of axes: without any, at each place; beyond three, the first is a sum over its taps."""
    axes = weight.dim() - 2
    if axes == 0:
        return convolved(x.unsqueeze(-1), weight.unsqueeze(-1), (1,), (1,), groups).squeeze(-1)
    if axes <= 3:
        return CONVOLVE[axes](x, weight, None, stride, 0, dilation, groups)  # type: ignore[no-any-return]
    count = (x.shape[2] - dilation[0] * (weight.shape[2] - 1) - 1) // stride[0] + 1
    y: Any = 0
    for u in range(weight.shape[2]):
        slab = x[:, :, dilation[0] * u :: stride[0]][:, :, :count].transpose(1, 2)
        part = convolved(slab.flatten(0, 1), weight[:, :, u], stride[1:], dilation[1:], groups)
        y = y + part.reshape(*slab.shape[:2], *part.shape[1:]).transpose(1, 2)
    return y  # type: ignore[no-any-return]


class PaddedConv(nn.Module):
    """Convolution whose border is uneven or not of zeros, whose channels are another axis than 1, or of more than three axes.

    pads: (begin, end) of each spatial axis, or "same_tf". Axes before `axis` all count as batch.
    """

    def __init__(
        self,
        channels: int,
        num_output: int,
        kernel: Any,
        stride: Any,
        pads: Any = None,
        dilation: Any = None,
        groups: int = 1,
        bias: bool = True,
        mode: str = "constant",
        value: float = 0.0,
        axis: int = 1,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_output, channels // groups, *kernel))
        self.bias = nn.Parameter(torch.empty(num_output)) if bias else None
        self.stride, self.pads, self.dilation, self.groups = stride, pads or ((0, 0),) * len(kernel), dilation or (1,) * len(kernel), groups
        self.mode, self.value, self.axis = mode, value, axis

    def forward(self, x: Tensor) -> Tensor:
        lead = x.shape[: self.axis]
        x = x.reshape(math.prod(lead), *x.shape[self.axis :])
        kernel = self.weight.shape[2:]
        pads = tensorflow_pads(x.shape[2:], kernel, self.stride, self.dilation) if self.pads == "same_tf" else self.pads
        if any(begin or end for begin, end in pads):
            x = bordered(x, pads, self.mode, self.value)
        y = convolved(x, self.weight, self.stride, self.dilation, self.groups)
        if self.bias is not None:
            y = y + self.bias.view(-1, *[1] * len(kernel))
        return y.reshape(*lead, *y.shape[1:])


class CroppedDeconv(nn.Module):
    """Transposed convolution that takes another amount away at the beginning than at the end, or whose channels are another axis than 1."""

    def __init__(
        self,
        channels: int,
        num_output: int,
        kernel: Any,
        stride: Any,
        pads: Any,
        output_padding: Any,
        dilation: Any,
        groups: int = 1,
        bias: bool = True,
        axis: int = 1,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, num_output // groups, *kernel))
        self.bias = nn.Parameter(torch.empty(num_output)) if bias else None
        self.stride, self.pads, self.output_padding, self.dilation, self.groups = stride, pads, output_padding, dilation, groups
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        lead = x.shape[: self.axis]
        x = x.reshape(math.prod(lead), *x.shape[self.axis :])
        if x.dim() == 2:
            y = F.conv_transpose1d(x.unsqueeze(-1), self.weight.unsqueeze(-1), self.bias, groups=self.groups).squeeze(-1)
            return y.reshape(*lead, -1)
        y = TRANSPOSED[x.dim() - 2](x, self.weight, self.bias, self.stride, 0, self.output_padding, self.groups, self.dilation)
        for i, (begin, end) in enumerate(self.pads, 2):
            y = y.narrow(i, begin, y.shape[i] - begin - end)
        return y.reshape(*lead, *y.shape[1:])  # type: ignore[no-any-return]


def columns(x: Tensor, kernel: Any, stride: Any, dilation: Any) -> Tensor:
    """The windows of x: (N, C, taps, windows...), taps in row order."""
    axes = len(kernel)
    for i in range(axes):
        axis = 2 + 2 * i
        count = (x.shape[axis] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        last = stride[i] * (count - 1) + 1
        rows = [x.narrow(axis, dilation[i] * u, last) for u in range(kernel[i])]
        index = (slice(None),) * axis + (slice(None, None, stride[i]),)
        x = torch.stack([row[index] for row in rows], 2 + i)
    return x.flatten(2, 1 + axes)


class Columns(nn.Module):
    """Caffe's Im2col: each window's values as channels, channel slowest."""

    def __init__(self, kernel: Any, stride: Any, pads: Any, dilation: Any, axis: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride, self.pads, self.dilation, self.axis = kernel, stride, pads, dilation, axis

    def forward(self, x: Tensor) -> Tensor:
        lead = x.shape[: self.axis]
        x = x.reshape(math.prod(lead), *x.shape[self.axis :])
        pads = tensorflow_pads(x.shape[2:], self.kernel, self.stride, self.dilation) if self.pads == "same_tf" else self.pads
        y = columns(bordered(x, pads, "constant", 0.0), self.kernel, self.stride, self.dilation).flatten(1, 2)
        return y.reshape(*lead, *y.shape[1:])


def pool_borders(space: Any, kernel: Any, stride: Any, pads: Any, up: bool) -> list[tuple[int, int]]:
    """What to add at the beginning and the end of each axis so that Caffe's windows end exactly there; negative where rows stay unread.

    Rounding up, and with padding anywhere, no window begins past the input and its first border.
    """
    padded = any(begin or end for begin, end in pads)
    found = []
    for size, k, s, (begin, end) in zip(space, kernel, stride, pads, strict=True):
        free = size + begin + end - k
        count = (-(-free // s) if up else free // s) + 1
        if up and padded:
            count = min(count, -(-(size + begin) // s))
        found.append((begin, (count - 1) * s + k - size - begin))
    return found


def max_pooled(x: Tensor, kernel: Any, stride: Any, borders: Any, mask: bool = False) -> Any:
    """Greatest value of each window; the border never wins, a window outside gives the least number. The mask counts in x's own plane."""
    space = x.shape[2:]
    padded = bordered(x, borders, "constant", torch.finfo(x.dtype).min)
    if not mask:
        return MAX_POOL[len(kernel)](padded, kernel, stride)
    y, index = MAX_POOL[len(kernel)](padded, kernel, stride, return_indices=True)
    flat, step = torch.zeros_like(index), 1
    for size, wide, (begin, _) in zip(reversed(space), reversed(padded.shape[2:]), reversed(borders), strict=True):
        flat = flat + (index % wide - begin) * step
        index = index // wide
        step *= size
    return y, torch.where(y > torch.finfo(x.dtype).min, flat, -1)


def average_pooled(x: Tensor, kernel: Any, stride: Any, borders: Any, pads: Any, inside: bool = True) -> Tensor:
    """Sum of each window over its area: what of it lies in the padded input (inside: count_include_pad), or in the input alone."""
    y = AVERAGE_POOL[len(kernel)](bordered(x, borders, "constant", 0.0), kernel, stride)
    for i, (k, s, (begin, end)) in enumerate(zip(kernel, stride, pads, strict=True), 2):
        first = torch.arange(y.shape[i], device=x.device) * s - begin
        last = (first + k).clamp(max=x.shape[i] + (end if inside else 0))
        area = (last - (first if inside else first.clamp(min=0))).to(x.dtype) / k
        y = y / area.view(-1, *[1] * (x.dim() - 1 - i))
    return y  # type: ignore[no-any-return]


class WindowPool(nn.Module):
    """Base of pooling as Caffe does it at the edge: windows may reach past the input. kernel None: one window, the whole input."""

    def __init__(self, kernel: Any = None, stride: Any = None, pads: Any = None, round_up: bool = False) -> None:
        super().__init__()
        self.kernel, self.stride, self.pads, self.round_up = kernel, stride, pads, round_up

    def windows(self, x: Tensor) -> tuple[Any, Any, Any, Any]:
        """Kernel, stride, borders to add, and pads, for this input."""
        space = tuple(x.shape[2:])
        if self.kernel is None:
            zeros = ((0, 0),) * len(space)
            return space, (1,) * len(space), zeros, zeros
        pads = tensorflow_pads(space, self.kernel, self.stride, (1,) * len(space)) if self.pads == "same_tf" else self.pads
        return self.kernel, self.stride, pool_borders(space, self.kernel, self.stride, pads, self.round_up), pads


class MaxPool(WindowPool):
    """Maximum of each window; with mask also where it stood, counted in its own plane."""

    def __init__(self, kernel: Any, stride: Any, pads: Any, round_up: bool = False, mask: bool = False) -> None:
        super().__init__(kernel, stride, pads, round_up)
        self.mask = mask

    def forward(self, x: Tensor) -> Any:
        kernel, stride, borders, _ = self.windows(x)
        return max_pooled(x, kernel, stride, borders, self.mask)


class AveragePool(WindowPool):
    """Mean of each window, its divisor as Caffe counts it, or without the padding."""

    def __init__(self, kernel: Any, stride: Any, pads: Any, round_up: bool = False, count_include_pad: bool = True) -> None:
        super().__init__(kernel, stride, pads, round_up)
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride, borders, pads = self.windows(x)
        return average_pooled(x, kernel, stride, borders, pads, self.count_include_pad)


class LpPool(WindowPool):
    """p-norm of each window: (sum |x|^p)^(1/p). Where it is 0 the gradient is 0 too."""

    def __init__(self, p: float, kernel: Any = None, stride: Any = None, pads: Any = None, round_up: bool = False) -> None:
        super().__init__(kernel, stride, pads, round_up)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride, borders, _ = self.windows(x)
        powers = bordered(x.square() if self.p == 2 else x.abs().pow(self.p), borders, "constant", 0.0)
        total = AVERAGE_POOL[len(kernel)](powers, kernel, stride) * math.prod(kernel)
        some = total > 0
        root = torch.where(some, total, 1.0).pow(1 / self.p)
        return torch.where(some, root, 0.0)


class StochasticPool(WindowPool):
    """Zeiler and Fergus' pooling: training draws a value of each window, each as probable as it is large; test takes the mean."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride, borders, _ = self.windows(x)
        taps = columns(bordered(x, borders, "constant", 0.0), kernel, stride, (1,) * len(kernel))
        if not self.training:
            total = taps.sum(2)
            return torch.where(total > 0, taps.square().sum(2) / torch.where(total > 0, total, 1.0), 0.0)
        sums = taps.detach().cumsum(2)
        drawn = torch.rand_like(sums[:, :, :1]) * sums[:, :, -1:]
        index = (sums < drawn).sum(2, keepdim=True).clamp(max=taps.shape[2] - 1)
        return taps.gather(2, index).squeeze(2)


class PyramidPool(nn.Module):
    """Spatial pyramid pooling: level i has 2^i bins along each axis; several levels come flattened, one after the other."""

    def __init__(self, levels: int, pool: str) -> None:
        super().__init__()
        self.levels, self.pool = levels, pool

    def forward(self, x: Tensor) -> Tensor:
        found = []
        for level in range(self.levels):
            bins = 2**level
            kernel = tuple(-(-size // bins) for size in x.shape[2:])
            pads = tuple(((k * bins - size + 1) // 2,) * 2 for k, size in zip(kernel, x.shape[2:], strict=True))
            borders = pool_borders(x.shape[2:], kernel, kernel, pads, True)
            found.append(max_pooled(x, kernel, kernel, borders) if self.pool == "MAX" else average_pooled(x, kernel, kernel, borders, pads))
        return found[0] if self.levels == 1 else torch.cat([y.flatten(1) for y in found], 1)
