"""Torch modules of layers/loss_sequence.py that nn lacks. Inlined into emitted files, so it needs
torch alone.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CTCLoss(nn.Module):
    """-log of the probability of all paths that spell the labels, a mean over streams; blanks
    among the labels are no labels.
    """

    def __init__(self, blank: int = 0) -> None:
        super().__init__()
        self.blank = blank

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        empty = label.long() == self.blank
        # labels in their order, blanks behind
        packed = label.long().gather(1, empty.long().argsort(stable=True, dim=1))
        steps = torch.full((x.shape[1],), x.shape[0], dtype=torch.long, device=x.device)
        logs = F.log_softmax(x, 2)
        if logs.is_meta:  # torch knows no shapes of ctc_loss
            return logs.sum()
        losses = F.ctc_loss(logs, packed, steps, (~empty).sum(1), self.blank, "none", zero_infinity=True)
        return losses.mean()
