"""The arithmetic half of the way to a net's input, on a batch: random augmentation, crop, mirror,
mean, deviation, scale. Knows no sources.

Order in training: the contract's centre crop (unless `augment` has a crop of its own), then the
entries of `augment` as listed, within one entry pad and crop, mirror, kornia's changes; last
`(pixel - mean) / deviation * scale`. Test and prediction: centre crop and these. Every draw comes from the
generator that is passed in, which lives on the CPU: the same draws on every device, and after a
resume.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import pad as padded

from netspec.data.decode import centre_crop, prepare
from netspec.data.source import Array
from netspec.diagnostics import fail
from netspec.resolve.sections.image import ImageContract, Shape, pair
from netspec.resolve.sections.train import Augmentation, TransformParam

__all__ = ["CaffeTransform", "Pipeline", "Samples", "random_crop", "random_mirror"]

Samples = Tensor | list[Tensor]
"""(N, C, h, w), or a list of (C, h, w) where samples differ in size."""


def random_crop(
    samples: Samples, size: tuple[int, int], generator: Generator, pad: int = 0, name: str = "image"
) -> tuple[Tensor, Tensor]:
    """Windows (N, C, h, w) at places drawn evenly for each sample, and the places (N, 2); `pad`
    black pixels are added on each side first.

    Raises SpecError NS653 where a padded sample is smaller than the crop.
    """
    if pad:
        if isinstance(samples, Tensor):
            samples = padded(samples, (pad,) * 4)
        else:
            samples = [padded(each, (pad,) * 4) for each in samples]
    if isinstance(samples, Tensor):
        shapes = [samples.shape[-2:]] * len(samples)
    else:
        shapes = [each.shape[-2:] for each in samples]
    sizes = torch.tensor(shapes, dtype=torch.float64)
    slack = sizes - torch.tensor(size)
    if slack.numel() and bool((slack < 0).any()):
        small = sizes[int((slack < 0).any(1).nonzero()[0])].int().tolist()
        raise fail(
            "NS653",
            f"crop_size {size[0]} x {size[1]} needs an image at least as large, here are {small[0]} x"
            f" {small[1]}",
            path=name,
        )
    places = torch.floor(
        torch.rand(len(sizes), 2, dtype=torch.float64, generator=generator) * (slack + 1)
    ).long()
    return windows(samples, places, size), places


def windows(samples: Samples, places: Tensor, size: tuple[int, int]) -> Tensor:
    """The window of `size` at its place (top, left) of each sample, (N, C, h, w): slices on the
    CPU, one gather on a device.
    """
    h, w = size
    if isinstance(samples, list) or samples.device.type == "cpu":
        return torch.stack(
            [
                x[:, top : top + h, left : left + w]
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


def random_mirror(x: Tensor, generator: Generator) -> Tensor:
    """Each sample of (N, ..., w) flipped left to right with probability 1/2."""
    flip = torch.rand(len(x), generator=generator) < 0.5
    return torch.where(flip.to(x.device).reshape(-1, *(1,) * (x.ndim - 1)), x.flip(-1), x)


@dataclass(frozen=True)
class Pipeline:
    """The way of one input by its contract: calls make a raw batch the net's input, float32.
    `augment` is empty outside training.
    """

    contract: ImageContract
    augment: tuple[Augmentation, ...] = ()
    name: str = "image"

    def __call__(self, samples: Samples, generator: Generator) -> Tensor:
        if not any(entry.crop_size for entry in self.augment):
            samples = self.crop_centre(samples)
        for entry in self.augment:
            samples = self.augment_samples(samples, entry, generator)
        rest = self.contract.replace(crop_size=None)
        return torch.as_tensor(prepare(stack_samples(samples, self.name), rest, self.name)).contiguous()

    def crop_centre(self, samples: Samples) -> Samples:
        size = self.contract.crop
        if size is None:
            return samples
        return (
            centre_crop(samples, size, self.name)
            if isinstance(samples, Tensor)
            else [centre_crop(x, size, self.name) for x in samples]
        )

    def augment_samples(self, samples: Samples, entry: Augmentation, generator: Generator) -> Samples:
        if entry.crop_size is not None:
            samples, _ = random_crop(samples, pair(entry.crop_size), generator, entry.pad, self.name)
        operations = kornia_operations(entry)
        if not entry.mirror and not operations:
            return samples
        x = stack_samples(samples, self.name)
        x = random_mirror(x, generator) if entry.mirror else x
        if operations:
            return through_kornia(x, operations, generator, self.contract.color == "bgr")
        return x

    def shape(self, shape: Shape) -> Shape:
        """Shape of a sample (C, H, W) after this pipeline; None where it stays open."""
        crop = next(
            (entry.crop_size for entry in reversed(self.augment) if entry.crop_size), self.contract.crop
        )
        if crop is not None:
            return (*shape[:-2], *pair(crop))
        return shape


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
                    "`image: {resize: [h, w]}` gives all one size; `crop_size`, first in the list of"
                    " `augment`, cuts all to one"
                ),
            ),
        )
    return torch.stack(samples)


KORNIA = ("rotate", "affine", "perspective", "elastic", "color_jitter", "blur", "noise", "erase")


def kornia_operations(entry: Augmentation) -> list[Any]:
    """kornia's modules for what an entry asks for. Raises SpecError NS657 where kornia is not
    installed.
    """
    if not any(getattr(entry, word) is not None for word in KORNIA):
        return []
    try:
        K = importlib.import_module("kornia.augmentation")
    except ImportError as error:
        asked = ", ".join(word for word in KORNIA if getattr(entry, word) is not None)
        raise fail("NS657", f"augment: {asked} needs kornia: pip install 'netspec[augment]'") from error
    p, made = entry.probability, []
    if entry.rotate is not None:
        made.append(K.RandomRotation(entry.rotate, p=p))
    if (a := entry.affine) is not None:
        made.append(
            K.RandomAffine(a.degrees, (a.translate, a.translate), tuple(a.scale[:2]), a.shear or None, p=p)
        )
    if entry.perspective is not None:
        made.append(K.RandomPerspective(entry.perspective, p=p))
    if entry.elastic is not None:
        made.append(K.RandomElasticTransform(alpha=(entry.elastic, entry.elastic), p=p))
    if (c := entry.color_jitter) is not None:
        made.append(K.ColorJiggle(c.brightness, c.contrast, c.saturation, c.hue, p=p))
    if entry.blur is not None:
        side = 2 * max(1, round(3 * entry.blur)) + 1
        made.append(K.RandomGaussianBlur((side, side), (entry.blur, entry.blur), p=p))
    if entry.noise is not None:
        made.append(K.RandomGaussianNoise(std=entry.noise / 255, p=p))
    if entry.erase is not None:
        made.append(K.RandomErasing(scale=(min(0.02, entry.erase), entry.erase), p=p))
    return made


def through_kornia(x: Tensor, operations: Sequence[Any], generator: Generator, reverse: bool) -> Tensor:
    """Pixels 0..255 through kornia, which counts 0..1 and channels rgb. It draws from torch's own
    state, which is set and put back.
    """
    x = x.float() / 255
    x = x.flip(1) if reverse else x
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng([x.device] if x.is_cuda else []):
        torch.manual_seed(seed)
        for operation in operations:
            x = apply_operation(x, operation)
    return 255 * (x.flip(1) if reverse else x)


def apply_operation(x: Tensor, operation: Any) -> Tensor:
    """One change of kornia's. Those of colour take three channels; gray is three alike, which
    brightness and contrast leave alike.
    """
    if x.shape[1] == 1 and type(operation).__name__.startswith("Color"):
        return torch.as_tensor(operation(x.expand(-1, 3, -1, -1))[:, :1])
    return torch.as_tensor(operation(x))


@dataclass(frozen=True)
class CaffeTransform:
    """Caffe's transform_param: `(pixel - mean) * scale`; crop at random in TRAIN, at floor((size -
    crop) / 2) in TEST; mirror in both.

    mean: a mean image (C, H, W), subtracted at the uncropped place. Samples of any rank take a
    single mean and the scale.
    """

    param: TransformParam
    train: bool
    mean: Array | None = None
    name: str = "image"

    def __call__(self, samples: Samples, generator: Generator) -> Tensor:
        size, p = self.param.crop_size, self.param
        if self.mean is not None:
            x = stack_samples(samples, self.name).float()
            if tuple(x.shape[1:]) != self.mean.shape:
                raise fail(
                    "NS660",
                    f"the mean image is {list(self.mean.shape)}, the samples are {list(x.shape[1:])}",
                    path=p.mean_file,
                )
            samples = x - torch.from_numpy(np.array(self.mean, np.float32)).to(x.device)
        if size and self.train:
            samples, _ = random_crop(samples, (size, size), generator, 0, self.name)
        elif size:
            samples = Pipeline(ImageContract(crop_size=size), name=self.name).crop_centre(samples)
        x = stack_samples(samples, self.name)
        x = random_mirror(x, generator) if p.mirror else x
        if len(p.mean_value) > 1 and len(p.mean_value) != x.shape[1]:
            raise fail(
                "NS660",
                f"mean_value needs 1 or {x.shape[1]} numbers, here are {len(p.mean_value)}",
                path=self.name,
            )
        contract = ImageContract(mean_value=p.mean_value, scale=p.scale)
        if len(p.mean_value) == 1:
            return torch.as_tensor((x.float() - p.mean_value[0]) * p.scale)
        return torch.as_tensor(prepare(x, contract)).contiguous()

    def shape(self, shape: Shape) -> Shape:
        """Shape of a sample after this transform."""
        if self.param.crop_size:
            return (*shape[:-2], self.param.crop_size, self.param.crop_size)
        return shape
