"""What a net learns by where its spec names no loss: layer entries, put on the scores and the
labels. Knows no graph.
"""

from typing import Any

__all__ = ["DEFAULT_HEADS", "list_smoothing_heads"]

DEFAULT_HEADS: tuple[dict[str, Any], ...] = (
    {"name": "loss", "type": "SoftmaxWithLoss"},
    {"name": "accuracy", "type": "Accuracy", "include": {"phase": "TEST"}},
)
"""Losses and metrics of classification. Accuracy is measured in tests, as in Caffe's own nets: in
each step it would only cost time.
"""


def list_smoothing_heads(share: float) -> tuple[dict[str, Any], ...]:
    """The same, where a share of each label is spread over all classes in training; tests measure
    the plain loss.
    """
    loss, *measures = DEFAULT_HEADS
    smooth = {"type": "LabelSmoothingLoss", "label_smoothing_param": {"smoothing": share}}
    return (
        {**loss, **smooth, "include": {"phase": "TRAIN"}},
        {**loss, "include": {"phase": "TEST"}},
        *measures,
    )
