"""The protocol's classification extension: from scores, the k best as strings
`value:index[:label]`.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from netspec.serving.tensors import RequestError, datatype_of

if TYPE_CHECKING:
    import numpy as np

__all__ = ["classify"]


def classify(name: str, scores: "np.ndarray", k: int, labels: Sequence[str]) -> "np.ndarray":
    """The k highest scores of each row, best first, ties by index: [N, ...] gives [N, k] strings,
    [C] gives [k].

    A row's other axes count as one; k is at most their size. Raises RequestError for an output that
    is not numeric or has no axis.
    """
    import numpy as np

    if scores.dtype.kind not in "iuf" or scores.ndim == 0:
        raise RequestError(
            f"output {name!r} cannot be classified: it is {datatype_of(scores)} with {scores.ndim} axes"
        )
    if scores.ndim > 1:
        rows = scores.reshape(len(scores), math.prod(scores.shape[1:]))
    else:
        rows = scores.reshape(1, -1)
    order = np.argsort(-rows.astype(np.float64), axis=1, kind="stable")[:, :k]  # NaN sorts last
    best = [[_entry(row[i], i, labels) for i in at] for row, at in zip(rows, order, strict=True)]
    found = np.array(best, dtype=object).reshape(order.shape)
    return found if scores.ndim > 1 else found[0]


def _entry(value: "np.generic", index: int, labels: Sequence[str]) -> str:
    if value.dtype.kind == "f":
        score = f"{float(value):f}"
    else:
        score = str(value)
    if index < len(labels):
        return f"{score}:{index}:{labels[index]}"
    return f"{score}:{index}"
