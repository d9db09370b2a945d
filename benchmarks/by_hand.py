"""Nets as one writes them in PyTorch, each with its loss: what the emitted ones are measured against.

`nn.BatchNorm2d`, `F.relu`, `F.pad`: nothing tuned, and nothing left out. Parameters stand in the order of the specs.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name


def conv_bn(
    inputs: int, width: int, kernel: int = 1, stride: int = 1, pad: int = 0, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, width, kernel, stride, pad, groups=groups, bias=False), nn.BatchNorm2d(width)
    )


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 20, 5), nn.Conv2d(20, 50, 5)
        self.ip1, self.ip2 = nn.Linear(800, 500), nn.Linear(500, 10)

    def forward(self, data: Tensor, label: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv1(data), 2)
        x = F.max_pool2d(self.conv2(x), 2)
        x = self.ip2(torch.relu(self.ip1(x.flatten(1))))
        return F.cross_entropy(x, label)


class Quick(nn.Module):
    """Caffe's cifar10_quick."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 32, 5, padding=2), nn.Conv2d(32, 32, 5, padding=2)
        self.conv3 = nn.Conv2d(32, 64, 5, padding=2)
        self.ip1, self.ip2 = nn.Linear(1024, 64), nn.Linear(64, 10)

    def forward(self, data: Tensor, label: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.conv1(data), 3, 2, ceil_mode=True))
        x = F.avg_pool2d(F.relu(self.conv2(x)), 3, 2, ceil_mode=True)
        x = F.avg_pool2d(F.relu(self.conv3(x)), 3, 2, ceil_mode=True)
        return F.cross_entropy(self.ip2(self.ip1(x.flatten(1))), label)


class Basic(nn.Module):
    """A residual block whose shortcut has no weights (option A)."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.a, self.b = conv_bn(inputs, width, 3, stride, 1), conv_bn(width, width, 3, 1, 1)
        self.more = width - inputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.b(F.relu(self.a(x)))
        if self.more:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.more))
        return F.relu(y + x)


class ResNet20(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn(3, 16, 3, 1, 1)
        shapes = [(16, 16, 1)] * 3 + [(16, 32, 2)] + [(32, 32, 1)] * 2 + [(32, 64, 2)] + [(64, 64, 1)] * 2
        self.body = nn.Sequential(*(Basic(*shape) for shape in shapes))
        self.fc = nn.Linear(64, 10)

    def forward(self, data: Tensor, label: Tensor) -> Tensor:
        x = self.body(F.relu(self.stem(data)))
        return F.cross_entropy(self.fc(x.mean((2, 3))), label)


class Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.a, self.b = conv_bn(inputs, width, 1, stride), conv_bn(width, width, 3, 1, 1)
        self.c = conv_bn(width, 4 * width)
        self.shortcut = conv_bn(inputs, 4 * width, 1, stride) if inputs != 4 * width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.c(F.relu(self.b(F.relu(self.a(x)))))
        return F.relu(y + self.shortcut(x))


class ResNet50(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn(3, 64, 7, 2, 3)
        blocks, inputs = [], 64
        for width, count in ((64, 3), (128, 4), (256, 6), (512, 3)):
            for i in range(count):
                blocks.append(Bottleneck(inputs, width, 2 if i == 0 and width > 64 else 1))
                inputs = 4 * width
        self.body = nn.Sequential(*blocks)
        self.fc = nn.Linear(2048, 1000)

    def forward(self, data: Tensor, label: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.stem(data)), 3, 2, ceil_mode=True)
        return F.cross_entropy(self.fc(self.body(x).mean((2, 3))), label)


class MobileNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = [32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024]
        strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
        parts: list[nn.Module] = [conv_bn(3, 32, 3, 2, 1), nn.ReLU()]
        for inputs, width, stride in zip(widths[:-1], widths[1:], strides, strict=True):
            parts += [conv_bn(inputs, inputs, 3, stride, 1, groups=inputs), nn.ReLU()]
            parts += [conv_bn(inputs, width), nn.ReLU()]
        self.body, self.fc = nn.Sequential(*parts), nn.Linear(1024, 1000)

    def forward(self, data: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(self.fc(self.body(data).mean((2, 3))), label)


def double(inputs: int, width: int) -> nn.Sequential:
    first, second = nn.Conv2d(inputs, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


class UNet(nn.Module):
    """Two levels deep, as specs/tiny/u-net-shapes.yaml, `width` maps wide."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        w = width
        self.down1, self.down2, self.bottom = double(1, w), double(w, 2 * w), double(2 * w, 4 * w)
        self.deconv2, self.out2 = nn.ConvTranspose2d(4 * w, 2 * w, 2, 2), double(4 * w, 2 * w)
        self.deconv1, self.out1 = nn.ConvTranspose2d(2 * w, w, 2, 2), double(2 * w, w)
        self.score = nn.Conv2d(w, 3, 1)

    def forward(self, data: Tensor, label: Tensor) -> Tensor:
        one = self.down1(data)
        two = self.down2(F.max_pool2d(one, 2))
        x = self.bottom(F.max_pool2d(two, 2))
        x = self.out2(torch.cat([two, self.deconv2(x)], 1))
        x = self.out1(torch.cat([one, self.deconv1(x)], 1))
        return F.cross_entropy(self.score(x), label)


class CharRNN(nn.Module):
    """No text begins within a batch: nn.LSTM knows no `cont`, so both read zeros at the first step alone."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.lstm = nn.Embedding(65, 128), nn.LSTM(128, 128, 2)
        self.score = nn.Linear(128, 65)

    def forward(self, data: Tensor, cont: Tensor, label: Tensor) -> Tensor:
        x, _ = self.lstm(self.embed(data))
        return F.cross_entropy(self.score(x).flatten(0, 1), label.flatten())
