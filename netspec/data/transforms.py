"""The arithmetic half of the way to a net's input, on a batch: centre crop, mean,
deviation, scale, and Caffe's own
transform_param. Knows no sources; random changes are netspec/augmentation.

Order in training: the contract's centre crop (unless a change cuts a window of its own), then the
entries of `augment` as listed, last `(pixel - mean) / deviation * scale`. Test and
prediction: centre crop and these.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad as padded

from netspec.augmentation.kernels.draw import Draw
from netspec.augmentation.kernels.frame import (
    Samples,
    flip,
    place_windows,
    sizes_of,
    stack_samples,
    windows,
)
from netspec.data.sounds.framing import copy_frame
from netspec.data.source import Array
from netspec.diagnostics import fail
from netspec.imaging.decode import centre_crop, prepare
from netspec.resolve.sections.image import ImageContract, Shape, pair
from netspec.resolve.sections.train import TransformParam

__all__ = ["CaffeTransform", "Frame", "Pipeline", "Samples", "random_crop", "random_mirror"]


def random_crop(
    samples: Samples, size: tuple[int, int], draw: Draw, pad: int = 0, name: str = "image"
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
    places = place_windows(sizes_of(samples), size, draw.uniform(0, 1, "place", 2), name)
    return windows(samples, places, size), places


def random_mirror(x: Tensor, draw: Draw) -> Tensor:
    """Each sample of (N, ..., w) flipped left to right with probability 1/2."""
    return torch.as_tensor(flip(x, draw.chance(0.5, "mirror"), -1))


@dataclass(frozen=True)
class Pipeline:
    """The way of one input by its contract: calls make a raw batch the net's input, float32.
    arrived: its frame is what the contract asks for already.
    """

    contract: ImageContract
    name: str = "image"
    arrived: bool = False

    def __call__(self, samples: Samples, draw: Draw) -> Tensor:
        if not self.arrived:
            samples = self.crop_centre(samples)
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

    def shape(self, shape: Shape) -> Shape:
        """Shape of a sample (C, H, W) after this pipeline; None where it stays open."""
        if self.contract.crop is not None and not self.arrived:
            return (*shape[:-2], *pair(self.contract.crop))
        return shape


@dataclass(frozen=True)
class Frame:
    """Sounds (C, t) of one length, (N, C, T): cut, or filled with silence, in the middle, or in
    training at places that are drawn.
    """

    length: int
    random: bool = False

    def __call__(self, samples: Samples, draw: Draw) -> Tensor:
        places: list[float | None] = [None] * len(samples)
        if self.random:
            places = [*draw.unit("frame").tolist()]
        first = samples[0]
        made = first.new_zeros((len(samples), *first.shape[:-1], self.length))
        for row, sound, unit in zip(made, samples, places, strict=True):
            copy_frame(sound, row, unit)
        return made


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

    def __call__(self, samples: Samples, draw: Draw) -> Tensor:
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
            samples, _ = random_crop(samples, (size, size), draw, 0, self.name)
        elif size:
            samples = Pipeline(ImageContract(crop_size=size), name=self.name).crop_centre(samples)
        x = stack_samples(samples, self.name)
        x = random_mirror(x, draw) if p.mirror else x
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
