"""Losses beyond Caffe's: MSELoss, L1Loss, GaussianKLLoss, KLDivLoss, BinaryCrossEntropyLoss, LabelSmoothingLoss, FocalLoss."""

from collections.abc import Iterator

from netspec.ir.dims import Size
from netspec.ir.layer import Example, Kept, ModuleText, accepts, module, rejects
from netspec.ir.rule import same
from netspec.ir.types import TensorType
from netspec.layers.combine import alike
from netspec.layers.loss import SCALAR, Loss, predictions
from netspec.record import param

__all__ = ["BinaryCrossEntropyLoss", "FocalLoss", "GaussianKLLoss", "KLDivLoss", "L1Loss", "LabelSmoothingLoss", "MSELoss"]


class Distance(Loss):
    """Base of losses that compare two values element by element."""

    def infer(self, x: TensorType, target: TensorType) -> TensorType:
        same(target.size, x.size, "both bottoms need as many elements", at="bottom.1")
        return SCALAR


class MSELoss(Distance, type="MSELoss", keeps=("bottom",)):
    """The mean squared distance of two values.

    E = 1/n sum_i (a_i - b_i)^2, n all elements     (PyTorch's MSELoss)

    EuclideanLoss, Caffe's, is half the sum over all elements, divided by the samples only.
    """

    def torch(self, x: TensorType, target: TensorType) -> ModuleText:
        return module("MSELoss")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,2,4; N,2,4 -> ()")
        yield accepts("{}", "N,1; N -> ()")
        yield rejects("{}", "N,4; N,3", code="NS302", at="bottom.1")


class L1Loss(Distance, type="L1Loss"):
    """The mean absolute distance of two values: outliers pull no harder than others.

    E = 1/n sum_i |a_i - b_i|, n all elements     (PyTorch's L1Loss)
    """

    def torch(self, x: TensorType, target: TensorType) -> ModuleText:
        return module("L1Loss")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W; N,3,H,W -> ()")
        yield accepts("{}", "N,1; N -> ()")
        yield rejects("{}", "N,4; N,3", code="NS302", at="bottom.1")


class GaussianKLLoss(Loss, type="GaussianKLLoss", keeps=("bottom.0", "values")):
    """How far normal distributions are from the unit normal: what holds the code of a variational autoencoder together.

    E = -1/(2N) sum_i (1 + log s_i^2 - m_i^2 - s_i^2), summed over the code, averaged over samples     (Kingma and Welling 2013)

    Bottoms: mean m, log variance log s^2.
    """

    def infer(self, mean: TensorType, log_variance: TensorType) -> TensorType:
        mean.require_axes(1)
        alike(mean, log_variance, 1, "GaussianKLLoss needs a log variance for each mean")
        return SCALAR

    def torch(self, mean: TensorType, log_variance: TensorType) -> ModuleText:
        return module("GaussianKLLoss")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,20; N,20 -> ()")
        yield rejects("{}", "N,20; N,10", code="NS302", at="bottom.1")
        yield rejects("{}", "N,20", code="NS205")


class KLDivLoss(Loss, type="KLDivLoss", param="kl_div_loss_param", traits=("no_gradient.1", "takes_scores")):
    """How far the distribution of scores is from a target distribution: a small net learns from a large one's answers.

    E = t^2/N sum_n sum_k q_k (log q_k - log p_k),  p = softmax(x / t), q = softmax(target / t)     (Hinton, Vinyals, Dean 2015)

    Both bottoms are scores; no gradient reaches the target.
    """

    temperature: float = param(default=1.0, gt=0, doc="t, which softens both distributions")
    axis: int = param(default=1, doc="the axis of the classes; negative counts from the back")

    def infer(self, x: TensorType, target: TensorType) -> TensorType:
        x.axis(self.axis)
        alike(x, target, 1, "KLDivLoss needs a target score for each score")
        return SCALAR

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """Both distributions."""
        return Kept(own=8 * bottoms[0].size)

    def torch(self, x: TensorType, target: TensorType) -> ModuleText:
        usual = {"temperature": 1.0, "axis": 1}
        return module("KLDivLoss", defaults=usual, temperature=self.temperature, axis=x.axis(self.axis))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,10; N,10 -> ()")
        yield accepts("{temperature: 4, axis: -1}", "N,T,5; N,T,5 -> ()")
        yield rejects("{}", "N,10; N,5", code="NS302", at="bottom.1")
        yield rejects("{axis: 2}", "N,10; N,10", code="NS303", at="axis")
        yield rejects("{temperature: 0}", "N,10; N,10", code="NS106", at="temperature")


class BinaryCrossEntropyLoss(Distance, type="BinaryCrossEntropyLoss"):
    """Cross-entropy of independent probabilities against targets between 0 and 1.

    E = -1/n sum_i (t_i log p_i + (1 - t_i) log(1 - p_i)), p and 1 - p at least 1e-20     (PyTorch's BCELoss)

    After a Sigmoid, SigmoidCrossEntropyLoss on its bottom is more accurate.
    """

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """Each probability and its opposite bounded, and what else they are factors of."""
        return Kept((0, 1), own=16 * bottoms[0].size)

    def torch(self, x: TensorType, target: TensorType) -> ModuleText:
        return module("BinaryCrossEntropyLoss")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,6; N,6 -> ()")
        yield accepts("{}", "N,1,H,W; N,H,W -> ()")
        yield rejects("{}", "N,6; N", code="NS302", at="bottom.1")


class Labelled(Loss, traits=("takes_scores",)):
    """Base of losses of scores against integer labels, a mean over all places that are not ignored."""

    axis: int = param(default=1, doc="the axis of the classes; negative counts from the back")
    ignore_label: int | None = param(default=None, doc="places with this label count for nothing")

    def infer(self, x: TensorType, label: TensorType) -> TensorType:
        predictions(x, label, x.axis(self.axis))
        return SCALAR

    def indices(self, x: TensorType, label: TensorType) -> dict[int, Size]:
        return {1: x.shape[x.axis(self.axis)]}


class LabelSmoothingLoss(Labelled, type="LabelSmoothingLoss", param="label_smoothing_param"):
    """Cross-entropy against labels that are not quite sure: a share of each label is spread over all classes.

    E = -1/Z sum_i sum_k q_ik log p_i[k],  q = 1 - e + e/K at the label, e/K elsewhere     (Szegedy et al. 2015)
    """

    smoothing: float = param(default=0.1, ge=0, lt=1, doc="e, the share that is spread")

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """The logarithms and the labels as whole numbers."""
        return Kept(own=4 * bottoms[0].size + (8 if self.ignore_label is None else 9) * bottoms[1].size)

    def torch(self, x: TensorType, label: TensorType) -> ModuleText:
        usual = {"axis": 1, "ignore_label": None}
        return module("LabelSmoothingLoss", self.smoothing, defaults=usual, axis=x.axis(self.axis), ignore_label=self.ignore_label)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,10; N -> ()")
        yield accepts("{smoothing: 0.2, ignore_label: 255}", "N,5,H,W; N,1,H,W -> ()")
        yield accepts("{axis: 2}", "T,N,5; T,N -> ()")
        yield rejects("{}", "N,10; N,2", code="NS302", at="bottom.1")
        yield rejects("{smoothing: 1}", "N,10; N", code="NS106", at="smoothing")


class FocalLoss(Labelled, type="FocalLoss", param="focal_loss_param"):
    """Cross-entropy that heeds hard places: those already right count little, however many they are.

    E = -alpha/Z sum_i (1 - p_i[y_i])^gamma log p_i[y_i],  p = softmax(x)     (Lin et al. 2017)
    """

    gamma: float = param(default=2.0, ge=0, doc="how fast easy places fade; 0 is plain cross-entropy")
    alpha: float = param(default=1.0, gt=0, doc="factor of the whole")

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """The logarithms, the labels as whole numbers, and five numbers for each place."""
        return Kept(own=4 * bottoms[0].size + (28 if self.ignore_label is None else 29) * bottoms[1].size)

    def torch(self, x: TensorType, label: TensorType) -> ModuleText:
        usual = {"alpha": 1.0, "axis": 1, "ignore_label": None}
        more = {"alpha": self.alpha, "axis": x.axis(self.axis), "ignore_label": self.ignore_label}
        return module("FocalLoss", self.gamma, defaults=usual, **more)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,10; N -> ()")
        yield accepts("{gamma: 1.5, alpha: 0.25, ignore_label: 0}", "N,5,H,W; N,H,W -> ()")
        yield rejects("{}", "N,10; N,2", code="NS302", at="bottom.1")
        yield rejects("{gamma: -1}", "N,10; N", code="NS106", at="gamma")
