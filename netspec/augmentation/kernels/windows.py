"""Windows of random area and shape, drawn and resized: image and mask alike."""

import math

import torch
from torch import Tensor

from netspec.augmentation.kernels.batch import Batch
from netspec.augmentation.kernels.draw import Draw
from netspec.augmentation.kernels.frame import crop_resized, sizes_of

__all__ = ["draw_windows", "resize_windows"]

Range = tuple[float, float]


def draw_windows(batch: Batch, draw: Draw, scale: Range, ratio: Range) -> Tensor:
    """(top, left, height, width) of a window for each sample, (N, 4), int64."""
    size = sizes_of(batch.image if batch.image is not None else [])
    area = size.prod(1) * draw.uniform(*scale, "scale").double()
    shape = draw.uniform(math.log(ratio[0]), math.log(ratio[1]), "ratio").double().exp()
    wanted = torch.stack(((area / shape).sqrt(), (area * shape).sqrt()), 1).round()
    sides = torch.minimum(wanted.clamp_min(1), size)
    unit = draw.uniform(0, 1, "place", 2).double()
    return torch.cat((torch.floor(unit * (size - sides + 1)), sides), 1).long()


def resize_windows(batch: Batch, at: Tensor, size: tuple[int, int]) -> Batch:
    """The windows cut out and resized to one size."""
    if batch.image is None:
        return batch
    parts: dict[str, object] = {"image": crop_resized(batch.image, at, size, nearest=False)}
    if batch.mask is not None:
        flat = [m.reshape(-1, *m.shape[-2:]) for m in batch.mask]
        found = crop_resized(flat, at, size, nearest=True)
        parts["mask"] = found.reshape(len(found), *batch.mask[0].shape[:-2], *size)
    if batch.boxes is not None:
        parts["boxes"] = batch.boxes.window(at[:, :2], at[:, 2:], batch.image)
    return batch.replace(**parts)
