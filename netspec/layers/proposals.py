"""Boxes out of dense predictions, as forks of Caffe have them: BoxOutput, Proposal."""

from collections.abc import Iterator
from typing import Any, Literal

from netspec.ir.boxes import Boxes
from netspec.ir.dims import product, symbol
from netspec.ir.layer import Example, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError, at_least, same
from netspec.ir.types import TensorType
from netspec.record import param

__all__ = ["BoxOutput", "Proposal"]

BOX = "bbox_reg_param"


class BoxOutput(
    Layer,
    type="BoxOutput",
    param=("box_output_param", BOX),
    bottoms=(1, None),
    tops=(1, 2),
    traits=("no_gradient",),
):
    """Boxes from the branches of a multi-scale proposal net: decode, keep those that no better one
    overlaps, list them.

    centre = place + field (dx, dy), size = field e^(dw, dh), at each place of a branch whose best
    class scores fg_thr above the background
    (MS-CNN: Cai et al. 2016)

    Bottoms: for each branch (N, classes + 4, H, W). Tops: (image, x1, y1, x2, y2) in pixels, and
    those with the score. How many there are is known at run time only: the size `found`. Without
    any there is the box (0, 1, 1, 10, 10), and zeros with the score.
    """

    fg_thr: float = param(default=0.0, doc="how far the best class must lie above the background")
    iou_thr: float = param(default=0.5, doc="overlap above which a box gives way to a better one")
    nms_type: Literal["IOU", "IOMU", "IOFU"] = param(
        default="IOU", doc="overlap over the union, the smaller box, or the better box"
    )
    field_h: tuple[int, ...] = param(
        least=1, ge=1, doc="for each branch, height of the box that it stands for, in pixels"
    )
    field_w: tuple[int, ...] = param(least=1, ge=1, doc="for each branch, its width")
    downsample_rate: tuple[int, ...] = param(least=1, ge=1, doc="for each branch, pixels between places")
    field_whr: float = param(
        default=2.0, gt=0, doc="most that a box may be larger or smaller than its branch's"
    )
    field_xyr: float = param(
        default=2.0, gt=0, doc="a centre moves by at most 1 / field_xyr of the branch's box"
    )
    max_nms_num: int = param(default=0, ge=0, doc="best boxes of each image that are looked at; 0: all")
    max_post_nms_num: int = param(default=0, ge=0, doc="boxes of each image that are kept; 0: all")
    min_size: float = param(default=15.0, doc="least width and height of a box, in pixels")
    bbox_mean: tuple[float, ...] = param(
        default=(), group=BOX, doc="added to the four offsets, if bbox_std is given too"
    )
    bbox_std: tuple[float, ...] = param(default=(), group=BOX, doc="factor of the four offsets, before that")

    def infer(self, *branches: TensorType) -> tuple[TensorType, TensorType]:
        for name in ("field_h", "field_w", "downsample_rate"):
            self.check_count(name, len(branches), "for each branch")
        for name in ("bbox_mean", "bbox_std"):
            if getattr(self, name):
                self.check_count(name, 4, "for each offset")
        for i, branch in enumerate(branches):
            if branch.rank != 4:
                raise RuleError("NS303", f"needs (N, classes + 4, H, W): it is {branch}", at=f"bottom.{i}")
            at_least(
                branch.channels,
                6,
                "a branch scores the background and a class, and offsets four sides",
                at=f"bottom.{i}",
            )
            same(
                branch.batch,
                branches[0].batch,
                "all branches need as many samples",
                at=f"bottom.{i}",
            )
            same(
                branch.channels,
                branches[0].channels,
                "all branches need as many channels",
                at=f"bottom.{i}",
            )
        found = symbol("found")
        return TensorType((found, 5, 1, 1)), TensorType((found, 6, 1, 1))

    def check_count(self, name: str, count: int, each: str) -> None:
        given = len(getattr(self, name))
        if given != count:
            raise RuleError("NS107", f"{name} has one value {each}: {given} for {count}", at=name)

    def torch(self, *branches: TensorType) -> ModuleText:
        return module(
            "BoxOutput",
            tuple(zip(self.field_w, self.field_h, self.downsample_rate, strict=True)),
            self.fg_thr,
            self.iou_thr,
            defaults={
                "mode": "IOU",
                "bounds": (2.0, 2.0),
                "counts": (0, 0),
                "min_size": 15.0,
                "norm": None,
                "scores": False,
            },
            mode=self.nms_type,
            bounds=(self.field_xyr, self.field_whr),
            counts=(self.max_nms_num, self.max_post_nms_num),
            min_size=self.min_size,
            norm=(self.bbox_mean, self.bbox_std) if self.bbox_mean and self.bbox_std else None,
            scores=self.top_count > 1,
        )

    def onnx(self, g: OnnxBuilder, *branches: Any) -> Any:
        raise g.refuse("boxes are chosen outside the model: export up to the branches")

    @staticmethod
    def examples() -> Iterator[Example]:
        fields = "field_h: [40, 56], field_w: [40, 56], downsample_rate: [8, 16]"
        yield accepts(
            "{fg_thr: -5, iou_thr: 0.65, field_h: 40, field_w: 40, downsample_rate: 8}",
            "N,6,H,W -> found,5,1,1",
        )
        yield accepts(
            f"{{{fields}, fg_thr: -5, max_nms_num: 20}}",
            "N,6,8,8; N,6,4,4 -> found,5,1,1; found,6,1,1",
        )
        yield rejects(f"{{{fields}}}", "N,6,8,8", code="NS107", at="field_h")
        yield rejects(f"{{{fields}}}", "N,6,8,8; N,7,4,4", code="NS302", at="bottom.1")
        yield rejects(f"{{{fields}, bbox_mean: [0, 0]}}", "N,6,8,8; N,6,4,4", code="NS107", at="bbox_mean")


class Proposal(
    Layer, type="Proposal", param="proposal_param", bottoms=3, tops=(1, 2), traits=("no_gradient",)
):
    """Regions worth a look, from the scores and offsets of a region proposal net: decode, clip,
    keep those that no better one overlaps.

    centre = anchor + size (dx, dy), size = anchor's e^(dw, dh), for each of A = ratios x scales anchors at each place     (Ren et al. 2015)

    Bottoms: scores (N, 2 A, H, W), the background's A first, offsets (N, 4 A, H, W), and for each
    image (height, width, scale). Tops: rows (image, x1, y1, x2, y2) in pixels, best first, and
    their scores. How many there are is known at run time only: the size `found`. Widths are x2 - x1
    + 1. The defaults are py-faster-rcnn's of phase TEST; it trains with 12,000 and 2,000 boxes.
    """

    feat_stride: int = param(default=16, ge=1, doc="pixels between places")
    base_size: int = param(default=16, ge=1, doc="side of the square that anchors grow from, in pixels")
    min_size: int = param(default=16, ge=0, doc="least width and height of a box, times the image's scale")
    ratio: tuple[float, ...] = param(
        default=(0.5, 1.0, 2.0), least=1, gt=0, doc="height over width of the anchors"
    )
    scale: tuple[float, ...] = param(
        default=(8.0, 16.0, 32.0), least=1, gt=0, doc="sizes of the anchors, in base_size"
    )
    pre_nms_topn: int = param(default=6000, ge=0, doc="best boxes of each image that are looked at; 0: all")
    post_nms_topn: int = param(default=300, ge=0, doc="boxes of each image that are kept; 0: all")
    nms_thresh: float = param(default=0.7, ge=0, doc="overlap above which a box gives way to a better one")

    def infer(self, scores: TensorType, offsets: TensorType, info: TensorType) -> tuple[TensorType, ...]:
        anchors = len(self.ratio) * len(self.scale)
        for i, (x, numbers) in enumerate(((scores, 2 * anchors), (offsets, 4 * anchors))):
            if x.rank != 4:
                raise RuleError("NS303", f"needs (N, {numbers}, H, W): it is {x}", at=f"bottom.{i}")
            same(
                x.channels,
                numbers,
                f"{anchors} anchors (ratios times scales) need {numbers} channels",
                at=f"bottom.{i}",
            )
        for own, other in zip(offsets.shape[2:], scores.shape[2:], strict=True):
            same(own, other, "offsets and scores need as many places", at="bottom.1")
        same(offsets.batch, scores.batch, "offsets and scores need as many images", at="bottom.1")
        same(
            info.batch,
            scores.batch,
            "there must be a height, width and scale for each image",
            at="bottom.2",
        )
        at_least(product(info.shape[1:]), 3, "an image has height, width and scale", at="bottom.2")
        found = symbol("found")
        return (TensorType((found, 5)), TensorType((found, 1)))[: max(1, self.top_count)]

    def holds(self, scores: TensorType, offsets: TensorType, info: TensorType) -> dict[int, Boxes]:
        image = Boxes("images", extent=scores.shape[2:], step=float(self.feat_stride))
        return {0: Boxes("scores"), 1: Boxes("offsets", spread=0.2), 2: image}

    def torch(self, scores: TensorType, offsets: TensorType, info: TensorType) -> ModuleText:
        usual = {
            "stride": 16,
            "base": 16,
            "least": 16,
            "before": 6000,
            "after": 300,
            "overlap": 0.7,
            "scores": False,
        }
        return module(
            "Proposal",
            self.ratio,
            self.scale,
            defaults=usual,
            stride=self.feat_stride,
            base=self.base_size,
            least=self.min_size,
            before=self.pre_nms_topn,
            after=self.post_nms_topn,
            overlap=self.nms_thresh,
            scores=self.top_count > 1,
        )

    def onnx(self, g: OnnxBuilder, *bottoms: Any) -> Any:
        raise g.refuse("regions are chosen outside the model: export up to the scores and offsets")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,18,H,W; N,36,H,W; N,3 -> found,5")
        yield accepts(
            "{ratio: 1, scale: [2, 4], min_size: 0, pre_nms_topn: 20}",
            "N,4,5,6; N,8,5,6; N,3 -> found,5; found,1",
        )
        yield rejects("{}", "N,16,5,6; N,36,5,6; N,3", code="NS302", at="bottom.0")
        yield rejects("{}", "N,18,5,6; N,32,5,6; N,3", code="NS302", at="bottom.1")
        yield rejects("{}", "N,18,5,6; N,36,6,6; N,3", code="NS302", at="bottom.1")
        yield rejects("{}", "N,18,5,6; N,36,5,6; N,2", code="NS302", at="bottom.2")
        yield rejects("{ratio: 0}", "N,6,5,6; N,12,5,6; N,3", code="NS106", at="ratio")
