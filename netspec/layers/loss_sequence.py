"""The loss of labels without places: CTCLoss."""

from collections.abc import Iterator

from netspec.ir.dims import Size
from netspec.ir.layer import Example, Kept, ModuleText, accepts, module, rejects
from netspec.ir.rule import RuleError, same
from netspec.ir.types import TensorType
from netspec.layers.loss import SCALAR, Loss
from netspec.record import param

__all__ = ["CTCLoss"]


class CTCLoss(Loss, type="CTCLoss", param="ctc_loss_param", traits=("takes_scores",)):
    """Score a labelling of a sequence of which nobody said where each label begins: all ways to
    place it are summed.

    E = -1/N sum_n log sum_{paths that spell y_n} prod_t p_t[path_t],  p = softmax(x)     (Graves et al. 2006)

    Bottoms: scores (T, N, K), labels (N, S), filled up with blanks. A labelling too long for its
    sequence counts 0.
    """

    blank: int = param(default=0, ge=0, doc="the class that stands for no label")

    def infer(self, x: TensorType, label: TensorType) -> TensorType:
        if x.rank != 3 or label.rank != 2:
            at = "bottom.0" if x.rank != 3 else "bottom.1"
            raise RuleError(
                "NS303",
                f"CTCLoss needs scores (T, N, K) and labels (N, S): they are {x} and {label}",
                at=at,
            )
        same(label.shape[0], x.shape[1], "there must be a labelling for each stream", at="bottom.1")
        if isinstance(x.shape[2], int) and self.blank >= x.shape[2]:
            raise RuleError(
                "NS106",
                f"blank must be one of the {x.shape[2]} classes: it is {self.blank}",
                at="blank",
            )
        return SCALAR

    def indices(self, x: TensorType, label: TensorType) -> dict[int, Size]:
        return {1: x.shape[2]}

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """The logarithms, and for each time how probable each beginning of the labelling is, blanks
        between.
        """
        (t, n, _), s = bottoms[0].shape, bottoms[1].shape[1]
        return Kept(own=4 * (bottoms[0].size + t * n * (2 * s + 1)))  # Graves' l'

    def torch(self, x: TensorType, label: TensorType) -> ModuleText:
        return module("CTCLoss", defaults={"blank": 0}, blank=self.blank)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "T,N,5; N,2 -> ()")
        yield accepts("{blank: 3}", "9,2,4; 2,3 -> ()")
        yield rejects("{}", "T,N,5; N", code="NS303", at="bottom.1")
        yield rejects("{}", "9,2,4; 3,3", code="NS302", at="bottom.1")
        yield rejects("{blank: 4}", "9,2,4; 2,3", code="NS106", at="blank")
