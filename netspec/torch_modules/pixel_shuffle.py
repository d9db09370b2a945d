"""Torch modules of layers/pixel_shuffle.py that nn lacks. Inlined into emitted files, so it needs
torch alone.
"""

from torch import Tensor, nn


class Reorg(nn.Module):
    """Darknet's reorg: places to channels by stride x stride, over the values as the fork counts
    them; reverse: channels to places.
    """

    def __init__(self, stride: int, reverse: bool = False) -> None:
        super().__init__()
        self.stride, self.reverse = stride, reverse

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        s = self.stride
        if self.reverse:
            return x.reshape(n, s, s, -1, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, -1, h * s, w * s)
        return (
            x.reshape(n, c // (s * s), h, s, w, s)
            .permute(0, 3, 5, 1, 2, 4)
            .reshape(n, c * s * s, h // s, w // s)
        )
