"""Poolings over regions, from forks of Caffe: ROIPooling, PSROIPooling."""

from collections.abc import Iterator
from typing import Any

from netspec.ir.boxes import Boxes
from netspec.ir.dims import Size, product, total
from netspec.ir.layer import Example, Kept, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError, same
from netspec.ir.types import TensorType
from netspec.record import param

__all__ = ["PSROIPooling", "ROIPooling"]


class Regions(Layer, bottoms=2):
    """What poolings over regions share: bottoms x (N, C, H, W) and regions (R, 5), each (image, x1,
    y1, x2, y2) in pixels of the image.
    """

    spatial_scale: float

    def checked(self, x: TensorType, regions: TensorType) -> Size:
        """The number of regions."""
        if x.rank != 4:
            raise RuleError("NS303", f"{self.type} needs x (N, C, H, W): it is {x}", at="bottom.0")
        same(
            product(regions.shape[1:]),
            5,
            "a region is five numbers: image, x1, y1, x2, y2",
            at="bottom.1",
        )
        return regions.batch

    def indices(self, x: TensorType, regions: TensorType) -> dict[int, Size]:
        return {1: x.batch}

    def holds(self, x: TensorType, regions: TensorType) -> dict[int, Boxes]:
        return {1: Boxes("regions", samples=x.batch, extent=x.space, step=1 / self.spatial_scale)}


class ROIPooling(Regions, type="ROIPooling", param="roi_pooling_param"):
    """Cut each region into a grid of bins and take the greatest value of each.

    y[r, c, i, j] = max of x over rows floor(i s) .. ceil((i + 1) s) - 1 from the region's first,
    s = height / pooled_h, and columns alike
    (Girshick 2015)

    Corners are rounded to whole places first; an empty bin gives 0. pad_ratio r moves them outwards
    before: x1 - r w, x2 + r w with w = x2 - x1 + 1, and rows alike (MS-CNN: Cai et al. 2016).
    """

    pooled_h: int = param(ge=1, doc="rows of bins")
    pooled_w: int = param(ge=1, doc="columns of bins")
    spatial_scale: float = param(default=1.0, gt=0, doc="places of x for each pixel of the image")
    pad_ratio: float = param(
        default=0.0, ge=0, doc="how much of its size each region is widened by, on each side"
    )

    def infer(self, x: TensorType, regions: TensorType) -> TensorType:
        return TensorType((self.checked(x, regions), x.channels, self.pooled_h, self.pooled_w))

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """The place of the greatest value of each bin."""
        return Kept(own=8 * tops[0].size, about=True)

    def torch(self, x: TensorType, regions: TensorType) -> ModuleText:
        usual = {"spatial_scale": 1.0, "pad_ratio": 0.0}
        return module(
            "ROIPooling",
            self.pooled_h,
            self.pooled_w,
            defaults=usual,
            spatial_scale=self.spatial_scale,
            pad_ratio=self.pad_ratio,
        )

    def onnx(self, g: OnnxBuilder, x: Any, regions: Any) -> Any:
        raise g.refuse("onnxruntime runs MaxRoiPool up to opset 21 only")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{pooled_h: 7, pooled_w: 7, spatial_scale: 0.0625}", "N,512,H,W; R,5 -> R,512,7,7")
        yield accepts(
            "{pooled_h: 3, pooled_w: 3, spatial_scale: 0.5, pad_ratio: 0.25}",
            "N,4,9,9; R,5 -> R,4,3,3",
        )
        yield accepts("{pooled_h: 2, pooled_w: 3}", "N,4,9,9; R,5,1,1 -> R,4,2,3")
        yield rejects("{pooled_h: 7, pooled_w: 7}", "N,512,H,W; R,4", code="NS302", at="bottom.1")
        yield rejects("{pooled_h: 7}", "N,512,H,W; R,5", code="NS103")


class PSROIPooling(Regions, type="PSROIPooling", param="psroi_pooling_param"):
    """Cut each region into a grid of bins and take the mean of each, every bin over score maps of
    its own.

    y[r, c, i, j] = mean of x[(c g + i) g + j] over bin (i, j) of region r, for a grid of g x g     (Dai et al. 2016)
    """

    output_dim: int = param(ge=1, doc="channels of the top, such as classes")
    group_size: int = param(ge=1, doc="bins along each axis")
    spatial_scale: float = param(gt=0, doc="places of x for each pixel of the image")

    def infer(self, x: TensorType, regions: TensorType) -> TensorType:
        count = self.checked(x, regions)
        same(
            x.channels,
            self.output_dim * self.group_size * self.group_size,
            "x needs output_dim maps for each bin",
            at="output_dim",
        )
        return TensorType((count, self.output_dim, self.group_size, self.group_size))

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """Which rows and columns each bin takes, and how many places these are."""
        r, _, g, _ = tops[0].shape
        return Kept(own=4 * r * g * (total(bottoms[0].space) + g) + 8 * r)

    def torch(self, x: TensorType, regions: TensorType) -> ModuleText:
        return module(
            "PSROIPooling",
            self.output_dim,
            self.group_size,
            defaults={"spatial_scale": 1.0},
            spatial_scale=self.spatial_scale,
        )

    def onnx(self, g: OnnxBuilder, x: Any, regions: Any) -> Any:
        raise g.refuse("ONNX has no operator that pools each bin over maps of its own")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{output_dim: 21, group_size: 7, spatial_scale: 0.0625}", "N,1029,H,W; R,5 -> R,21,7,7")
        yield accepts("{output_dim: 2, group_size: 2, spatial_scale: 1}", "N,8,9,9; R,5 -> R,2,2,2")
        yield rejects(
            "{output_dim: 21, group_size: 7, spatial_scale: 1}",
            "N,1000,H,W; R,5",
            code="NS302",
            at="output_dim",
        )
