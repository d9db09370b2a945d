"""Several labels at once, each there or not: precision, recall, F1 at a half, average precision.
In: probabilities and targets batch by batch; out: plain data.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from netspec.training.measures.bins import Bins

__all__ = ["MOST_KEPT", "Labels"]

HALF = 0.5
MOST_KEPT = 20_000_000
"""Average precision needs all scores in order: so many are kept (100 MB), of more it is left
out.
"""


class Labels:
    """Counts per label. logits: whether the loss takes the sigmoid itself. Labels stand on axis
    1.
    """

    def __init__(self, ignored: Sequence[int], logits: bool) -> None:
        self.ignored, self.logits = tuple(ignored), logits
        self.counts: dict[str, Tensor] = {}
        self.kept: list[tuple[Tensor, Tensor]] = []
        self.size, self.bins = 0, Bins()

    def add(self, scores: Tensor, targets: Tensor) -> None:
        """Scores (N, L, ...) and as many targets from 0 to 1."""
        targets = targets.reshape(scores.shape)
        rows, truth = (by_label(t.detach().float()).cpu() for t in (scores, targets))
        rows = rows.sigmoid() if self.logits else rows
        known = torch.ones_like(truth, dtype=torch.bool)
        for label in self.ignored:
            known &= truth.trunc() != label
        there, said = (truth >= HALF) & known, (rows >= HALF) & known
        now = {"hits": there & said, "true": there, "guessed": said, "known": known}
        for word, values in now.items():
            self.counts[word] = self.counts.get(word, torch.zeros(rows.shape[1])) + values.double().sum(0)
        self.bins.add(rows[known], there[known])
        self.size += rows.numel()
        if self.size > MOST_KEPT or not bool(known.all()):
            self.kept.clear()
            self.size = MOST_KEPT + 1
        else:
            self.kept.append((rows, there))

    def result(self, names: Sequence[str] = ()) -> dict[str, Any]:
        """Per label precision, recall, F1, support, and average precision where scores were
        kept.
        """
        if not self.counts:
            return {"kind": "labels", "classes": []}
        hits, true, guessed, known = (self.counts[word] for word in ("hits", "true", "guessed", "known"))
        columns = {
            "precision": hits / guessed.clamp_min(1),
            "recall": hits / true.clamp_min(1),
            "f1": 2 * hits / (true + guessed).clamp_min(1),
        }
        if self.kept:
            columns["ap"] = self.average_precision()
        width = len(hits)
        called = [*names] if len(names) == width else [str(i) for i in range(width)]
        right = (known - true - guessed + 2 * hits).sum() / known.sum().clamp_min(1)
        found: dict[str, Any] = {"kind": "labels", "classes": called, "accuracy": float(right)}
        there = true > 0
        found["mean"] = {
            word: float(values[there].mean()) for word, values in columns.items() if bool(there.any())
        }
        found["support"] = [int(n) for n in true]
        found |= {word: values.tolist() for word, values in columns.items()}
        found["calibration"] = self.bins.result()
        return found

    def average_precision(self) -> Tensor:
        """The mean precision at each true sample, best scores first; 0 for a label that never
        is.
        """
        from sklearn.metrics import average_precision_score

        scores, there = (torch.cat(parts).numpy() for parts in zip(*self.kept, strict=True))
        made = [
            float(average_precision_score(there[:, i], scores[:, i])) if there[:, i].any() else 0.0
            for i in range(scores.shape[1])
        ]
        return torch.tensor(made, dtype=torch.float64)


def by_label(values: Tensor) -> Tensor:
    """(N, L, ...) as (places, L)."""
    if values.dim() < 2:
        return values.reshape(-1, 1)
    return values.movedim(1, -1).flatten(0, -2)
