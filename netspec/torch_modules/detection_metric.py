"""Torch modules of layers/detection_metric.py that nn lacks. Inlined into emitted files, so it
needs torch alone.
"""

import torch
from torch import Tensor, nn

from netspec.torch_modules.multibox import jaccard


class DetectionEvaluate(nn.Module):
    """Boxes found held against true ones: rows (-1, label, true boxes, -1, -1) of each class, then
    (image, label, score, right, wrong) of each box found, (1, 1, rows, 5). Rows of 0 where none is.
    """

    judges_boxes = True

    def __init__(
        self, num_classes: int, background: int = 0, overlap: float = 0.5, difficult: bool = True
    ) -> None:
        super().__init__()
        self.labels = [label for label in range(num_classes) if label != background]
        self.overlap, self.difficult = overlap, difficult

    @torch.no_grad()
    def forward(self, found: Tensor, truth: Tensor) -> Tensor:
        found, truth = found.reshape(-1, 7), truth.reshape(-1, 8)
        made = found.new_zeros(len(self.labels) + len(found), 5)
        if made.is_meta:
            return made[None, None]
        truth = truth[truth[:, 0] >= 0]
        counted = truth[:, 1][self.difficult | (truth[:, 7] == 0)]
        for row, label in zip(made, self.labels, strict=False):
            row[:] = torch.tensor([-1, label, float((counted == label).sum()), -1, -1])
        begin = len(self.labels)
        for image in sorted(set(found[:, 0].tolist())):
            for label in self.labels:
                own = found[(found[:, 0] == image) & (found[:, 1] == label)]
                if len(own):
                    there = truth[(truth[:, 0] == image) & (truth[:, 1] == label)]
                    made[begin : begin + len(own)] = self.judge(own, there)
                    begin += len(own)
        return made[None, None]

    def judge(self, found: Tensor, truth: Tensor) -> Tensor:
        """The rows of one class in one image, best scores first."""
        found = found[found[:, 2].sort(descending=True, stable=True).indices]
        rows = torch.cat((found[:, :3], found.new_zeros(len(found), 2)), 1)
        rows[:, 4] = 1
        if not len(truth):
            return rows
        overlaps = jaccard(found[:, 3:], truth[:, 3:7])
        most, nearest = overlaps.max(1).values.tolist(), overlaps.argmax(1).tolist()
        seen: set[int] = set()
        for row, share, at in zip(rows, most, nearest, strict=True):
            if share < self.overlap:
                continue
            if not self.difficult and bool(truth[at, 7]):
                row[4] = 0  # a difficult box is neither a hit nor a miss
            elif at not in seen:
                row[3], row[4] = 1, 0
                seen.add(at)
        return rows
