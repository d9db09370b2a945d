"""Where single-shot detectors look, from forks of Caffe: PriorBox."""

from collections.abc import Iterator
from math import sqrt
from typing import Any

from netspec.ir.dims import untrace
from netspec.ir.layer import Example, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError
from netspec.ir.types import TensorType
from netspec.layers.common.windows import number
from netspec.layers.common.words import exclude, refuse_value
from netspec.record import param

__all__ = ["PriorBox"]


class PriorBox(Layer, type="PriorBox", param="prior_box_param", bottoms=2, traits=("no_gradient",)):
    """Boxes of given sizes and shapes around each place of a map, and their variances.

    Sizes at each place: min_size square, sqrt(min_size max_size) square, then min_size sqrt(a) wide and min_size / sqrt(a) high for each
    aspect ratio a     (Liu et al. 2016)

    Bottoms: the map and the image, whose values do not matter; the top is (1, 2, 4 boxes): corners
    as shares of the image, then variances.
    """

    min_size: tuple[float, ...] = param(gt=0, least=1, doc="side of the smaller square, in pixels")
    max_size: tuple[float, ...] = param(
        default=(),
        gt=0,
        doc="one for each min_size: sqrt(min max) is the side of the larger square",
    )
    aspect_ratio: tuple[float, ...] = param(
        default=(), gt=0, doc="further shapes, width over height; 1 is always there"
    )
    flip: bool = param(default=True, doc="for each ratio also its inverse")
    clip: bool = param(default=False, doc="cut boxes at the border of the image")
    variance: tuple[float, ...] = param(
        default=(), gt=0, doc="one, or four: how much offsets are worth; left out: 0.1"
    )
    img_size: int | None = param(
        default=None, ge=1, doc="height and width of the image, if not those of the second bottom"
    )
    img_h: int | None = param(default=None, ge=1, doc="height of the image")
    img_w: int | None = param(default=None, ge=1, doc="width of the image")
    step: float | None = param(default=None, gt=0, doc="pixels between places; left out: image over map")
    step_h: float | None = param(default=None, gt=0, doc="pixels between rows")
    step_w: float | None = param(default=None, gt=0, doc="pixels between columns")
    offset: float = param(default=0.5, doc="where in its step a place lies")

    def ratios(self) -> tuple[float, ...]:
        """All shapes but the square, without repeats."""
        found: list[float] = [1.0]
        for ratio in self.aspect_ratio:
            for shape in (ratio, 1 / ratio) if self.flip else (ratio,):
                if all(abs(shape - known) >= 1e-6 for known in found):  # the fork's own bound
                    found.append(shape)
        return tuple(found[1:])

    def boxes(self) -> tuple[tuple[float, float], ...]:
        """Width and height of the boxes at one place."""
        found = []
        for i, side in enumerate(self.min_size):
            larger = ((sqrt(side * self.max_size[i]),) * 2,) if self.max_size else ()
            found += [
                (side, side),
                *larger,
                *((side * sqrt(a), side / sqrt(a)) for a in self.ratios()),
            ]
        return tuple(found)

    def infer(self, x: TensorType, data: TensorType) -> TensorType:
        refuse_value(
            len(self.variance) not in (0, 1, 4),
            f"variance has one number or four: it has {len(self.variance)}",
            at="variance",
        )
        refuse_value(
            bool(self.max_size) and len(self.max_size) != len(self.min_size),
            "max_size needs one number for each min_size",
            at="max_size",
        )
        exclude(
            self.img_size is not None and (self.img_h or self.img_w) is not None,
            "img_size and img_h, img_w cannot both be given",
            at="img_size",
        )
        exclude(
            (self.img_h is None) != (self.img_w is None),
            "img_h and img_w go together",
            at="img_h" if self.img_h else "img_w",
        )
        exclude(
            self.step is not None and (self.step_h or self.step_w) is not None,
            "step and step_h, step_w cannot both be given",
            at="step",
        )
        exclude(
            (self.step_h is None) != (self.step_w is None),
            "step_h and step_w go together",
            at="step_h" if self.step_h else "step_w",
        )
        for i, bottom in enumerate((x, data)):
            if bottom.rank != 4:
                raise RuleError("NS303", f"PriorBox needs (N, C, H, W): it is {bottom}", at=f"bottom.{i}")
        return TensorType((1, 2, x.shape[2] * x.shape[3] * len(self.boxes()) * 4))

    def image_size(self) -> tuple[int, int] | None:
        """Height and width of the image as the spec says them; None where the second bottom
        does.
        """
        if self.img_size:
            return self.img_size, self.img_size
        if self.img_h and self.img_w:
            return self.img_h, self.img_w
        return None

    def torch(self, x: TensorType, data: TensorType) -> ModuleText:
        image = self.image_size()
        step = self.spacing()
        # the fork's rule: 0.1 where none is said, one for all four
        variance = self.variance if len(self.variance) == 4 else (*(self.variance or (0.1,)),) * 4
        usual = {"clip": False, "image": None, "step": None, "offset": 0.5}
        return module(
            "PriorBox",
            self.boxes(),
            variance,
            defaults=usual,
            clip=self.clip,
            image=image,
            step=step,
            offset=self.offset,
        )

    def onnx(self, g: OnnxBuilder, x: Any, data: Any) -> Any:
        image = self.image_size() or data.type.space
        sizes = [untrace(size) for size in (*x.type.space, *image)]
        if not all(isinstance(size, int) for size in sizes):
            raise g.refuse(
                f"prior boxes are constants of the sizes, and these are open: map {x.type}, image {data.type}"
            )
        return g.typed(g.const(self.constants(*map(number, sizes)), "float32"), self.infer(x.type, data.type))

    def spacing(self) -> Any:
        """Pixels between rows and between columns, where they are said."""
        if self.step:
            return (self.step, self.step)
        if self.step_h:
            return (self.step_h, self.step_w)
        return None

    def constants(self, h: int, w: int, height: int, width: int) -> Any:
        """The top for a map of h x w places in an image of these sizes, as an array in float64."""
        import numpy as np

        step = self.spacing() or (height / h, width / w)
        rows, columns = ((np.arange(n) + self.offset) * s for n, s in zip((h, w), step, strict=True))
        half = np.array(self.boxes()) / 2
        boxes = np.empty((h, w, len(half), 4))
        boxes[..., 0::2] = columns[None, :, None, None] + np.stack((-half[:, 0], half[:, 0]), -1)
        boxes[..., 1::2] = rows[:, None, None, None] + np.stack((-half[:, 1], half[:, 1]), -1)
        boxes /= (width, height, width, height)
        variance = self.variance if len(self.variance) == 4 else (*(self.variance or (0.1,)),) * 4
        spread = np.broadcast_to(np.array(variance), boxes.shape)
        return np.stack(((np.clip(boxes, 0, 1) if self.clip else boxes).ravel(), spread.ravel()))[None]

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts(
            "{min_size: 30, max_size: 60, aspect_ratio: 2, clip: false, variance: [0.1, 0.1, 0.2, 0.2],"
            " step: 8}",
            "N,512,38,38; N,3,300,300 -> 1,2,23104",
        )
        yield accepts(
            "{min_size: [4, 8], aspect_ratio: [2, 3], flip: true, clip: true}",
            "N,8,H,W; N,3,32,48 -> 1,2,40*H*W",
        )
        yield accepts(
            "{min_size: [4, 8], aspect_ratio: 2, clip: true, step: 9, offset: 0.3}",
            "N,8,3,5; N,3,32,48 -> 1,2,360",
        )
        yield accepts("{min_size: 4, img_size: 32}", "N,8,4,4; N,3,7,9 -> 1,2,64")
        yield rejects(
            "{min_size: 4, img_size: 32, img_h: 32, img_w: 32}",
            "N,8,4,4; N,3,7,9",
            code="NS120",
            at="img_size",
        )
        yield rejects("{min_size: 4, variance: [0.1, 0.2]}", "N,8,4,4; N,3,7,9", code="NS106", at="variance")
        yield rejects("{}", "N,8,4,4; N,3,7,9", code="NS103")
