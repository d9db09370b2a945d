"""What nets written by hand are made of: products whose weights follow from their shapes (`alike`), and what was spent."""

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from alike import bare, numbers
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - as everyone calls it


class Hand:
    """Makes weights as they are asked for, and counts them and what they are multiplied with. The input is a batch.

    width: how many channels there are where a net's function says so many.
    """

    def __init__(self, width: Callable[[int], int] = int) -> None:
        self.width = width
        self.tensors: Counter[tuple[int, ...]] = Counter()
        self.macs = 0

    def weight(self, *shape: int, role: str = "weight") -> Tensor:
        """A tensor's numbers; one that is a mere vector but for its layout counts as a scale."""
        self.tensors[shape] += 1
        return torch.from_numpy(
            numbers(shape, "scale" if role == "weight" and len(bare(shape)) == 1 else role)
        )

    def conv(
        self,
        x: Tensor,
        n: int,
        k: int | Sequence[int],
        bias: bool = True,
        groups: int = 1,
        **settings: object,
    ) -> Tensor:
        axes, n = x.dim() - 2, self.width(n)
        window = (k,) * axes if isinstance(k, int) else tuple(k)
        w = self.weight(n, x.shape[1] // groups, *window)
        b = self.weight(n, role="shift") if bias else None
        y = (F.conv1d if axes == 1 else F.conv2d)(x, w, b, groups=groups, **settings)  # type: ignore[operator]
        self.macs += w.numel() * y[0, 0].numel()
        return y  # type: ignore[no-any-return]

    def deconv(self, x: Tensor, n: int, k: int, bias: bool = True, **settings: int) -> Tensor:
        n = self.width(n)
        w = self.weight(x.shape[1], n, k, k)
        self.macs += w.numel() * x[0, 0].numel()
        return F.conv_transpose2d(x, w, self.weight(n, role="shift") if bias else None, **settings)

    def dense(self, x: Tensor, n: int, bias: bool = True) -> Tensor:
        x, n = x.flatten(1), self.width(n)
        w = self.weight(n, x.shape[1])
        self.macs += w.numel()
        return F.linear(x, w, self.weight(n, role="shift") if bias else None)

    def bn(self, x: Tensor) -> Tensor:
        mean, var = (torch.from_numpy(numbers((x.shape[1],), role)) for role in ("mean", "variance"))
        return F.batch_norm(
            x, mean, var, self.weight(x.shape[1], role="scale"), self.weight(x.shape[1], role="shift")
        )

    def average(self, x: Tensor) -> Tensor:
        """Trained subsampling: the mean of 2x2, times a factor of the map, plus a bias of the map (over the sum: LeCun et al. 1998)."""
        c = x.shape[1]
        factor, bias = self.weight(c, role="scale"), self.weight(c, role="shift")
        return 4 * F.avg_pool2d(x, 2) * factor.view(c, 1, 1) + bias.view(c, 1, 1)

    def mapped(
        self, x: Tensor, table: Sequence[Sequence[int]], untied: bool = False, stride: int = 1
    ) -> Tensor:
        """A 5x5 convolution each of whose maps reads some of the input's; with `untied` a bias for every place."""
        w = self.weight(sum(map(len, table)), 5, 5)
        starts = torch.tensor([0, *map(len, table)]).cumsum(0)
        y = torch.cat(
            [
                F.conv2d(x[:, list(t)], w[starts[i] : starts[i + 1]][None], stride=stride)
                for i, t in enumerate(table)
            ],
            1,
        )
        self.macs += w.numel() * y[0, 0].numel()
        n, m = len(table), y.shape[2]
        return y + (self.weight(n, m, m) if untied else self.weight(n, role="shift").view(n, 1, 1))
