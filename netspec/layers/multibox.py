"""The loss of single-shot detectors: MultiBoxLoss."""

from collections.abc import Iterator
from typing import Literal

from netspec.ir.boxes import Boxes
from netspec.ir.dims import Size, product, symbol
from netspec.ir.layer import Example, Kept, ModuleText, accepts, module, rejects
from netspec.ir.rule import divides, same
from netspec.ir.types import TensorType
from netspec.layers.common.words import refuse_value
from netspec.layers.loss import SCALAR, NormalizedLoss
from netspec.record import param

__all__ = ["MultiBoxLoss"]

ONLY = {
    "share_location": True,
    "use_prior_for_matching": True,
    "map_object_to_agnostic": False,
    "ignore_cross_boundary_bbox": False,
    "bp_inside": False,
}
"""Parameters of which one value is known; the importer meets them in every file."""


class MultiBoxLoss(
    NormalizedLoss,
    type="MultiBoxLoss",
    param=("multibox_loss_param", "loss_param"),
    bottoms=4,
    traits=("takes_scores", "no_gradient.2", "no_gradient.3"),
):
    """Loss of boxes that are offsets from priors: of the offsets where a prior is matched, and of
    the scores, the hardest misses included.

    E = (loc_weight sum_pos f(l - g) - sum_pos log p[label] - sum_neg log p[background]) / Z,  Z the matches     (Liu et al. 2016)

    Bottoms: offsets (N, 4 P), scores (N, P classes), priors (1, 2, 4 P), truth (1, 1, G, 8): image
    (-1: none), label, an instance, corners, whether it is difficult. Each box of the truth takes
    the free prior that overlaps it most, then (PER_PREDICTION) each prior left the box that it
    overlaps most. Misses overlap none by neg_overlap; the worst neg_pos_ratio for each match count.
    Equal losses: the first.
    """

    num_classes: int = param(ge=1, doc="classes, the background among them")
    loc_loss_type: Literal["L2", "SMOOTH_L1"] = param(
        default="SMOOTH_L1", doc="what a distance of offsets costs"
    )
    conf_loss_type: Literal["SOFTMAX", "LOGISTIC"] = param(
        default="SOFTMAX", doc="cross-entropy of the softmax, or of each class by itself"
    )
    loc_weight: float = param(default=1.0, doc="factor of the offsets' loss")
    share_location: bool = param(default=True, doc="one box for all classes; nothing else is known here")
    match_type: Literal["BIPARTITE", "PER_PREDICTION"] = param(
        default="PER_PREDICTION", doc="whether a box may take several priors"
    )
    overlap_threshold: float = param(default=0.5, doc="PER_PREDICTION: least overlap")
    use_prior_for_matching: bool = param(
        default=True, doc="match priors, not decoded boxes; nothing else is known here"
    )
    background_label_id: int = param(default=0, ge=0, doc="class of what is matched to nothing")
    use_difficult_gt: bool = param(default=True, doc="count boxes that are marked difficult")
    do_neg_mining: bool | None = param(default=None, doc="older: must say what mining_type says")
    neg_pos_ratio: float = param(default=3.0, ge=0, doc="misses that count for each match")
    neg_overlap: float = param(default=0.5, doc="a miss overlaps every box less")
    code_type: Literal["CORNER", "CENTER_SIZE", "CORNER_SIZE"] = param(
        default="CORNER", doc="what offsets are relative to"
    )
    encode_variance_in_target: bool = param(
        default=False, doc="offsets are not divided by the priors' variances"
    )
    map_object_to_agnostic: bool = param(default=False, doc="the fork's one class for all: not known here")
    ignore_cross_boundary_bbox: bool = param(
        default=False, doc="the fork's leaving out of priors at the border: not known here"
    )
    bp_inside: bool = param(
        default=False, doc="the fork's leaving out of corners at the border: not known here"
    )
    mining_type: Literal["NONE", "MAX_NEGATIVE"] = param(default="MAX_NEGATIVE", doc="NONE: all misses count")

    def infer(
        self, offsets: TensorType, scores: TensorType, priors: TensorType, truth: TensorType
    ) -> TensorType:
        for name, only in ONLY.items():
            refuse_value(
                getattr(self, name) != only,
                f"{name} must be {str(only).lower()}: the fork's other way is not known here",
                at=name,
            )
        mines = self.mining_type != "NONE"
        refuse_value(
            self.do_neg_mining not in (None, mines),
            "do_neg_mining must say what mining_type says",
            at="do_neg_mining",
        )
        plain = self.conf_loss_type == "SOFTMAX" or (mines and self.background_label_id == 0)
        refuse_value(not plain, "LOGISTIC needs mining, and background_label_id 0", at="conf_loss_type")
        refuse_value(
            self.background_label_id >= self.num_classes,
            "the background must be one of the classes",
            at="background_label_id",
        )
        same(priors.rank, 3, "priors are (1, 2, 4 boxes)", at="bottom.2")
        same(priors.shape[1], 2, "priors are corners and variances: two rows", at="bottom.2")
        divides(4, priors.shape[2], "priors need four numbers for each box", at="bottom.2")
        same(
            product(offsets.shape[1:]),
            priors.shape[2],
            "there must be four offsets for each prior",
            at="bottom.0",
        )
        same(
            4 * product(scores.shape[1:]),
            priors.shape[2] * self.num_classes,
            "there must be a score for each prior and class",
            at="bottom.1",
        )
        divides(8, truth.size, "a box of the truth is eight numbers", at="bottom.3")
        return SCALAR

    def holds(
        self, offsets: TensorType, scores: TensorType, priors: TensorType, truth: TensorType
    ) -> dict[int, Boxes]:
        return {2: Boxes("priors")}

    def truth(self) -> TensorType:
        return TensorType((1, 1, symbol("G"), 8))

    def indices(
        self, offsets: TensorType, scores: TensorType, priors: TensorType, truth: TensorType
    ) -> dict[int, Size]:
        return {3: 1}

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """Logarithms and encoded boxes, as many as there are matches."""
        return Kept(own=10 * bottoms[0].size + 8 * bottoms[1].size, about=True)

    def torch(
        self, offsets: TensorType, scores: TensorType, priors: TensorType, truth: TensorType
    ) -> ModuleText:
        return module(
            "MultiBoxLoss",
            self.num_classes,
            code=self.code_type,
            background=self.background_label_id,
            overlap=self.overlap_threshold if self.match_type == "PER_PREDICTION" else None,
            misses=(self.neg_pos_ratio, self.neg_overlap) if self.mining_type != "NONE" else None,
            logistic=self.conf_loss_type == "LOGISTIC",
            square=self.loc_loss_type == "L2",
            weight=self.loc_weight,
            in_target=self.encode_variance_in_target,
            difficult=self.use_difficult_gt,
            normalization=self.divisor(),
            defaults={
                "code": "CORNER",
                "background": 0,
                "overlap": 0.5,
                "misses": (3.0, 0.5),
                "logistic": False,
                "square": False,
            }
            | {"weight": 1.0, "in_target": False, "difficult": True, "normalization": "VALID"},
        )

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts(
            "{num_classes: 21, code_type: CENTER_SIZE, neg_overlap: 0.5}",
            "N,40; N,210; 1,2,40; 1,1,G,8 -> ()",
        )
        yield accepts(
            "{num_classes: 3, mining_type: NONE, normalization: FULL}",
            "N,32,1,1; N,24,1,1; 1,2,32; 1,1,3,8 -> ()",
        )
        yield accepts(
            "{num_classes: 2, conf_loss_type: LOGISTIC, loc_loss_type: L2}",
            "N,8; N,4; 1,2,8; 1,1,2,8 -> ()",
        )
        yield rejects("{num_classes: 21}", "N,44; N,210; 1,2,40; 1,1,G,8", code="NS302", at="bottom.0")
        yield rejects("{num_classes: 21}", "N,40; N,200; 1,2,40; 1,1,G,8", code="NS302", at="bottom.1")
        yield rejects(
            "{num_classes: 21, share_location: false}",
            "N,40; N,210; 1,2,40; 1,1,G,8",
            code="NS106",
            at="share_location",
        )
        yield rejects(
            "{num_classes: 2, mining_type: HARD_EXAMPLE}",
            "N,8; N,4; 1,2,8; 1,1,2,8",
            code="NS105",
            at="mining_type",
        )
        yield rejects(
            "{num_classes: 2, conf_loss_type: LOGISTIC, mining_type: NONE}",
            "N,8; N,4; 1,2,8; 1,1,2,8",
            code="NS106",
        )
