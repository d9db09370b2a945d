"""What the torch modules of several families need: borders, columns, cells. Inlined into emitted
files, so it needs torch alone.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

CONVOLVE: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


MAX_POOL: dict[int, Any] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


AVERAGE_POOL: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def add_border(x: Tensor, pads: Any, mode: str, value: float) -> Tensor:
    """x with (begin, end) more elements along each spatial axis. symmetric repeats the edge itself,
    which F.pad cannot.
    """
    if mode == "symmetric":
        for axis, (begin, end) in enumerate(pads, x.dim() - len(pads)):
            size = x.shape[axis]
            x = torch.cat(
                [
                    x.narrow(axis, 0, begin).flip(axis),
                    x,
                    x.narrow(axis, size - end, end).flip(axis),
                ],
                axis,
            )
        return x
    flat = [side for pair in reversed(pads) for side in pair]
    if mode == "constant":
        return F.pad(x, flat, mode, value)
    return F.pad(x, flat, mode)


def tensorflow_pads(space: Any, kernel: Any, stride: Any, dilation: Any) -> list[tuple[int, int]]:
    """TensorFlow's SAME: as much as ceil(in / stride) windows need, the smaller half first."""
    pads = []
    for size, k, s, d in zip(space, kernel, stride, dilation, strict=True):
        missing = max((-(-size // s) - 1) * s + d * (k - 1) + 1 - size, 0)
        pads.append((missing // 2, missing - missing // 2))
    return pads


def convolve(x: Tensor, weight: Tensor, stride: Any, dilation: Any, groups: int) -> Tensor:
    """Convolution without border, of any number of axes: without any, at each place; beyond three,
    the first is a sum over its taps.
    """
    axes = weight.dim() - 2
    if axes == 0:
        return convolve(x.unsqueeze(-1), weight.unsqueeze(-1), (1,), (1,), groups).squeeze(-1)
    if axes <= 3:
        return CONVOLVE[axes](x, weight, None, stride, 0, dilation, groups)  # type: ignore[no-any-return]
    count = (x.shape[2] - dilation[0] * (weight.shape[2] - 1) - 1) // stride[0] + 1
    y: Any = 0
    for u in range(weight.shape[2]):
        slab = x[:, :, dilation[0] * u :: stride[0]][:, :, :count].transpose(1, 2)
        part = convolve(slab.flatten(0, 1), weight[:, :, u], stride[1:], dilation[1:], groups)
        y = y + part.reshape(*slab.shape[:2], *part.shape[1:]).transpose(1, 2)
    return y  # type: ignore[no-any-return]


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


def pool_borders(space: Any, kernel: Any, stride: Any, pads: Any, up: bool) -> list[tuple[int, int]]:
    """What to add at the beginning and the end of each axis so that Caffe's windows end exactly
    there; negative where rows stay unread.

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
    """Greatest value of each window; the border never wins, a window outside gives the least
    number. The mask counts in x's own plane.
    """
    space = x.shape[2:]
    padded = add_border(x, borders, "constant", torch.finfo(x.dtype).min)
    if not mask:
        return MAX_POOL[len(kernel)](padded, kernel, stride)
    y, index = MAX_POOL[len(kernel)](padded, kernel, stride, return_indices=True)
    flat, step = torch.zeros_like(index), 1
    for size, wide, (begin, _) in zip(
        reversed(space), reversed(padded.shape[2:]), reversed(borders), strict=True
    ):
        flat = flat + (index % wide - begin) * step
        index = index // wide
        step *= size
    return y, torch.where(y > torch.finfo(x.dtype).min, flat, -1)  # as in Caffe's mask


def average_pooled(
    x: Tensor, kernel: Any, stride: Any, borders: Any, pads: Any, inside: bool = True
) -> Tensor:
    """Sum of each window over its area: what of it lies in the padded input (inside:
    count_include_pad), or in the input alone.
    """
    y = AVERAGE_POOL[len(kernel)](add_border(x, borders, "constant", 0.0), kernel, stride)
    for i, (k, s, (begin, end)) in enumerate(zip(kernel, stride, pads, strict=True), 2):
        first = torch.arange(y.shape[i], device=x.device) * s - begin
        last = (first + k).clamp(max=x.shape[i] + (end if inside else 0))
        area = (last - (first if inside else first.clamp(min=0))).to(x.dtype) / k
        y = y / area.view(-1, *[1] * (x.dim() - 1 - i))
    return y  # type: ignore[no-any-return]
