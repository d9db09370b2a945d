"""The recipes of a training beside its update rule, declared once. Knows no torch."""

from typing import Literal

from netspec.record import Record, param

__all__ = ["AverageSection", "RateSection", "StopSection", "TeacherSection"]


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


class TeacherSection(Record):
    """`train.teacher`: a trained run whose answers are learned beside the labels."""

    short = "run"

    run: str = param(doc="the folder of the run that teaches, as seen from the spec")
    weights: Literal["last", "best"] = param(default="last", doc="which of its weights")
    temperature: float = param(
        default=4.0, gt=0, doc="what scores are divided by: above 1, classes that are near count more"
    )
    alpha: float = param(
        default=0.9, ge=0, le=1, doc="share of the teacher in the loss; the rest is that of the labels"
    )
