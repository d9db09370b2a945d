"""Nets of the zoo written as plain functions of torch, from their papers. Comes in: a batch; goes out: scores, and in `h` what was spent.

Weights follow from their shapes, so that a spec and its function can be given the same ones without naming any.
"""

from collections import Counter

import torch
from hand import Hand
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - as everyone calls it


def squash(x: Tensor) -> Tensor:
    return 1.7159 * torch.tanh(2 * x / 3)


def lenet(h: Hand, x: Tensor) -> Tensor:
    x = F.max_pool2d(h.conv(x, 20, 5), 2)
    x = F.max_pool2d(h.conv(x, 50, 5), 2)
    return h.dense(h.dense(x, 500).relu(), 10)


def alexnet(h: Hand, x: Tensor, groups: int = 2, normalise_first: bool = True) -> Tensor:
    """Caffe's constants: k = 1, alpha / n. Normalises before it pools, or after, as CaffeNet does."""

    def between(y: Tensor) -> Tensor:
        y = y.relu()
        if normalise_first:
            return F.max_pool2d(F.local_response_norm(y, 5), 3, 2)
        return F.local_response_norm(F.max_pool2d(y, 3, 2), 5)

    x = between(h.conv(x, 96, 11, stride=4))
    x = between(h.conv(x, 256, 5, groups=groups, padding=2))
    x = h.conv(x, 384, 3, padding=1).relu()
    x = h.conv(x, 384, 3, groups=groups, padding=1).relu()
    x = F.max_pool2d(h.conv(x, 256, 3, groups=groups, padding=1).relu(), 3, 2)
    return h.dense(h.dense(h.dense(x, 4096).relu(), 4096).relu(), 1000)


def caffenet(h: Hand, x: Tensor) -> Tensor:
    return alexnet(h, x, normalise_first=False)


def nin(h: Hand, x: Tensor) -> Tensor:
    for n, k, settings, last in (
        (96, 11, {"stride": 4}, 96),
        (256, 5, {"padding": 2}, 256),
        (384, 3, {"padding": 1}, 384),
        (1024, 3, {"padding": 1}, 1000),
    ):
        x = h.conv(x, n, k, **settings).relu()
        x = h.conv(h.conv(x, n, 1).relu(), last, 1).relu()
        x = F.max_pool2d(x, 3, 2, ceil_mode=True) if last != 1000 else x.mean((2, 3))
    return x


INCEPTION = (
    (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), None,
    (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128), None,
    (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
)  # fmt: skip
"""Szegedy et al. 2014, table 1: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj; None: a pooling."""


def googlenet(h: Hand, x: Tensor) -> Tensor:
    def pool(y: Tensor) -> Tensor:
        return F.max_pool2d(y, 3, 2, ceil_mode=True)

    x = F.local_response_norm(pool(h.conv(x, 64, 7, stride=2, padding=3).relu()), 5)
    x = h.conv(h.conv(x, 64, 1).relu(), 192, 3, padding=1).relu()
    x = pool(F.local_response_norm(x, 5))
    for widths in INCEPTION:
        if widths is None:
            x = pool(x)
            continue
        one, r3, three, r5, five, proj = widths
        branches = [
            h.conv(x, one, 1),
            h.conv(h.conv(x, r3, 1).relu(), three, 3, padding=1),
            h.conv(h.conv(x, r5, 1).relu(), five, 5, padding=2),
            h.conv(F.max_pool2d(x, 3, 1, 1), proj, 1),
        ]
        x = torch.cat(branches, 1).relu()
    return h.dense(x.mean((2, 3)), 1000)


def recurrent_resnet(h: Hand, x: Tensor) -> Tensor:
    x = h.conv(x, 64, 3, bias=False, padding=1)
    for step in range(10):
        before, owned = x, Counter(h.tensors)
        for _ in "ab":
            x = h.bn(h.conv(x.relu() if _ == "b" else x, 64, 3, bias=False, padding=1))
        if step:
            h.tensors[64, 64, 3, 3] = owned[64, 64, 3, 3]  # shared by all steps
        x = (before + x).relu()
    return h.dense(x.mean((2, 3)), 10)


def ciresan(h: Hand, x: Tensor) -> Tensor:
    x = F.max_pool2d(squash(h.conv(x, 20, 4)), 2)
    x = F.max_pool2d(squash(h.conv(x, 40, 5)), 3)
    return h.dense(squash(h.dense(x, 150)), 10)


LENET_1 = ((0,), (0, 1), (0, 1), (1,), (0, 1), (0, 1), (2,), (2, 3), (2, 3), (3,), (2, 3), (2, 3))
"""LeCun et al. 1990, table 1."""


def lenet_1(h: Hand, x: Tensor) -> Tensor:
    x = squash(h.average(squash(h.mapped(x, [[0]] * 4))))
    x = squash(h.average(squash(h.mapped(x, LENET_1))))
    return squash(h.dense(x, 10))


def lenet_1989(h: Hand, x: Tensor) -> Tensor:
    """Beyond the border there is -1; which 8 of 12 maps the second layer's maps read, the paper leaves open."""
    thirds = [range(8), range(4, 12), [*range(4), *range(8, 12)]]
    for table in ([[0]] * 12, [thirds[i // 4] for i in range(12)]):
        x = squash(h.mapped(F.pad(x, (2, 2, 2, 2), value=-1.0), table, untied=True, stride=2))
    return squash(h.dense(squash(h.dense(x, 30)), 10))


LENET_5 = (
    "012",
    "123",
    "234",
    "345",
    "045",
    "015",
    "0123",
    "1234",
    "2345",
    "0345",
    "0145",
    "0125",
    "0134",
    "1245",
    "0235",
    "012345",
)
"""LeCun et al. 1998, table 1."""


def lenet_5(h: Hand, x: Tensor) -> Tensor:
    """The 84 units that the output compares with pictures of the digits."""
    x = squash(h.average(squash(h.conv(x, 6, 5))))
    x = squash(h.average(squash(h.mapped(x, [[*map(int, maps)] for maps in LENET_5]))))
    return squash(h.dense(squash(h.conv(x, 120, 5)), 84))


def tdnn(h: Hand, x: Tensor) -> Tensor:
    return h.conv(h.conv(x, 8, 3).sigmoid(), 3, 5).sigmoid().sum(2)


def u_net(h: Hand, x: Tensor) -> Tensor:
    def double(y: Tensor, n: int) -> Tensor:
        return h.conv(h.conv(y, n, 3).relu(), n, 3).relu()

    kept = []
    for n in (64, 128, 256, 512):
        kept.append(double(x, n))
        x = F.max_pool2d(kept[-1], 2)
    x = double(x, 1024)
    for n in (512, 256, 128, 64):
        x, side = h.deconv(x, n, 2, stride=2), kept.pop()
        edge = (side.shape[2] - x.shape[2]) // 2
        x = double(torch.cat([side[:, :, edge : edge + x.shape[2], edge : edge + x.shape[3]], x], 1), n)
    return h.conv(x, 2, 1)


def segnet(h: Hand, x: Tensor) -> Tensor:
    places = []
    for n, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            x = h.bn(h.conv(x, n, 3, bias=False, padding=1)).relu()
        size = x.shape[2:]
        x, at = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
        places.append((at, size))
    for widths in ((512, 512, 512), (512, 512, 256), (256, 256, 128), (128, 64), (64,)):
        at, size = places.pop()
        x = F.max_unpool2d(x, at, 2, output_size=list(size))
        for n in widths:
            x = h.bn(h.conv(x, n, 3, bias=False, padding=1)).relu()
    return h.conv(x, 11, 3, padding=1)


def upsampled(h: Hand, x: Tensor, factor: int) -> Tensor:
    """Bilinear, by a transposed convolution of each map with a fixed tent of twice the factor."""
    place = torch.arange(2 * factor)
    tent = 1 - (place / factor - (2 * factor - 1) / (2 * factor)).abs()
    n = x.shape[1]
    h.macs += n * (2 * factor) ** 2 * x[0, 0].numel()
    return F.conv_transpose2d(x, torch.outer(tent, tent).expand(n, 1, -1, -1), stride=factor, groups=n)


def fcn_8s(h: Hand, x: Tensor) -> Tensor:
    """Long, Shelhamer, Darrell 2014; where it crops is their Caffe model's."""

    def crop(y: Tensor, like: Tensor, at: int) -> Tensor:
        return y[:, :, at : at + like.shape[2], at : at + like.shape[3]]

    y, kept = x, []
    for n, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            y = h.conv(y, n, 3, padding=100 if y is x else 1).relu()
        y = F.max_pool2d(y, 2, ceil_mode=True)
        kept.append(y)
    y = h.conv(h.conv(h.conv(y, 4096, 7).relu(), 4096, 1).relu(), 21, 1)
    for side, at in ((kept[3], 5), (kept[2], 9)):
        y = upsampled(h, y, 2)
        y = y + crop(h.conv(side, 21, 1), y, at)
    return crop(upsampled(h, y, 8), x, 31)


def dilated_context(h: Hand, x: Tensor) -> Tensor:
    for d in (1, 1, 2, 4, 8, 16, 1):
        x = h.conv(x, 21, 3, padding=d, dilation=d).relu()
    return h.conv(x, 21, 1)


def wavenet(h: Hand, x: Tensor) -> Tensor:
    x = h.conv(x, 32, 1)
    skips = h.conv(x, 256, 1)
    for i in range(10):
        padded = F.pad(x, (2**i, 0))
        product = torch.tanh(h.conv(padded, 32, 2, dilation=2**i)) * torch.sigmoid(
            h.conv(padded, 32, 2, dilation=2**i)
        )
        x = h.conv(product, 32, 1) + x if i < 9 else x
        skips = h.conv(product, 256, 1) + skips
    return h.conv(h.conv(skips.relu(), 256, 1).relu(), 256, 1)


def deepsea(h: Hand, x: Tensor) -> Tensor:
    x = F.max_pool1d(h.conv(x, 320, 8).relu(), 4)
    x = F.max_pool1d(h.conv(x, 480, 8).relu(), 4)
    return h.dense(h.dense(h.conv(x, 960, 8).relu(), 925).relu(), 919)


def deepbind(h: Hand, x: Tensor) -> Tensor:
    x = h.conv(F.pad(x, (23, 23), value=0.25), 16, 24).relu().amax(2)
    return h.dense(h.dense(x, 32).relu(), 1)


def autoencoder(h: Hand, x: Tensor) -> Tensor:
    for n in (1000, 500, 250):
        x = h.dense(x, n).sigmoid()
    x = h.dense(x, 30)
    for n in (250, 500, 1000):
        x = h.dense(x, n).sigmoid()
    return h.dense(x, 784)


def conv_autoencoder(h: Hand, x: Tensor) -> Tensor:
    for n in (16, 8):
        x = h.conv(x, n, 4, stride=2, padding=1).relu()
    return h.deconv(h.deconv(x, 16, 4, stride=2, padding=1).relu(), 1, 4, stride=2, padding=1)


def dcgan_discriminator(h: Hand, x: Tensor) -> Tensor:
    x = F.leaky_relu(h.conv(x, 64, 4, stride=2, padding=1), 0.2)
    return h.dense(F.leaky_relu(h.bn(h.conv(x, 128, 4, bias=False, stride=2, padding=1)), 0.2), 1)


def dcgan_generator(h: Hand, z: Tensor) -> Tensor:
    x = h.bn(h.dense(z, 6272, bias=False).view(-1, 128, 7, 7)).relu()
    x = h.bn(h.deconv(x, 64, 4, bias=False, stride=2, padding=1)).relu()
    return h.deconv(x, 1, 4, stride=2, padding=1)
