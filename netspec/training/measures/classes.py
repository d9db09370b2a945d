"""One class out of several, for each sample or place: the confusion matrix and what follows from
it. In: scores and labels batch by batch; out: plain data.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from netspec.training.measures.bins import Bins

__all__ = ["MOST_CLASSES", "Classes"]

MOST_CLASSES = 4096
"""Of more classes no matrix is kept: it would take more than 134 MB."""
NEAR = 1e-3
"""Scores that sum to 1 as near as this are shares already."""


class Classes:
    """Counts of true and guessed classes. axis: of the classes; normalized: whether the loss takes
    a softmax of the scores itself. Memory is that of the matrix, however many samples there are.
    """

    def __init__(self, width: int, axis: int, ignored: Sequence[int], normalized: bool) -> None:
        self.width, self.axis, self.ignored, self.normalized = (
            width,
            axis,
            tuple(ignored),
            normalized,
        )
        self.matrix = torch.zeros(width, width, dtype=torch.int64)
        self.bins, self.calibrated = Bins(), True
        self.places = False

    def add(self, scores: Tensor, labels: Tensor) -> None:
        """Scores (N, K, ...) and the labels of all places, or shares of the scores' own shape."""
        rows = self.rows(scores)
        if labels.is_floating_point() and labels.shape == scores.shape and self.width > 1:
            labels = self.rows(labels).argmax(1)
        labels = labels.reshape(-1).long()
        self.places |= len(labels) > len(scores)
        known = (labels >= 0) & (labels < self.width)
        for label in self.ignored:
            known &= labels != label
        rows, labels = rows[known], labels[known]
        guessed = rows.argmax(1)
        pairs = torch.bincount((labels * self.width + guessed).cpu(), minlength=self.width**2)
        self.matrix += pairs.reshape(self.width, self.width)
        self.calibrate(rows, guessed == labels)

    def rows(self, scores: Tensor) -> Tensor:
        """Scores (places, K), as real numbers."""
        if scores[:1].numel() == self.width:
            return scores.detach().float().flatten(1)
        return scores.detach().float().movedim(self.axis, -1).flatten(0, -2)

    def calibrate(self, rows: Tensor, right: Tensor) -> None:
        """Count how sure the guesses are, where scores say it."""
        shares = rows.softmax(1) if self.normalized else rows
        if len(shares) and bool((shares.sum(1) - 1).abs().max() > NEAR):
            self.calibrated = False
        elif len(shares):
            self.bins.add(shares.max(1).values, right)

    def result(self, names: Sequence[str] = ()) -> dict[str, Any]:
        """Per class precision, recall, F1, support (and overlap, where places are classified);
        means over the classes that occur among labels or guesses. What is divided by 0 is 0.
        """
        counts = self.matrix.double()
        hits, true, guessed = counts.diagonal(), counts.sum(1), counts.sum(0)
        columns = {
            "precision": hits / guessed.clamp_min(1),
            "recall": hits / true.clamp_min(1),
            "f1": 2 * hits / (true + guessed).clamp_min(1),
        }
        if self.places:
            columns["iou"] = hits / (true + guessed - hits).clamp_min(1)
        there = true + guessed > 0
        called = [*names] if len(names) == self.width else [str(i) for i in range(self.width)]
        found: dict[str, Any] = {"kind": "places" if self.places else "classes", "classes": called}
        found["accuracy"] = float(hits.sum() / counts.sum().clamp_min(1))
        found["mean"] = {
            word: float(values[there].mean()) for word, values in columns.items() if bool(there.any())
        }
        found["support"] = [int(n) for n in true]
        found |= {word: values.tolist() for word, values in columns.items()}
        if self.calibrated:
            found["calibration"] = self.bins.result()
        found["confusion"] = self.matrix.tolist()
        return found
