"""State dicts of torchvision's names in nets of ours: the same outputs, whatever the order of the text; what is refused."""

import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import silu

from netspec import driver
from netspec.compiled import compile as compiled
from netspec.diagnostics import SpecError
from netspec.source import Source
from netspec.training.by_structure import map_by_structure
from netspec.training.foreign_names import read_foreign
from netspec.training.nets import tensors_of
from tests.training.specs import Line

pytestmark = pytest.mark.torch
HEAD = """netspec: 1
name: small
import: [zoo:blocks/residual.yaml, zoo:blocks/separable.yaml]
input: {data: {shape: [N, 3, 16, 16], image: {color: bgr}}}
allow: [NS402]
defaults: {Convolution: {weight_filler: msra}, InnerProduct: {weight_filler: msra}}
layers:
"""
RESNET = """
  - {name: conv1, block: conv-bn, vars: {width: 8, kernel: 3, pad: 1}}
  - {name: pool1, type: Pooling, pool: MAX, kernel_size: 3, stride: 2}
  - {name: res2, block: bottleneck, repeat: 2, vars: {width: 4, project: "${i == 0}"}}
  - {name: res3, block: bottleneck, vars: {width: 4, project: true, stride: 2}}
  - {name: pool5, type: Pooling, pool: AVE, global_pooling: true}
  - {name: fc, type: InnerProduct, num_output: 10}
"""
SHORTCUT_FIRST = """
  - {name: conv1, block: conv-bn, vars: {width: 8, kernel: 3, pad: 1}}
  - {name: pool1, type: Pooling, pool: MAX, kernel_size: 3, stride: 2}
  - {name: s, block: conv-bn, vars: {width: 16, relu: false}}
  - {name: a, block: conv-bn, bottom: pool1, vars: {width: 4}}
  - {name: b, block: conv-bn, vars: {width: 4, kernel: 3, pad: 1}}
  - {name: c, block: conv-bn, vars: {width: 16, relu: false}}
  - {name: sum, type: Eltwise, bottom: [s, c]}
  - {name: relu, type: ReLU}
  - {name: res2, block: bottleneck, vars: {width: 4}}
  - {name: res3, block: bottleneck, vars: {width: 4, project: true, stride: 2}}
  - {name: pool5, type: Pooling, pool: AVE, global_pooling: true}
  - {name: fc, type: InnerProduct, num_output: 10}
"""
PLAIN = """
  - {name: conv1, type: Convolution, num_output: 4, kernel_size: 3, pad: 1}
  - {name: relu1, type: ReLU}
  - {name: conv2, type: Convolution, num_output: 4, kernel_size: 3, pad: 1}
  - {name: relu2, type: ReLU}
  - {name: pool, type: Pooling, pool: MAX, kernel_size: 2, stride: 2}
  - {name: fc6, type: InnerProduct, num_output: 12}
  - {name: relu6, type: ReLU}
  - {name: fc7, type: InnerProduct, num_output: 10}
"""
DENSE = """
  - {name: conv0, type: Convolution, num_output: 8, kernel_size: 3, pad: 1, bias_term: false}
  - {name: n0, type: BatchNorm}
  - {name: n0/scale, type: Scale, bias_term: true}
  - {name: n0/relu, type: ReLU}
  - {name: n1, type: BatchNorm}
  - {name: n1/scale, type: Scale, bias_term: true}
  - {name: n1/relu, type: ReLU}
  - {name: conv1, type: Convolution, num_output: 8, kernel_size: 1, bias_term: false}
  - {name: n2, type: BatchNorm}
  - {name: n2/scale, type: Scale, bias_term: true}
  - {name: n2/relu, type: ReLU}
  - {name: conv2, type: Convolution, num_output: 8, kernel_size: 3, pad: 1, bias_term: false}
  - {name: both, type: Concat, bottom: [n0/relu, conv2]}
  - {name: n5, type: BatchNorm}
  - {name: n5/scale, type: Scale, bias_term: true}
  - {name: n5/relu, type: ReLU}
  - {name: mean, type: Pooling, pool: AVE, global_pooling: true}
  - {name: fc, type: InnerProduct, num_output: 10}
"""


SQUEEZE = """
  - {{name: {0}/squeeze, type: Pooling, pool: AVE, global_pooling: true, bottom: {0}}}
  - {{name: {0}/down, type: InnerProduct, num_output: 2}}
  - {{name: {0}/swish, type: Swish}}
  - {{name: {0}/up, type: InnerProduct, num_output: {1}}}
  - {{name: {0}/excite, type: Sigmoid}}
  - {{name: {0}/weighed, type: Scale, bottom: [{0}, {0}/excite], axis: 0}}
"""
EFFICIENT = f"""
  - {{name: stem, block: conv-bn-act, vars: {{width: 8, kernel: 3, pad: 1, activation: Swish}}}}
  - {{name: dw1, block: depthwise-act, vars: {{channels: 8, kernel: 3, pad: 1, activation: Swish}}}}{SQUEEZE.format("dw1", 8)}
  - {{name: out1, block: conv-bn-act, vars: {{width: 6, relu: false}}}}
  - {{name: wide2, block: conv-bn-act, vars: {{width: 12, activation: Swish}}}}
  - {{name: dw2, block: depthwise-act, vars: {{channels: 12, kernel: 3, pad: 1, activation: Swish}}}}{SQUEEZE.format("dw2", 12)}
  - {{name: out2, block: conv-bn-act, vars: {{width: 6, relu: false}}}}
  - {{name: sum, type: Eltwise, bottom: [out1, out2]}}
  - {{name: head, block: conv-bn-act, vars: {{width: 9, activation: Swish}}}}
  - {{name: pool, type: Pooling, pool: AVE, global_pooling: true}}
  - {{name: fc, type: InnerProduct, num_output: 10}}
"""
CONVNEXT = """
  - {name: stem, type: Convolution, num_output: 6, kernel_size: 4, stride: 4}
  - {name: stem/norm, type: LayerNorm, axis: 1, eps: 1e-6}
  - {name: dw1, type: DepthwiseConvolution, num_output: 6, kernel_size: 7, pad: 3, weight_filler: msra}
  - {name: norm1, type: LayerNorm, axis: 1, eps: 1e-6}
  - {name: wide1, type: Convolution, num_output: 24, kernel_size: 1}
  - {name: gelu1, type: GELU}
  - {name: narrow1, type: Convolution, num_output: 6, kernel_size: 1}
  - {name: scale1, type: Scale}
  - {name: out1, type: Eltwise, bottom: [scale1, stem/norm]}
  - {name: down/norm, type: LayerNorm, axis: 1, eps: 1e-6}
  - {name: down/conv, type: Convolution, num_output: 8, kernel_size: 2, stride: 2}
  - {name: dw2, type: DepthwiseConvolution, num_output: 8, kernel_size: 7, pad: 3, weight_filler: msra}
  - {name: norm2, type: LayerNorm, axis: 1, eps: 1e-6}
  - {name: wide2, type: Convolution, num_output: 32, kernel_size: 1}
  - {name: gelu2, type: GELU}
  - {name: narrow2, type: Convolution, num_output: 8, kernel_size: 1}
  - {name: scale2, type: Scale}
  - {name: out2, type: Eltwise, bottom: [scale2, down/conv]}
  - {name: pool, type: Pooling, pool: AVE, global_pooling: true}
  - {name: flat, type: Flatten}
  - {name: norm, type: LayerNorm, eps: 1e-6}
  - {name: fc, type: InnerProduct, num_output: 10}
"""
VIT = """
  - {name: patches, type: Convolution, num_output: 8, kernel_size: 8, stride: 8}
  - {name: flat, type: Flatten, axis: 2}
  - {name: tokens, type: Permute, order: [0, 2, 1]}
  - {name: class, type: ClassToken}
  - {name: position, type: Bias, axis: 1, num_axes: 2}
  - {name: norm1, type: LayerNorm, eps: 1e-6}
  - {name: attention, type: MultiHeadAttention, num_heads: 2}
  - {name: sum1, type: Eltwise, bottom: [position, attention]}
  - {name: norm2, type: LayerNorm, eps: 1e-6}
  - {name: wide, type: InnerProduct, axis: 2, num_output: 16}
  - {name: gelu, type: GELU}
  - {name: narrow, type: InnerProduct, axis: 2, num_output: 8}
  - {name: out, type: Eltwise, bottom: [sum1, narrow]}
  - {name: norm, type: LayerNorm, eps: 1e-6}
  - {name: first, type: Slice, axis: 1, slice_point: 1, top: [gathered, others]}
  - {name: fc, type: InnerProduct, bottom: gathered, num_output: 10}
output: fc
"""


def normed(inputs: int, outputs: int, kernel: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class MBConv(nn.Module):
    def __init__(self, inputs: int, inner: int, outputs: int) -> None:
        super().__init__()
        squeeze = nn.Sequential(OrderedDict(fc1=nn.Conv2d(inner, 2, 1), fc2=nn.Conv2d(2, inner, 1)))
        wide = [normed(inputs, inner)] if inner != inputs else []
        self.block = nn.Sequential(*wide, normed(inner, inner, 3, inner), squeeze, normed(inner, outputs))

    def forward(self, x: Tensor) -> Tensor:
        *wide, depthwise, squeeze, out = cast("list[Any]", list(self.block))
        h = x
        for part in (*wide, depthwise):
            h = silu(part(h))
        h = out(h * torch.sigmoid(squeeze.fc2(silu(squeeze.fc1(h.mean((2, 3), keepdim=True))))))
        return h + x if wide else h


class Efficient(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        blocks = (nn.Sequential(MBConv(8, 8, 6)), nn.Sequential(MBConv(6, 12, 6)))
        self.features = nn.Sequential(normed(3, 8, 3), *blocks, normed(6, 9))
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(9, 10))

    def forward(self, x: Tensor) -> Tensor:
        h = self.features[2](self.features[1](silu(self.features[0](x))))
        return self.classifier(silu(self.features[3](h)).mean((2, 3)))


class Norm2d(nn.LayerNorm):
    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        wide, narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.layer_scale = nn.Parameter(torch.ones(width, 1, 1))
        depthwise = nn.Conv2d(width, width, 7, 1, 3, groups=width)
        turned, norm = nn.Identity(), nn.LayerNorm(width, eps=1e-6)
        self.block = nn.Sequential(depthwise, turned, norm, wide, nn.GELU(), narrow)

    def forward(self, x: Tensor) -> Tensor:
        h = self.block[0](x).permute(0, 2, 3, 1)
        return x + self.layer_scale * self.block[1:](h).permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(3, 6, 4, 4), Norm2d(6))
        down = nn.Sequential(Norm2d(6), nn.Conv2d(6, 8, 2, 2))
        self.features = nn.Sequential(stem, nn.Sequential(CNBlock(6)), down, nn.Sequential(CNBlock(8)))
        self.classifier = nn.Sequential(nn.LayerNorm(8, eps=1e-6), nn.Flatten(1), nn.Linear(8, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


class EncoderLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(8, eps=1e-6), nn.LayerNorm(8, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Dropout(), nn.Linear(16, 8))

    def forward(self, x: Tensor) -> Tensor:
        h = self.ln_1(x)
        x = x + self.self_attention(h, h, h, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class ViT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_proj, self.class_token = nn.Conv2d(3, 8, 8, 8), nn.Parameter(torch.zeros(1, 1, 8))
        layers = nn.Sequential(OrderedDict(encoder_layer_0=EncoderLayer()))
        self.encoder: Any = nn.Module()
        self.encoder.pos_embedding = nn.Parameter(torch.zeros(1, 5, 8))
        self.encoder.layers, self.encoder.ln = layers, nn.LayerNorm(8, eps=1e-6)
        self.heads = nn.Sequential(OrderedDict(head=nn.Linear(8, 10)))

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_proj(x).flatten(2).transpose(1, 2)
        h = torch.cat([self.class_token.expand(len(h), 1, 8), h], 1) + self.encoder.pos_embedding
        return self.heads(self.encoder.ln(self.encoder.layers(h))[:, 0])


class Bottleneck(nn.Module):
    """torchvision's names; the stride on the first, as the authors' Caffe models have it."""

    def __init__(self, inputs: int, width: int, stride: int, project: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample = None
        if project:
            step = nn.Conv2d(inputs, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(step, nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        h = self.bn1(self.conv1(x)).relu()
        h = self.bn3(self.conv3(self.bn2(self.conv2(h)).relu()))
        return (h + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.layer1 = nn.Sequential(Bottleneck(8, 4, 1, True), Bottleneck(16, 4, 1, False))
        self.layer2 = nn.Sequential(Bottleneck(16, 4, 2, True))
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = self.pool(self.bn1(self.conv1(x)).relu())
        return self.fc(self.layer2(self.layer1(h)).mean((2, 3)))


class Dense(nn.Module):
    """DenseNet's names: in a layer the normalisation comes first, in the stem behind."""

    def __init__(self) -> None:
        super().__init__()
        parts = {"norm1": nn.BatchNorm2d(8), "relu1": nn.ReLU(), "conv1": nn.Conv2d(8, 8, 1, bias=False),
                 "norm2": nn.BatchNorm2d(8), "relu2": nn.ReLU(), "conv2": nn.Conv2d(8, 8, 3, 1, 1, bias=False)}  # fmt: skip
        layer = nn.Sequential(OrderedDict(parts))
        self.features = nn.Sequential(
            OrderedDict(
                conv0=nn.Conv2d(3, 8, 3, 1, 1, bias=False), norm0=nn.BatchNorm2d(8), relu0=nn.ReLU(),
                denseblock1=nn.Sequential(OrderedDict(denselayer1=layer)), norm5=nn.BatchNorm2d(16),
            )
        )  # fmt: skip
        self.classifier = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        f: Any = self.features
        h = f.relu0(f.norm0(f.conv0(x)))
        h = torch.cat([h, f.denseblock1.denselayer1(h)], 1)
        return self.classifier(f.norm5(h).relu().mean((2, 3)))


class Plain(nn.Module):
    """VGG's names: numbers of modules, those without weights between them."""

    def __init__(self) -> None:
        super().__init__()
        first, second = nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(4, 4, 3, 1, 1)
        between = [nn.Identity() for _ in range(7)]  # so that 10 comes behind 2, though not by letters
        self.features = nn.Sequential(nn.Identity(), nn.Identity(), first, nn.ReLU(), *between[:6], second, nn.ReLU(), nn.MaxPool2d(2))  # fmt: skip
        self.classifier = nn.Sequential(nn.Linear(256, 12), nn.ReLU(), nn.Dropout(), nn.Linear(12, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


def drawn(net: nn.Module) -> nn.Module:
    """Numbers that tell each tensor from every other."""
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if tensor.is_floating_point():
                values = torch.rand(tensor.shape, generator=draw)
                low = 0.5 if tensor.ndim == 1 and not name.endswith(("bias", "mean")) else -0.5
                tensor.copy_(values + low)
    return net.eval()


def load(layers: str, train: str = "") -> driver.Program:
    return driver.load_source(Source("small.yaml", HEAD + layers.lstrip("\n") + train))


CASES: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "resnet": (RESNET, ResNet),
    "shortcut-first": (SHORTCUT_FIRST, ResNet),
    "densenet": (DENSE, Dense),
    "numbers": (PLAIN, Plain),
    "efficientnet": (EFFICIENT, Efficient),
    "convnext": (CONVNEXT, ConvNeXt),
    "vit": (VIT, ViT),
}
OF_TIMM: dict[str, dict[str, str]] = {
    "numbers": {r"classifier\.0": "pre_logits.fc1", r"classifier\.3": "head.fc"},
    "efficientnet": {
        r"features\.0\.0": "conv_stem", r"features\.0\.1": "bn1", r"features\.3\.0": "conv_head", r"features\.3\.1": "bn2",
        r"features\.1\.0\.block\.0\.0": "blocks.0.0.conv_dw", r"features\.1\.0\.block\.0\.1": "blocks.0.0.bn1",
        r"features\.1\.0\.block\.2\.0": "blocks.0.0.conv_pw", r"features\.1\.0\.block\.2\.1": "blocks.0.0.bn2",
        r"features\.2\.0\.block\.0\.0": "blocks.1.0.conv_pw", r"features\.2\.0\.block\.0\.1": "blocks.1.0.bn1",
        r"features\.2\.0\.block\.1\.0": "blocks.1.0.conv_dw", r"features\.2\.0\.block\.1\.1": "blocks.1.0.bn2",
        r"features\.2\.0\.block\.3\.0": "blocks.1.0.conv_pwl", r"features\.2\.0\.block\.3\.1": "blocks.1.0.bn3",
        r"features\.1\.0\.block\.1\.fc": "blocks.0.0.se.fc", r"features\.2\.0\.block\.2\.fc": "blocks.1.0.se.fc",
        "fc1": "conv_reduce", "fc2": "conv_expand", r"classifier\.1": "classifier",
    },
    "convnext": {
        r"features\.0": "stem", r"features\.1\.": "stages.0.blocks.", r"features\.2": "stages.1.downsample",
        r"features\.3\.": "stages.1.blocks.", r"block\.0": "conv_dw", r"block\.2": "norm", r"block\.3": "mlp.fc1",
        r"block\.5": "mlp.fc2", "layer_scale": "gamma", r"classifier\.0": "head.norm", r"classifier\.2": "head.fc",
    },
    "vit": {
        "conv_proj": "patch_embed.proj", "class_token": "cls_token", r"encoder\.pos_embedding": "pos_embed",
        r"encoder\.layers\.encoder_layer_": "blocks.", "ln_": "norm", r"self_attention\.in_proj_": "attn.qkv.",
        r"self_attention\.out_proj": "attn.proj", r"mlp\.0": "mlp.fc1", r"mlp\.3": "mlp.fc2", r"encoder\.ln": "norm",
        r"heads\.head": "head",
    },
}  # fmt: skip
"""What timm calls the same tensors."""


def rename(held: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    found = {}
    for name, tensor in held.items():
        for pattern, other in names.items():
            name = re.sub(pattern, other, name)
        found[name] = tensor
    return found


@pytest.mark.parametrize("name", [*CASES, *(f"{name} of timm" for name in OF_TIMM)])
def test_the_outputs_are_the_same(name: str) -> None:
    word, _, other = name.partition(" of ")
    layers, made = CASES[word]
    theirs, typed = drawn(made()), load(layers).graph("deploy")
    held = rename(theirs.state_dict(), OF_TIMM[word] if other else {})
    if "pre_logits.fc1.weight" in held:  # a convolution that covers the whole picture
        held["pre_logits.fc1.weight"] = held["pre_logits.fc1.weight"].view(12, 4, 8, 8)
    held = dict(sorted(held.items()))  # as a file has them
    mapped = map_by_structure(held, typed, lambda name: False, "file")
    assert mapped is not None
    net: Any = compiled(typed)
    tensors = tensors_of(net, typed)
    assert {*mapped.names, *mapped.ones} == {*tensors}
    assert {*mapped.names.values(), *mapped.left} == {*held}
    x = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for own, source in mapped.names.items():
            tensors[own].copy_(mapped.tensors[source])
        for own in mapped.ones:
            tensors[own].fill_(1)
        torch.testing.assert_close(net.eval()(x), theirs(x), rtol=1e-4, atol=1e-4)


def test_what_no_file_tells_is_said() -> None:
    program = load(RESNET)
    mapped = map_by_structure(ResNet().state_dict(), program.graph("deploy"), lambda name: False, "file")
    assert mapped is not None and len(mapped.notes) == 3
    assert "RGB" in mapped.notes[0] and "res3.a.conv, res3.b.conv" in mapped.notes[1]
    assert "pool1 has none" in mapped.notes[2]
    assert all(name.endswith("num_batches_tracked") for name in mapped.left) and mapped.left


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("width: 8, kernel: 3", "width: 8, kernel: 5"), "layer 1 of those with weights, conv1.conv and conv1: weight is [8, 3, 5, 5]"),
        (("repeat: 2", "repeat: 1"), "res3.shortcut.conv and layer2.0.conv1"),
        (("repeat: 2", "repeat: 3"), "res3.a.conv and layer2.0.downsample.0"),
        (("  - {name: pool5", "  - {name: scaled, type: Scale}\n  - {name: pool5"), "scaled and fc"),
    ],
)  # fmt: skip
def test_another_structure_is_refused(change: tuple[str, str], said: str) -> None:
    assert change[0] in RESNET
    typed = load(RESNET.replace(*change)).graph("deploy")
    with pytest.raises(SpecError, match="NS609") as found:
        map_by_structure(ResNet().state_dict(), typed, lambda name: False, "file")
    assert said in found.value.diagnostics[0].fact


def test_branches_that_nothing_tells_apart_are_refused() -> None:
    layers = """
  - {name: left, type: Convolution, num_output: 4, kernel_size: 1, bottom: data}
  - {name: right, type: Convolution, num_output: 4, kernel_size: 1, bottom: data}
  - {name: sum, type: Eltwise, bottom: [left, right]}
"""
    held = {f"features.{i}.{word}": torch.zeros(4, 3, 1, 1)[:, : 3 if word == "weight" else 0] for i in "01" for word in ("weight",)}  # fmt: skip
    with pytest.raises(SpecError, match="NS609") as found:
        map_by_structure(held, load(layers).graph("deploy"), lambda name: False, "file")
    assert "sum joins branches of as many layers" in found.value.diagnostics[0].fact


def test_what_trains_alone_in_inception_is_left_and_branches_follow_their_numbers() -> None:
    words = ("branch7x7dbl_1", "branch1x1", "branch7x7_2", "branch_pool", "branch7x7_1")
    shapes: dict[str, tuple[int, ...]] = {f"Mixed_6b.{word}.conv.weight": (1,) for word in words}
    shapes |= {"Mixed_5d.branch_pool.conv.weight": (1,), "Conv2d_4a_3x3.conv.weight": (1,), "fc.weight": (1,)}
    found = read_foreign({"AuxLogits.fc.weight": (1,), **shapes})
    assert found is not None and found.left == ("AuxLogits.fc.weight",) and found.eps == 1e-3
    order = [unit.name.removesuffix(".conv").partition(".")[::2] for unit in found.units]
    assert order[:2] == [("Conv2d_4a_3x3", ""), ("Mixed_5d", "branch_pool")]
    assert [word for _, word in order[2:]] == [words[i] for i in (1, 4, 2, 0, 3)] + [""]


def test_names_of_no_known_family_are_left_to_renames() -> None:
    assert read_foreign({"conv1.weight": (8, 3, 3, 3), "stage.0.weight": (8, 8, 1, 1)}) is None
    assert read_foreign({"features.0.weight": (1,), "features.0.gamma": (1,)}) is None
    assert read_foreign({}) is None


TRAIN = """train:
  data: {source: npz, path: d.npz, batch_size: 4}
  solver: {base_lr: 1e-12, max_iter: 1, random_seed: 1}
"""


def test_a_training_starts_from_a_file_and_tells_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np

    monkeypatch.chdir(tmp_path)
    line, theirs = Line(monkeypatch, capsys), drawn(ResNet())
    save_file(theirs.state_dict(), "resnet.safetensors")
    np.savez("d.npz", image=np.zeros((4, 3, 16, 16), np.uint8), label=np.arange(4))
    Path("net.yaml").write_text(HEAD + RESNET.lstrip("\n") + TRAIN)
    assert line("train", "net.yaml", "--run", "a", "--weights", "resnet.safetensors") == 0, line.err
    assert "resnet.safetensors: 62 of 62" in line.err and "its pixels were RGB" in line.err
    held = load_file("a/weights.safetensors")
    assert torch.equal(
        held["res2.0.shortcut.conv.weight"], theirs.state_dict()["layer1.0.downsample.0.weight"]
    )

    few = {"conv1.weight": torch.ones(3, 3, 3, 3), "fc.weight": torch.ones(10, 16)}
    save_file(few, "few.safetensors")  # fits a pattern, but is another net: names alone count
    assert line("train", "net.yaml", "--run", "c", "--weights", "few.safetensors") == 0, line.err
    assert "few.safetensors: 1 of" in line.err

    Path("three.yaml").write_text(
        (HEAD + RESNET.lstrip("\n") + TRAIN).replace("num_output: 10", "num_output: 4")
    )
    words = ("train", "three.yaml", "--run", "b", "--weights", "resnet.safetensors")
    assert line(*words) == 1 and "NS676" in line.err and "--new fc" in line.err
    assert line(*words, "--new", "fc") == 0 and "fc.weight, fc.bias start anew" in line.err, line.err
