"""Boxes out of dense predictions, as forks of Caffe have them: BoxOutput."""

from collections.abc import Iterator
from typing import Any, Literal

from netspec.ir.dims import symbol
from netspec.ir.layer import Example, Layer, ModuleText, accepts, module, rejects
from netspec.ir.rule import RuleError, same
from netspec.ir.types import TensorType
from netspec.record import param

__all__ = ["BoxOutput"]

BOX = "bbox_reg_param"


class BoxOutput(Layer, type="BoxOutput", param=("box_output_param", BOX), bottoms=(1, None), tops=(1, 2), traits=("no_gradient",)):
    """Boxes from the branches of a multi-scale proposal net: decode, keep those that no better one overlaps, list them.

    centre = place + field (dx, dy), size = field e^(dw, dh), at each place of a branch whose best class scores fg_thr above the background
    (MS-CNN: Cai et al. 2016)

    Bottoms: for each branch (N, classes + 4, H, W). Tops: (image, x1, y1, x2, y2) in pixels, and those with the score. How many there are
    is known at run time only: the size `found`. Without any there is the box (0, 1, 1, 10, 10), and zeros with the score.
    """

    fg_thr: float = param(default=0.0, doc="how far the best class must lie above the background")
    iou_thr: float = param(default=0.5, doc="overlap above which a box gives way to a better one")
    nms_type: Literal["IOU", "IOMU", "IOFU"] = param(default="IOU", doc="overlap over the union, the smaller box, or the better box")
    field_h: tuple[int, ...] = param(least=1, ge=1, doc="for each branch, height of the box that it stands for, in pixels")
    field_w: tuple[int, ...] = param(least=1, ge=1, doc="for each branch, its width")
    downsample_rate: tuple[int, ...] = param(least=1, ge=1, doc="for each branch, pixels between places")
    field_whr: float = param(default=2.0, gt=0, doc="most that a box may be larger or smaller than its branch's")
    field_xyr: float = param(default=2.0, gt=0, doc="a centre moves by at most 1 / field_xyr of the branch's box")
    max_nms_num: int = param(default=0, ge=0, doc="best boxes of each image that are looked at; 0: all")
    max_post_nms_num: int = param(default=0, ge=0, doc="boxes of each image that are kept; 0: all")
    min_size: float = param(default=15.0, doc="least width and height of a box, in pixels")
    bbox_mean: tuple[float, ...] = param(default=(), group=BOX, doc="added to the four offsets, if bbox_std is given too")
    bbox_std: tuple[float, ...] = param(default=(), group=BOX, doc="factor of the four offsets, before that")

    def infer(self, *branches: TensorType) -> tuple[TensorType, TensorType]:
        for name in ("field_h", "field_w", "downsample_rate"):
            self.counted(name, len(branches), "for each branch")
        for name in ("bbox_mean", "bbox_std"):
            if getattr(self, name):
                self.counted(name, 4, "for each offset")
        for i, branch in enumerate(branches):
            if branch.rank != 4:
                raise RuleError("NS303", f"needs (N, classes + 4, H, W): it is {branch}", at=f"bottom.{i}")
            same(branch.batch, branches[0].batch, "all branches need as many samples", at=f"bottom.{i}")
            same(branch.channels, branches[0].channels, "all branches need as many channels", at=f"bottom.{i}")
        found = symbol("found")
        return TensorType((found, 5, 1, 1)), TensorType((found, 6, 1, 1))

    def counted(self, name: str, count: int, each: str) -> None:
        given = len(getattr(self, name))
        if given != count:
            raise RuleError("NS107", f"{name} has one value {each}: {given} for {count}", at=name)

    def torch(self, *branches: TensorType) -> ModuleText:
        return module(
            "BoxOutput",
            tuple(zip(self.field_w, self.field_h, self.downsample_rate, strict=True)),
            self.fg_thr,
            self.iou_thr,
            defaults={"mode": "IOU", "bounds": (2.0, 2.0), "counts": (0, 0), "min_size": 15.0, "norm": None, "scores": False},
            mode=self.nms_type,
            bounds=(self.field_xyr, self.field_whr),
            counts=(self.max_nms_num, self.max_post_nms_num),
            min_size=self.min_size,
            norm=(self.bbox_mean, self.bbox_std) if self.bbox_mean and self.bbox_std else None,
            scores=self.top_count > 1,
        )

    def onnx(self, g: Any, *branches: Any) -> Any:
        raise g.refuse("boxes are chosen outside the model: export up to the branches")

    @staticmethod
    def examples() -> Iterator[Example]:
        fields = "field_h: [40, 56], field_w: [40, 56], downsample_rate: [8, 16]"
        yield accepts("{fg_thr: -5, iou_thr: 0.65, field_h: 40, field_w: 40, downsample_rate: 8}", "N,6,H,W -> found,5,1,1")
        yield accepts(f"{{{fields}, fg_thr: -5, max_nms_num: 20}}", "N,6,8,8; N,6,4,4 -> found,5,1,1; found,6,1,1")
        yield rejects(f"{{{fields}}}", "N,6,8,8", code="NS107", at="field_h")
        yield rejects(f"{{{fields}}}", "N,6,8,8; N,7,4,4", code="NS302", at="bottom.1")
        yield rejects(f"{{{fields}, bbox_mean: [0, 0]}}", "N,6,8,8; N,6,4,4", code="NS107", at="bbox_mean")
