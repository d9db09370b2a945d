"""A batch whose parts move together: image, label, mask, boxes, sequence. Changes of places are
gathered in `maps` and read once, when values are next asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from netspec.augmentation.kernels import maps as places
from netspec.augmentation.kernels.boxes import Boxes
from netspec.augmentation.kernels.draw import Draw
from netspec.augmentation.kernels.frame import (
    Samples,
    flip,
    pad_samples,
    sizes_of,
    stack_samples,
    windows,
)
from netspec.augmentation.kernels.maps import Map

__all__ = ["Batch", "ImageFunction", "SequenceFunction"]

ImageFunction = Callable[[Tensor, Draw, str], Tensor]
SequenceFunction = Callable[[Tensor, Draw], Tensor]
WHITE = 255.0
PARTS = ("image", "label", "mask", "boxes", "sequence")


@dataclass(frozen=True)
class Batch:
    """Samples, a row each. image: (N, C, h, w), 0 to 255, or a list of (C, h, w). label: classes
    (N), or shares of the classes (N, K). mask: classes of pixels, in the image's size. sequence:
    (N, T) or (N, C, T).

    classes: K, where labels may become shares. order: rgb, bgr, or empty. outside: the class of
    pixels that no image covers. name: of the input, in messages.
    """

    image: Samples | None = None
    label: Tensor | None = None
    mask: Samples | None = None
    boxes: Boxes | None = None
    sequence: Tensor | None = None
    classes: int = 0
    order: str = ""
    outside: int = 0
    name: str = "image"
    maps: tuple[Map, ...] = ()
    around: str = "zeros"
    frame: tuple[int, int] | None = None
    """Height and width of the result, while changes wait."""

    def replace(self, **parts: Any) -> Self:
        """A copy with some parts set otherwise."""
        return replace(self, **parts)

    def __len__(self) -> int:
        return next(len(x) for x in (self.image, self.sequence) if x is not None)

    @property
    def pixels(self) -> Tensor:
        """The image as one tensor. SpecError NS653: sizes differ."""
        return stack_samples(self.image if self.image is not None else [], self.name)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width. SpecError NS653: sizes differ."""
        if self.frame is not None:
            return self.frame
        h, w = self.pixels.shape[-2:]
        return h, w

    @property
    def sizes(self) -> Tensor:
        """Height and width of each sample, (N, 2)."""
        if self.frame is not None:
            return torch.tensor(self.frame, dtype=torch.float64).expand(len(self), 2)
        return sizes_of(self.image if self.image is not None else [])

    # --- places ---

    def map(self, one: Map, around: str = "zeros") -> Self:
        """With one more change of places, which waits until values are asked for."""
        ready = self if not self.maps or self.around == around else self.settle()
        return replace(ready, maps=(*ready.maps, one), around=around, frame=ready.size)

    def settle(self) -> Self:
        """All changes of places done: one reading of the image (bilinear), one of the mask
        (nearest). Samples that stay where they are keep their very values.
        """
        if not self.maps:
            return self
        moving = torch.stack([each.moving for each in self.maps]).any(0)
        if self.size == tuple(self.pixels.shape[-2:]) and not bool(moving.all()):
            return self.settle_some(moving.nonzero()[:, 0])
        return self.read()

    def settle_some(self, at: Tensor) -> Self:
        """The changes of places of some samples done; the others' change nothing."""
        mask = self.mask if self.mask is None else stack_samples(self.mask, self.name)
        still = replace(self, maps=(), around="zeros", frame=None, image=self.pixels, mask=mask)
        if not len(at):
            return still
        here = at.to(self.pixels.device)
        parts = {name: getattr(still, name) for name in PARTS if getattr(still, name) is not None}
        some = {name: part[here] for name, part in parts.items()}
        maps = tuple(each.rows(at) for each in self.maps)
        moved = replace(self, **some, maps=maps).read()
        return replace(still, **{name: put(part, here, getattr(moved, name)) for name, part in parts.items()})

    def read(self) -> Self:
        """Every sample read where the maps lead."""
        image, size = self.pixels, self.size
        h, w = image.shape[-2:]
        p = places.follow(self.maps, len(image), size, image.device)
        mask = self.mask if self.mask is None else self.read_mask(p)
        boxes = self.boxes if self.boxes is None else self.boxes.trace(self.maps, (h, w), size)
        moved = places.read(image, p, "bilinear", self.around)
        return replace(self, image=moved, mask=mask, boxes=boxes, maps=(), around="zeros", frame=None)

    def read_mask(self, p: places.Points) -> Tensor:
        """The mask at places; outside the image it is `outside`."""
        mask = stack_samples(self.mask if self.mask is not None else [], self.name)
        # around a picture 0 is read: counted from `outside`, that is this class
        flat = (mask - self.outside).reshape(len(mask), -1, *mask.shape[-2:])
        found = places.read(flat, p, "nearest", self.around).round().to(mask.dtype) + self.outside
        return found.reshape(*mask.shape[:-2], *found.shape[-2:])

    def crop(self, at: Tensor, size: tuple[int, int]) -> Self:
        """The windows of a size at (top, left)."""
        if self.maps:
            middle = at.double() + (torch.tensor(size) - self.sizes) / 2
            one = places.shift_by(len(at), middle[:, 1], middle[:, 0])
            return replace(self, maps=(*self.maps, one), frame=size)
        ready = self
        if ready.image is None:
            return ready
        boxes = ready.boxes if ready.boxes is None else ready.boxes.crop(at, ready.image, size)
        mask = ready.mask if ready.mask is None else windows(ready.mask, at, size)
        return replace(ready, image=windows(ready.image, at, size), mask=mask, boxes=boxes)

    def pad(self, width: int, value: float) -> Self:
        """A border on each side."""
        # what lies outside is read as 0 anyway
        if self.maps and value == 0 and self.around == "zeros":
            h, w = self.size
            return replace(self, frame=(h + 2 * width, w + 2 * width))
        ready = self.settle()
        if ready.image is None:
            return ready
        boxes = ready.boxes if ready.boxes is None else ready.boxes.pad(width, ready.image)
        mask = ready.mask if ready.mask is None else pad_samples(ready.mask, width, ready.outside)
        return replace(ready, image=pad_samples(ready.image, width, value), mask=mask, boxes=boxes)

    def flip(self, chosen: Tensor, axis: int) -> Self:
        """Those chosen reversed, along axis -1 (left to right) or -2."""
        if self.maps:
            one = places.mirror(len(chosen), axis).choose(chosen)
            return replace(self, maps=(*self.maps, one))
        ready = self
        if ready.image is None:
            return ready
        boxes = ready.boxes if ready.boxes is None else ready.boxes.flip(chosen, axis)
        mask = ready.mask if ready.mask is None else flip(ready.mask, chosen, axis)
        return replace(ready, image=flip(ready.image, chosen, axis), mask=mask, boxes=boxes)

    # --- values ---

    def change_image(self, change: ImageFunction, draw: Draw, chosen: Tensor) -> Self:
        """The images that are chosen changed by a function, and limited to 0..255."""
        ready = self.settle()
        if isinstance(ready.image, list) and len({x.shape for x in ready.image}) > 1:
            return replace(ready, image=[*change_each(ready.image, change, draw, chosen, ready.order)])
        image = ready.pixels.float()
        at = chosen.nonzero()[:, 0]
        if not len(at):
            return replace(ready, image=image)
        if len(at) == len(image):
            return replace(ready, image=change(image, draw, ready.order).clamp(0, WHITE))
        here = at.to(image.device)
        part = change(image[here], draw.rows(at), ready.order).clamp(0, WHITE)
        return replace(ready, image=image.index_copy(0, here, part))

    def change_sequence(self, change: SequenceFunction, draw: Draw, chosen: Tensor) -> Self:
        """The sequences that are chosen changed by a function."""
        if self.sequence is None or not bool(chosen.any()):
            return self
        at = chosen.nonzero()[:, 0]
        here = at.to(self.sequence.device)
        part = change(self.sequence[here], draw.rows(at))
        return replace(self, sequence=self.sequence.index_copy(0, here, part))

    # --- samples ---

    def shares(self) -> Tensor | None:
        """The label as shares of the classes, (N, K), float32."""
        if self.label is None or self.label.is_floating_point():
            return self.label
        label = self.label.reshape(len(self.label), 1)
        return (label == torch.arange(self.classes, device=label.device)).float()

    def rows(self, begin: int, end: int) -> Self:
        """Some of the samples, in a row."""
        ready = self.settle()
        parts = {name: part[begin:end] for name in PARTS if (part := getattr(ready, name)) is not None}
        return replace(ready, **parts)


def put(part: Any, at: Tensor, new: Any) -> Any:
    """A part with other values for some samples."""
    if isinstance(part, Boxes):
        return replace(part, rows=part.rows.index_copy(0, at, new.rows))
    if new.dtype.is_floating_point and not part.dtype.is_floating_point:
        part = part.to(new.dtype)
    return part.index_copy(0, at, new)


def change_each(
    images: list[Tensor], change: ImageFunction, draw: Draw, chosen: Tensor, order: str
) -> list[Tensor]:
    """Images of several sizes, one by one."""
    return [
        change(x.float()[None], draw.rows([i]), order).clamp(0, WHITE)[0] if c else x.float()
        for i, (x, c) in enumerate(zip(images, chosen.tolist(), strict=True))
    ]
