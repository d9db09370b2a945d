"""Samples blended and pasted into each other, with their labels and masks."""

import torch
from torch import Tensor

from netspec.augmentation.kernels.batch import Batch
from netspec.augmentation.kernels.draw import Draw
from netspec.augmentation.kernels.hiding import rectangles

__all__ = ["blend", "draw_patches", "paste", "put_shares"]


def blend(batch: Batch, at: Tensor, other: Batch, share: Tensor) -> Batch:
    """share of each sample `at`, the rest of the other's."""
    image = batch.pixels.float()
    here, by = at.to(image.device), share.to(image.device)[:, None, None, None]
    part = by * image[here] + (1 - by) * other.pixels.float()
    return put_shares(batch.replace(image=image.index_copy(0, here, part)), at, [other], share[:, None])


def put_shares(batch: Batch, at: Tensor, others: list[Batch], shares: Tensor) -> Batch:
    """Labels of samples `at` as shares of the classes; shares: of the sample itself, and of all
    others but the last, which has the rest.
    """
    label = batch.shares()
    if label is None:
        return batch
    here = at.to(label.device)
    parts = [label[here], *(each for other in others if (each := other.shares()) is not None)]
    weights = torch.cat((shares, 1 - shares.sum(1, keepdim=True)), 1).to(label.device, label.dtype)
    tail = (1,) * (label.ndim - 1)
    mixed = sum((w.reshape(-1, *tail) * p for w, p in zip(weights.T, parts, strict=True)), torch.zeros(()))
    return batch.replace(label=label.index_copy(0, here, torch.as_tensor(mixed).to(label.dtype)))


def draw_patches(draw: Draw, size: tuple[int, int], share: Tensor) -> Tensor:
    """(top, left, bottom, right) of rectangles of area 1 - share, in the image's shape, cut at its
    edge.
    """
    whole = torch.tensor(size)
    half = ((1 - share.double()).sqrt()[:, None] * whole / 2).round().long()
    middle = torch.floor(draw.uniform(0, 1, "middle", 2).double() * whole).long()
    low, high = (middle - half).clamp_min(0), torch.minimum(middle + half, whole)
    return torch.cat((low, high), 1)


def paste(batch: Batch, at: Tensor, other: Batch, patches: Tensor) -> Batch:
    """Rectangles of the other in samples `at`; labels by area."""
    image, (h, w) = batch.pixels.float(), batch.size
    here = at.to(image.device)
    inside = rectangles(patches, (h, w)).to(image.device)
    part = torch.where(inside, other.pixels.float(), image[here])
    made = batch.replace(image=image.index_copy(0, here, part))
    if isinstance(batch.mask, Tensor) and isinstance(other.mask, Tensor):
        inner = inside.reshape(len(inside), *(1,) * (batch.mask.ndim - 3), h, w)
        mask = torch.where(inner, other.mask, batch.mask[here])
        made = made.replace(mask=batch.mask.index_copy(0, here, mask))
    area = (patches[:, 2] - patches[:, 0]) * (patches[:, 3] - patches[:, 1])
    return put_shares(made, at, [other], (1 - area.double() / (h * w))[:, None])
