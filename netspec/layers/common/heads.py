"""What a net learns by where its spec names no loss: layer entries, put on the scores and the
labels. Knows no graph.
"""

from typing import Any

__all__ = ["DEFAULT_HEADS"]

DEFAULT_HEADS: tuple[dict[str, Any], ...] = (
    {"name": "loss", "type": "SoftmaxWithLoss"},
    {"name": "accuracy", "type": "Accuracy", "include": {"phase": "TEST"}},
)
"""Losses and metrics of classification. Accuracy is measured in tests, as in Caffe's own nets: in
each step it would only cost time.
"""
