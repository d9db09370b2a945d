"""Boxes held against true ones: average precision class by class, as Caffe's SSD reckons it. In:
the rows of DetectionEvaluate batch by batch; out: plain data.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from torch import Tensor, nn

from netspec.data.source import Array

__all__ = ["Boxes", "Version", "average_precision", "judging_boxes"]

Version = Literal["11point", "MaxIntegral", "Integral"]


class Boxes:
    """Rows of all batches. version: how average precision is reckoned."""

    def __init__(self, version: Version = "Integral") -> None:
        self.version = version
        self.true: dict[int, int] = {}
        self.rows: list[Array] = []

    def add(self, rows: Tensor) -> None:
        """(-1, label, true boxes, -1, -1) of each class, (image, label, score, right, wrong) of
        each box found.
        """
        every = rows.detach().cpu().double().numpy().reshape(-1, 5)
        heads = every[every[:, 0] < 0]
        for label, count in heads[:, 1:3].astype(np.int64).tolist():
            self.true[label] = self.true.get(label, 0) + count
        self.rows.append(every[every[:, 3:].sum(1) > 0])

    def join(self, parts: Sequence[tuple[dict[int, int], list[Array]]]) -> None:
        """Take over what several processes found, this one's among them."""
        if len(parts) == 1:
            return
        labels = sorted({label for true, _ in parts for label in true})
        self.true = {label: sum(true.get(label, 0) for true, _ in parts) for label in labels}
        self.rows = [each for _, rows in parts for each in rows]

    def result(self, names: Sequence[str] = ()) -> dict[str, Any]:
        """Per class average precision, recall, the precision of all boxes found, support; means
        over the classes that occur. names: of all classes, the background among them.
        """
        rows = np.concatenate(self.rows) if self.rows else np.zeros((0, 5))
        labels = sorted(self.true)
        columns: dict[str, list[float]] = {"precision": [], "recall": [], "ap": []}
        for label in labels:
            own = rows[rows[:, 1] == label]
            right, true = float(own[:, 3].sum()), self.true[label]
            columns["precision"].append(right / max(1, len(own)))
            columns["recall"].append(right / max(1, true))
            columns["ap"].append(average_precision(own[:, 2], own[:, 3], true, self.version))
        there = [i for i, label in enumerate(labels) if self.true[label]]
        found: dict[str, Any] = {
            "kind": "boxes",
            "classes": [names[label] if label < len(names) else str(label) for label in labels],
            "mean": {w: float(np.mean([values[i] for i in there])) for w, values in columns.items() if there},
            "support": [self.true[label] for label in labels],
            "found": [int((rows[:, 1] == label).sum()) for label in labels],
        }
        return found | columns

    @property
    def mean(self) -> float:
        """Mean average precision over the classes that occur; 0 where none does."""
        return float(self.result()["mean"].get("ap", 0.0))


def average_precision(scores: Array, right: Array, true: int, version: Version) -> float:
    """The area under precision by recall, best scores first; equal scores in the order they
    came.
    """
    if not len(scores) or not true:
        return 0.0
    hits = np.cumsum(right[np.argsort(-scores, kind="stable")])
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / true
    if version == "11point":
        reached = [precision[recall >= share / 10] for share in range(11)]
        return float(np.mean([each.max(initial=0.0) for each in reached]))
    if version == "MaxIntegral":
        precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((precision * np.diff(recall, prepend=0.0)).sum())


@contextmanager
def judging_boxes(net: nn.Module, version: Version) -> Iterator[dict[str, Boxes]]:
    """What each layer that judges boxes found, by its name, of every call of the net inside."""
    found: dict[str, Boxes] = {}
    handles = []
    layers: dict[str, tuple[str, ...]] = getattr(net, "layers", {})
    for name, (path, *_) in layers.items():
        module = net.get_submodule(path)
        if getattr(module, "judges_boxes", False):
            made = found[name] = Boxes(version)
            handles.append(module.register_forward_hook(lambda m, args, rows, to=made: to.add(rows)))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
