"""The recipes of a training beside its update rule, declared once. Knows no torch."""

from netspec.record import Record, param

__all__ = ["StopSection"]


class StopSection(Record):
    """`train.stop`: the training ends early, once its tests have not become better for a while.

    The tests are those of val_data, else of test_data, at every test_interval. What decides is the
    first metric that is not a loss (more is better), else the loss.
    """

    short = "patience"

    patience: int = param(ge=1, doc="tests in a row without a better value after which the training ends")
    min_delta: float = param(
        default=0.0, ge=0, doc="by how much a value must be better to count; 0: any better value counts"
    )
