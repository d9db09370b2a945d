"""What moves whole pixels: windows, borders, mirrors, resizing. In: samples of one size or of
several; out: the same.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from netspec.diagnostics import fail

__all__ = [
    "Samples", "crop_resized", "flip", "gather_windows", "pad_samples", "place_windows", "sizes_of", "stack_samples", "windows",
]  # fmt: skip

Samples = Tensor | list[Tensor]
"""(N, C, h, w), or a list of (C, h, w) where samples differ in size."""


def sizes_of(samples: Samples) -> Tensor:
    """Height and width of each sample, (N, 2), float64."""
    if isinstance(samples, Tensor):
        shapes = [samples.shape[-2:]] * len(samples)
    else:
        shapes = [each.shape[-2:] for each in samples]
    return torch.tensor(shapes, dtype=torch.float64).reshape(-1, 2)


def stack_samples(samples: Samples, name: str) -> Tensor:
    """Samples as one tensor. Raises SpecError NS653 where they differ in size."""
    if isinstance(samples, Tensor):
        return samples
    sizes = {tuple(x.shape) for x in samples}
    if len(sizes) > 1:
        some = ", ".join(" x ".join(map(str, size)) for size in sorted(sizes)[:3])
        raise fail(
            "NS653",
            f"samples of one batch differ in size: {some}",
            path=name,
            notes=(
                (
                    "`image: {resize: [h, w]}` gives all one size; a crop, first in the list of `augment`,"
                    " cuts all to one"
                ),
            ),
        )
    return torch.stack(samples)


def place_windows(sizes: Tensor, size: tuple[int, int], unit: Tensor, name: str) -> Tensor:
    """Places (N, 2), top and left, of windows of a size in samples of `sizes`, by even draws (N, 2)
    from [0, 1).

    Raises SpecError NS653 where a sample is smaller.
    """
    slack = sizes - torch.tensor(size)
    if slack.numel() and bool((slack < 0).any()):
        small = sizes[int((slack < 0).any(1).nonzero()[0])].int().tolist()
        raise fail(
            "NS653",
            f"crop_size {size[0]} x {size[1]} needs an image at least as large, here are {small[0]} x"
            f" {small[1]}",
            path=name,
        )
    return torch.floor(unit.double() * (slack + 1)).long()


def windows(samples: Samples, places: Tensor, size: tuple[int, int]) -> Tensor:
    """The window of `size` at its place (top, left) of each sample, (N, C, h, w): slices on the
    CPU, one gather on a device.
    """
    h, w = size
    if isinstance(samples, list) or samples.device.type == "cpu":
        return torch.stack(
            [
                x[..., top : top + h, left : left + w]
                for x, (top, left) in zip(samples, places.tolist(), strict=True)
            ]
        )
    return gather_windows(samples, places.to(samples.device), size)


def gather_windows(samples: Tensor, places: Tensor, size: tuple[int, int]) -> Tensor:
    """The windows by one indexing operation, (N, C, h, w)."""
    h, w = size
    rows = places[:, :1] + torch.arange(h, device=samples.device)
    columns = places[:, 1:] + torch.arange(w, device=samples.device)
    n = torch.arange(len(samples), device=samples.device)
    return (
        samples.movedim(1, -1)[n[:, None, None], rows[:, :, None], columns[:, None, :]]
        .movedim(-1, 1)
        .contiguous()
    )


def pad_samples(samples: Samples, pad: int, value: float) -> Samples:
    """A border of one value on each side."""
    if isinstance(samples, Tensor):
        return F.pad(samples, (pad,) * 4, value=value)
    return [F.pad(each, (pad,) * 4, value=value) for each in samples]


def flip(samples: Samples, chosen: Tensor, axis: int) -> Samples:
    """Those that are chosen, reversed along an axis."""
    if isinstance(samples, list):
        return [x.flip(axis) if c else x for x, c in zip(samples, chosen.tolist(), strict=True)]
    here = chosen.nonzero()[:, 0].to(samples.device)
    return samples.index_copy(0, here, samples[here].flip(axis))


def crop_resized(samples: Samples, boxes: Tensor, size: tuple[int, int], nearest: bool) -> Tensor:
    """The window (top, left, height, width) of each sample, resized: smoothed before it shrinks, or
    values as they are.
    """
    parts = [
        resize(x[None, :, top : top + h, left : left + w], size, nearest)
        for x, (top, left, h, w) in zip(samples, boxes.tolist(), strict=True)
    ]
    return torch.cat(parts)


def resize(x: Tensor, size: tuple[int, int], nearest: bool) -> Tensor:
    """An image (1, C, h, w) in another size, float32; masks keep their values."""
    if nearest:
        return F.interpolate(x.double(), size, mode="nearest-exact").to(x.dtype)
    return F.interpolate(x.float(), size, mode="bilinear", align_corners=False, antialias=True)
