"""Calibration: whether answers are right as often as they are sure. In: confidences and what came
true, batch by batch; out: the expected calibration error and its bins.
"""

from typing import Any

import torch
from torch import Tensor

__all__ = ["BINS", "Bins"]

BINS = 15
"""As many as Guo et al. take."""


class Bins:
    """Sums over bins of equal width from 0 to 1; memory does not grow with the samples."""

    def __init__(self) -> None:
        self.counts, self.sure, self.right = (torch.zeros(BINS, dtype=torch.float64) for _ in range(3))

    def add(self, confidence: Tensor, right: Tensor) -> None:
        """Confidences from 0 to 1, and whether each came true."""
        sure = confidence.detach().double().cpu().reshape(-1)
        at = (sure * BINS).long().clamp(0, BINS - 1)
        self.counts += torch.bincount(at, minlength=BINS)
        self.sure += torch.bincount(at, sure, BINS)
        self.right += torch.bincount(at, right.detach().double().cpu().reshape(-1), BINS)

    def result(self) -> dict[str, Any]:
        """ECE = sum_b n_b / n |right_b - sure_b|, means of each bin     (Guo et al. 2017)"""
        gaps = (self.right - self.sure).abs().sum() / self.counts.sum().clamp_min(1)
        rows = zip(self.counts.tolist(), self.sure.tolist(), self.right.tolist(), strict=True)
        bins = [
            {"from": i / BINS, "samples": int(n), "confidence": sure / n, "right": right / n}
            for i, (n, sure, right) in enumerate(rows)
            if n
        ]
        return {"error": float(gaps), "bins": bins}
