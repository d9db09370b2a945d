"""Layers that single forks of Caffe added: Reorg, MergeCrop, Flip, Insanity, CenterLoss, SegAccuracy."""

from collections.abc import Iterator
from math import log
from typing import Any, Literal

from netspec.ir.dims import Size, product, untraced
from netspec.ir.field import Reads, Step, same_place
from netspec.ir.layer import Example, Filler, Kept, Layer, ModuleText, Weight, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError, at_least, divides, same
from netspec.ir.types import TensorType
from netspec.layers.activation import Elementwise
from netspec.layers.loss import SCALAR, Loss, predictions
from netspec.layers.shared import refuse_value
from netspec.record import param

__all__ = ["CenterLoss", "Flip", "Insanity", "MergeCrop", "Reorg", "SegAccuracy"]


class Reorg(Layer, type="Reorg", keeps=(), param="reorg_param"):
    """Move places to channels by stride x stride, or with reverse channels to places: YOLOv2's passthrough.

    reverse: y[c, s i + u, s j + v] = x[(s u + v) C/s^2 + c, i, j]; else its inverse     (Redmon and Farhadi 2017; Darknet's reorg)

    As in Darknet and the forks, without reverse x is read as if it were (C/s^2, s H, s W): a channel of y is not one of x's, thinned.
    """

    stride: int = param(ge=1, doc="s: how many places along each axis become channels")
    reverse: bool = param(default=False, doc="channels to places")

    def infer(self, x: TensorType) -> TensorType:
        if x.rank != 4:
            raise RuleError("NS303", f"needs (N, C, H, W): it is {x}", at="bottom")
        n, c, h, w = x.shape
        s = self.stride
        divides(s * s, c, "stride squared must divide the channels", at="stride")
        if self.reverse:
            return TensorType((n, c // (s * s), h * s, w * s))
        divides(s, h, "stride must divide the height", at="stride")
        divides(s, w, "stride must divide the width", at="stride")
        return TensorType((n, c * s * s, h // s, w // s))

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (same_place(1),)

    def torch(self, x: TensorType) -> ModuleText:
        return module("Reorg", self.stride, defaults={"reverse": False}, reverse=self.reverse)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        (n, c, h, w), s = x.type.shape, self.stride
        top = self.infer(x.type).shape
        if self.reverse:
            return g.reshape(g.transpose(g.reshape(x, (n, s, s, top[1], h, w)), (0, 3, 4, 1, 5, 2)), top)
        return g.reshape(g.transpose(g.reshape(x, (n, c // (s * s), h, s, w, s)), (0, 3, 5, 1, 2, 4)), top)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{stride: 2}", "N,64,26,26 -> N,256,13,13")
        yield accepts("{stride: 2, reverse: true}", "N,8,H,W -> N,2,2*H,2*W")
        yield accepts("{stride: 1}", "N,3,H,W -> N,3,H,W")
        yield rejects("{stride: 2}", "N,6,4,4", code="NS302", at="stride")
        yield rejects("{stride: 2}", "N,8,5,4", code="NS302", at="stride")
        yield rejects("{}", "N,8,4,4", code="NS103")


class MergeCrop(Layer, type="MergeCrop", keeps=(), param="mergecrop_param", bottoms=2):
    """Cut the middle of the second bottom to the size of the first, and put it behind its channels, or add it: U-Net's skip.

    y = [a, b[o : o + size of a]],  o = floor((size of b - size of a) / 2) along each axis     (Ronneberger et al. 2015; naibaf7's Caffe)

    Unless backward says so, the second bottom gets no gradient. The fork's STACK needs as many channels in both.
    """

    operation: Literal["STACK", "ADD"] = param(default="STACK", doc="channels behind channels, or sums")
    forward: tuple[bool, ...] = param(default=(), doc="for each bottom, whether its values count; left out: both")
    backward: tuple[bool, ...] = param(default=(), doc="for each bottom, whether it gets a gradient; left out: the first only")

    def both(self, given: tuple[bool, ...], usual: tuple[bool, bool]) -> tuple[bool, bool]:
        first, second = (*given, *usual[len(given) :])
        return first, second

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        for name in ("forward", "backward"):
            given = len(getattr(self, name))
            if given > 2:
                raise RuleError("NS107", f"{name} has one value for each bottom: {given} for 2", at=name)
        if a.rank != b.rank or a.rank < 3:
            raise RuleError("NS303", f"needs bottoms of as many axes, three or more: {a} and {b}", at="bottom.1")
        same(b.batch, a.batch, "both bottoms need as many samples", at="bottom.1")
        same(b.channels, a.channels, "both bottoms need as many channels", at="bottom.1")
        for axis in range(2, a.rank):
            at_least(b.shape[axis], a.shape[axis], f"axis {axis} of the second bottom must hold the first's", at="bottom.1")
        return a.replaced(channels=a.channels + b.channels) if self.operation == "STACK" else a

    def field(self, a: TensorType, b: TensorType) -> tuple[Reads, ...]:
        apart = 1 if self.operation == "STACK" else None
        offsets = [untraced((have - want) // 2) for have, want in zip(b.shape[2:], a.shape[2:], strict=True)]
        cut = [Step(i, 1, o, o) if isinstance(o, int) else None for i, o in enumerate(offsets, 2)]
        return same_place(a.rank, apart), (*same_place(2, apart), *cut)

    def torch(self, a: TensorType, b: TensorType) -> ModuleText:
        return module(
            "MergeCrop",
            defaults={"add": False, "forwards": (True, True), "backwards": (True, False)},
            add=self.operation == "ADD",
            forwards=self.both(self.forward, (True, True)),
            backwards=self.both(self.backward, (True, False)),
        )

    def onnx(self, g: OnnxBuilder, a: Any, b: Any) -> Any:
        for axis in range(2, a.type.rank):
            begin = (b.type.shape[axis] - a.type.shape[axis]) // 2
            b = g.slice(b, axis, begin, begin + a.type.shape[axis])
        sides = [x if passes else g.full(x.type.shape) for x, passes in zip((a, b), self.both(self.forward, (True, True)), strict=True)]
        return g.Add(*sides) if self.operation == "ADD" else g.concat(sides, 1)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{backward: [true, true]}", "N,4,5,6; N,4,8,6 -> N,8,5,6")
        yield accepts("{backward: [true, true]}", "N,4,4,4,4; N,4,7,8,9 -> N,8,4,4,4")
        yield accepts("{operation: ADD, forward: [true, true], backward: [true, true]}", "N,4,T; N,4,9 -> N,4,T")
        yield accepts("{forward: [false, true], backward: [true, true]}", "N,2,3; N,2,5 -> N,4,3")
        yield rejects("{}", "N,4,9,6; N,4,8,6", code="NS302", at="bottom.1")
        yield rejects("{operation: ADD}", "N,4,5,6; N,3,8,6", code="NS302", at="bottom.1")
        yield rejects("{forward: [true, true, true]}", "N,4,5,6; N,4,8,6", code="NS107", at="forward")


class Flip(Layer, type="Flip", keeps=(), param="flip_param"):
    """Turn maps left to right, upside down, or both.

    y[i, j] = x[H - 1 - i, W - 1 - j], each axis where it is asked for     (happynear's Caffe)
    """

    flip_width: bool = param(default=True, doc="left to right")
    flip_height: bool = param(default=False, doc="upside down")

    def axes(self) -> tuple[int, ...]:
        return (2,) * self.flip_height + (3,) * self.flip_width

    def infer(self, x: TensorType) -> TensorType:
        if x.rank != 4:
            raise RuleError("NS303", f"needs (N, C, H, W): it is {x}", at="bottom")
        return x

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (tuple(None if axis in self.axes() else Step(axis) for axis in range(x.rank)),)

    def torch(self, x: TensorType) -> ModuleText:
        return module("Flip", self.axes())

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        for axis in self.axes():
            x = g.typed(g.flipped(x, axis), x.type)
        return x

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{flip_height: true}", "N,3,4,5 -> N,3,4,5")
        yield accepts("{flip_width: false}", "N,3,4,5 -> N,3,4,5")
        yield rejects("{}", "N,3", code="NS303")


class Insanity(Elementwise, type="Insanity", param="insanity_param", traits=("stochastic",)):
    """ReLU whose negative values are divided by numbers drawn while training, and by their mean in test (RReLU).

    y = x where x > 0, else x / a,  a uniform on [lb, ub), in test (ub - lb) / (log |ub| - log |lb|)     (Xu et al. 2015)

    PyTorch's RReLU multiplies by numbers drawn from 1/ub to 1/lb: another distribution.
    """

    lb: float = param(default=5.0, doc="least divisor")
    ub: float = param(default=10.0, doc="greatest divisor")

    def infer(self, x: TensorType) -> TensorType:
        refuse_value(self.lb >= self.ub, f"ub must be greater than lb: {self.ub} <= {self.lb}", at="ub")
        refuse_value(self.lb * self.ub <= 0, f"lb and ub must be of one sign, and not 0: they are {self.lb} and {self.ub}", at="lb")
        return x

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept(own=5 * bottoms[0].size)

    def torch(self, x: TensorType) -> ModuleText:
        return module("Insanity", defaults={"lb": 5.0, "ub": 10.0}, lb=self.lb, ub=self.ub)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.LeakyRelu(x, alpha=(log(abs(self.ub)) - log(abs(self.lb))) / (self.ub - self.lb))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{lb: 3, ub: 8}", "N,C -> N,C")
        yield rejects("{lb: 3, ub: 3}", "N,C", code="NS106", at="ub")
        yield rejects("{lb: -1, ub: 3}", "N,C", code="NS106", at="lb")


class CenterLoss(Loss, type="CenterLoss", param="center_loss_param"):
    """Half the squared distance of each sample's features from its class's centre, which is learned.

    E = 1/(2N) sum_n |x_n - c_{y_n}|^2;  gradient of c_j: sum_{n: y_n = j} (c_j - x_n) / (1 + their number)     (Wen et al. 2016)

    As in the authors' Caffe, the centres' gradient does not depend on loss_weight.
    """

    num_output: int = param(ge=1, doc="number of classes")
    axis: int = param(default=1, doc="axes from here on are the features; negative counts from the back")
    center_filler: Filler = param(default=Filler(), doc="how the centres are initialised")

    def infer(self, x: TensorType, label: TensorType) -> TensorType:
        if x.axis(self.axis) != 1:
            raise RuleError("NS303", f"axis must be 1: the first axis holds the samples; it is {self.axis}", at="axis")
        same(label.size, x.batch, "there must be a label for each sample", at="bottom.1")
        return SCALAR

    def indices(self, x: TensorType, label: TensorType) -> dict[int, Size]:
        return {1: self.num_output}

    def weights(self, x: TensorType, label: TensorType) -> Iterator[Weight]:
        yield Weight("center", (self.num_output, product(x.shape[1:])), self.center_filler)

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """The distances, the bottom, which the centres' gradient is made of, and the labels as whole numbers."""
        return Kept((0,), own=4 * bottoms[0].size + 8 * bottoms[0].batch)

    def torch(self, x: TensorType, label: TensorType) -> ModuleText:
        return module("CenterLoss", self.num_output, product(x.shape[1:]))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{num_output: 10, center_filler: xavier}", "N,64; N -> ()", weights=640)
        yield accepts("{num_output: 3}", "N,2,2,1; N,1,1,1 -> ()", weights=12)
        yield rejects("{num_output: 3}", "N,4; N,2", code="NS302", at="bottom.1")
        yield rejects("{num_output: 3, axis: 0}", "6,4; 6", code="NS303", at="axis")


class SegAccuracy(Layer, type="SegAccuracy", param="seg_accuracy_param", bottoms=2, traits=("metric", "no_gradient")):
    """Three measures of a segmentation: share of right places, mean share of each class that occurs, mean intersection over union.

    With n_ij places of class i taken for j: sum_i n_ii / n,  mean_i n_ii / n_i,  mean_i n_ii / (n_i + sum_j n_ji - n_ii)
    (DeepLab's Caffe: Chen et al. 2015)

    A class that neither occurs nor is guessed has an overlap of 1. The top is (1, 1, 1, 3).
    """

    metric: Literal["PixelAccuracy", "ClassAccuracy", "PixelIOU"] = param(
        default="PixelAccuracy", doc="the fork's: without meaning, all are given"
    )
    ignore_label: tuple[int, ...] = param(default=(), doc="places with these labels count for nothing")
    reset: bool = param(default=True, doc="each batch by itself; false: all since the net was made, or its state was reset")

    def infer(self, x: TensorType, label: TensorType) -> TensorType:
        x.require_axes(2)
        predictions(x, label, 1)
        return TensorType((1, 1, 1, 3))

    def indices(self, x: TensorType, label: TensorType) -> dict[int, Size]:
        return {1: x.channels}

    def torch(self, x: TensorType, label: TensorType) -> ModuleText:
        return module("SegAccuracy", defaults={"ignore_label": (), "reset": True}, ignore_label=self.ignore_label, reset=self.reset)

    def onnx(self, g: OnnxBuilder, x: Any, label: Any) -> Any:
        raise g.refuse("SegAccuracy needs labels, which a served model has not")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{ignore_label: 255}", "N,21,H,W; N,1,H,W -> 1,1,1,3")
        yield accepts("{ignore_label: [0, 3], reset: false}", "N,4,H,W; N,H,W -> 1,1,1,3")
        yield rejects("{}", "N,4,5,6; N,1,6,6", code="NS302", at="bottom.1")
