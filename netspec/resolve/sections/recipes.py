"""The recipes of a training beside its update rule, declared once. Knows no torch."""

from typing import Literal

from netspec.record import Record, param

__all__ = ["AverageSection", "PretrainSection", "RateSection", "StopSection", "TeacherSection"]


class RateSection(Record):
    """`train.rates`, by pattern: factors of a layer's rate and decay, as in Caffe's `param` of a
    layer, on top of these.
    """

    lr_mult: float = param(default=1.0, ge=0, doc="factor of the learning rate; 0: not trained")
    decay_mult: float = param(default=1.0, ge=0, doc="factor of weight_decay")


class AverageSection(Record):
    """`train.average`: beside the weights their average is kept, which tests, snapshots and the
    weights that a run leaves hold.
    """

    short = "type"

    type: Literal["EMA", "SWA"] = param(
        default="EMA", doc="EMA forgets old weights; SWA is the mean of all from start on"
    )
    decay: float = param(
        default=0.999, ge=0, lt=1, doc="EMA: what is kept of the average at each update of it"
    )
    start: int = param(default=0, ge=0, doc="iterations before the first weights count")
    every: int = param(default=1, ge=1, doc="iterations from one update of the average to the next")


class StopSection(Record):
    """`train.stop`: the training ends early, once its tests have not become better for a while.

    The tests are those of val_data, else of test_data, at every test_interval. What decides is the
    first metric that is not a loss (more is better), else the loss.
    """

    short = "patience"

    patience: int = param(ge=1, doc="tests in a row without a better value after which the training ends")
    min_delta: float = param(
        default=0.0,
        ge=0,
        doc="by how much a value must be better to count; 0: any better value counts",
    )


class PretrainSection(Record):
    """`train.pretrain`: before the first iteration layers learn, one after the other from below, to
    draw what they read.
    """

    layers: tuple[str, ...] = param(
        least=1, doc="layers with full matrices, from below; each reads what those before it have become"
    )
    method: Literal["autoencoder", "rbm"] = param(
        default="autoencoder",
        doc="autoencoder: with the matrix transposed as decoder; rbm: by contrastive divergence",
    )
    epochs: int = param(default=10, ge=1, doc="passes over the training data for each layer")
    base_lr: float = param(default=0.1, gt=0, doc="learning rate")
    momentum: float = param(default=0.5, ge=0, lt=1, doc="momentum")
    corruption: float = param(
        default=0.0, ge=0, lt=1, doc="autoencoder: share of what a layer reads that is set to 0"
    )
    k: int = param(default=1, ge=1, le=1000, doc="rbm: steps of Gibbs sampling")
    visible: Literal["binary", "gaussian"] = param(
        default="binary",
        doc="what the first layer reads: numbers from 0 to 1, or any; behind a sigmoid it is binary",
    )


class TeacherSection(Record):
    """`train.teacher`: a trained run whose answers are learned beside the labels."""

    short = "run"

    run: str = param(doc="the folder of the run that teaches, as seen from the spec")
    weights: Literal["last", "best"] = param(default="last", doc="which of its weights")
    temperature: float = param(
        default=4.0,
        ge=0.01,
        le=100,
        doc=(
            "what scores are divided by: above 1, classes that are near count more; below 0.01 one counts"
            " alone, above 100 float32 holds no differences"
        ),
    )
    alpha: float = param(
        default=0.9, ge=0, le=1, doc="share of the teacher in the loss; the rest is that of the labels"
    )
