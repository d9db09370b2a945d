"""The zoo against nets written by hand in plain torch, and against the papers' own tables."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from zoo_nets import ready, typed

from netspec.compiled import compile as compiled


class Bottleneck(nn.Module):
    """He et al. 2015, figure 5, stride on the first 1x1."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.a, self.bn_a = nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
        self.b, self.bn_b = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.c, self.bn_c = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.project = channels != 4 * width
        if self.project:
            self.shortcut, self.bn = (
                nn.Conv2d(channels, 4 * width, 1, stride, bias=False),
                nn.BatchNorm2d(4 * width),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn_a(self.a(x)).relu()
        y = self.bn_b(self.b(y)).relu()
        y = self.bn_c(self.c(y))
        return (y + (self.bn(self.shortcut(x)) if self.project else x)).relu()


def resnet(*depths: int) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
    ]
    channels = 64
    for stage, depth in enumerate(depths):
        for i in range(depth):
            layers.append(Bottleneck(channels, 64 << stage, 2 if stage and i == 0 else 1))
            channels = 256 << stage
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000), nn.Softmax(1)
    )


def vgg(*depths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for width, depth in zip((64, 128, 256, 512, 512), depths, strict=True):
        for _ in range(depth):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    dense = [
        nn.Linear(25088, 4096),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(4096, 1000),
    ]
    return nn.Sequential(*layers, nn.Flatten(), *dense, nn.Softmax(1))


def transfer(net: Any, name: str, reference: nn.Module) -> None:
    """Weights of a net into one written by hand, both in the order of execution."""
    ours = [
        list(net.layer_parameters(node.name)) for node in typed(name).graph.nodes if typed(name).weights[node]
    ]
    for module in reference.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            for mine, given in zip(module.parameters(), ours.pop(0), strict=True):
                mine.copy_(given)
        elif isinstance(module, nn.BatchNorm2d):
            (mean, variance, factor), (scale, shift) = ours.pop(0), ours.pop(0)
            module.running_mean.copy_(mean / factor)  # type: ignore[union-attr]
            module.running_var.copy_(variance / factor)  # type: ignore[union-attr]
            module.weight.copy_(scale)
            module.bias.copy_(shift)
    assert not ours


def test_resnet_50_is_the_one_written_by_hand() -> None:
    reference = resnet(3, 4, 6, 3).eval()
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        transfer(ready("resnet-50"), "resnet-50", reference)
        logits, theirs = ready("resnet-50")(x)["fc1000"], reference[:-1](x)
    torch.testing.assert_close(logits, theirs, rtol=1e-3, atol=1e-3 * float(theirs.abs().max()))


@pytest.mark.parametrize(
    ("name", "reference"),
    [("resnet-101", lambda: resnet(3, 4, 23, 3)), ("resnet-152", lambda: resnet(3, 8, 36, 3)), ("vgg-11", lambda: vgg(1, 1, 2, 2, 2)),
     ("vgg-13", lambda: vgg(2, 2, 2, 2, 2)), ("vgg-16", lambda: vgg(2, 2, 3, 3, 3)), ("vgg-19", lambda: vgg(2, 2, 4, 4, 4))],
)  # fmt: skip
def test_large_nets_have_the_weights_of_those_written_by_hand(name: str, reference: Any) -> None:
    with torch.device("meta"):
        ours, theirs = compiled(typed(name)), reference()
    assert [tuple(p.shape) for p in ours.parameters()] == [tuple(p.shape) for p in theirs.parameters()]


def test_vgg_is_the_one_written_by_hand() -> None:
    """The convolutions of E on a small picture: the dense layers tie it to 224x224, at 2 GB."""
    torch.manual_seed(0)
    with torch.device("meta"):
        ours: Any = compiled(typed("vgg-19"))
        theirs = vgg(2, 2, 4, 4, 4)
    names = [node.name for node in typed("vgg-19").graph.nodes]
    mine = (
        nn.Sequential(*(ours.get_submodule(ours.layers[name][0]) for name in names[: names.index("fc6")]))
        .to_empty(device="cpu")
        .eval()
    )
    theirs = theirs[: len(mine)].to_empty(device="cpu").eval()
    with torch.no_grad():
        for weight, given in zip(mine.parameters(), theirs.parameters(), strict=True):
            given.copy_(nn.init.kaiming_normal_(weight) if weight.dim() > 1 else weight.normal_(0, 0.1))
        x = torch.randn(1, 3, 64, 64)
        torch.testing.assert_close(mine(x), theirs(x))


GOOGLENET = {
    "inception_3a": (192, 64, 96, 128, 16, 32, 32),
    "inception_3b": (256, 128, 128, 192, 32, 96, 64),
    "inception_4a": (480, 192, 96, 208, 16, 48, 64),
    "inception_4b": (512, 160, 112, 224, 24, 64, 64),
    "inception_4c": (512, 128, 128, 256, 24, 64, 64),
    "inception_4d": (512, 112, 144, 288, 32, 64, 64),
    "inception_4e": (528, 256, 160, 320, 32, 128, 128),
    "inception_5a": (832, 256, 160, 320, 32, 128, 128),
    "inception_5b": (832, 384, 192, 384, 48, 128, 128),
}
"""Szegedy et al. 2014, table 1: input channels, #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj."""


def test_googlenet_is_its_table() -> None:
    counted: dict[str, int] = {}
    for ref in typed("googlenet").weight_refs():
        part = ref.node.name.split(".")[0]
        counted[part] = counted.get(part, 0) + int(torch.Size(ref.weight.shape).numel())  # type: ignore[arg-type]
    for name, (c, one, r3, three, r5, five, pool) in GOOGLENET.items():
        weights = c * (one + r3 + r5 + pool) + 9 * r3 * three + 25 * r5 * five
        assert counted.pop(name) == weights + one + r3 + three + r5 + five + pool
    stem = {
        "conv1/7x7_s2": 147 * 64 + 64,
        "conv2/3x3_reduce": 64 * 64 + 64,
        "conv2/3x3": 9 * 64 * 192 + 192,
        "classifier": 1024 * 1000 + 1000,
    }
    assert counted == stem
