"""Nets of torchvision and timm whose parts are named otherwise than in the order in which they run: what
follows what. In: a name of a tensor; out: its layer, its role there, and the layer's place. Knows no file.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["ORDERS", "Order", "Place", "find_place"]

ROLES = {"weight": "weight", "bias": "bias", "running_mean": "mean", "running_var": "variance"}
SMALLEST = -1

Place = tuple[int, tuple[tuple[int, str], ...], int]
Renamed = tuple[str, str, str]
"""A pattern of a tensor's name, its layer, its role there."""


class Group(NamedTuple):
    """Layers that follow each other once for each number in their prefix, a pattern."""

    prefix: str
    layers: tuple[str, ...]


class Order(NamedTuple):
    """A family: its groups as they run. tensors: those whose last word is no role: layer and role by a
    pattern of the name. left: what only training has. eps: of its normalisations. pixels: what they were
    made by, where it is not the mean and deviation of ImageNet.
    """

    family: str
    groups: tuple[Group, ...]
    tensors: tuple[Renamed, ...] = ()
    left: str = r"(?!)"
    eps: float = 1e-5
    pixels: str = ""


def cross(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    """Each of the first before each of the second."""
    behind = tuple(second)
    return tuple(f"{one}.{two}" for one in first for two in behind)


CONV = ("conv", "bn")
BRANCHES = (
    *("branch1x1", "branch5x5_1", "branch5x5_2", "branch3x3", "branch3x3_1", "branch3x3_2", "branch3x3_2a"),
    *("branch3x3_2b", "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3", "branch3x3dbl_3a"),
    *("branch3x3dbl_3b", "branch7x7_1", "branch7x7_2", "branch7x7_3", "branch7x7dbl_1", "branch7x7dbl_2"),
    *("branch7x7dbl_3", "branch7x7dbl_4", "branch7x7dbl_5", "branch7x7x3_1", "branch7x7x3_2"),
    *("branch7x7x3_3", "branch7x7x3_4", "branch_pool"),
)
"""Of all of Inception v3's modules, in an order that holds in each."""
HALVES = "[0.5, 0.5, 0.5], by [0.5, 0.5, 0.5]"


def name_attention(module: str, inner: str, outer: str, own: tuple[str, str]) -> tuple[Renamed, ...]:
    """The tensors of a module of attention: `inner`, a format, of all that goes in, `outer` of what comes
    out; own: the class token and the positions, which are tensors of no module.
    """
    weight, bias = (rf"({module})\.{inner.format(word)}" for word in ("weight", "bias"))
    token, places = (f"({name})" for name in own)
    return (
        (weight, r"\1", "in_weight"),
        (bias, r"\1", "in_bias"),
        (rf"({module})\.{outer}\.weight", r"\1", "out_weight"),
        (rf"({module})\.{outer}\.bias", r"\1", "bias"),
        (token, r"\1", "weight"),
        (places, r"\1", "bias"),
    )


ORDERS = (
    Order(
        "ResNet",
        (
            Group("", ("conv1", "bn1")),
            Group(
                r"layer(\d)\.(\d+)\.",
                (
                    *("conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "se.fc1", "se.fc2"),
                    *("downsample.0", "downsample.1"),
                ),
            ),
            Group("", ("fc",)),
        ),
    ),
    Order(
        "VGG of timm",
        (
            Group(r"features\.(\d+)", ("",)),
            Group("", ("pre_logits.fc1", "pre_logits.fc2", "head.fc")),
        ),
    ),
    Order(
        "EfficientNet",
        (
            Group(r"features\.0\.", ("0", "1")),
            Group(
                r"features\.(\d+)\.(\d+)\.block\.",
                ("0.0", "0.1", "1.0", "1.1", "1.fc1", "1.fc2", "2.0", "2.1", "2.fc1", "2.fc2", "3.0", "3.1"),
            ),
            Group(r"features\.[1-9]\d*\.", ("0", "1")),
            Group("", ("classifier.1",)),
        ),
    ),
    Order(
        "EfficientNet of timm",
        (
            Group("", ("conv_stem", "bn1")),
            Group(
                r"blocks\.0\.(\d+)\.",
                ("conv_dw", "bn1", "se.conv_reduce", "se.conv_expand", "conv_pw", "bn2"),
            ),
            Group(
                r"blocks\.([1-9])\.(\d+)\.",
                ("conv_pw", "bn1", "conv_dw", "bn2", "se.conv_reduce", "se.conv_expand", "conv_pwl", "bn3"),
            ),
            Group("", ("conv_head", "bn2", "classifier")),
        ),
    ),
    Order(
        "ConvNeXt",
        (
            Group(
                r"features\.(\d+)\.(\d+)",
                ("", ".block.0", ".block.2", ".block.3", ".block.5", ".layer_scale"),
            ),
            Group(r"classifier\.", ("0", "2")),
        ),
        ((r"(.*layer_scale)", r"\1", "weight"),),
        eps=1e-6,
    ),
    Order(
        "ConvNeXt of timm",
        (
            Group(r"stem\.", ("0", "1")),
            Group(
                r"stages\.(\d+)\.(?:blocks\.(\d+)\.)?",
                ("downsample.0", "downsample.1", "conv_dw", "norm", "mlp.fc1", "mlp.fc2", "gamma"),
            ),
            Group(r"head\.", ("norm", "fc")),
        ),
        ((r"(.*gamma)", r"\1", "weight"),),
        eps=1e-6,
    ),
    Order(
        "ViT",
        (
            Group("", ("conv_proj", "class_token", "encoder.pos_embedding")),
            Group(
                r"encoder\.layers\.encoder_layer_(\d+)\.",
                ("ln_1", "self_attention", "ln_2", "mlp.0", "mlp.3", "mlp.linear_1", "mlp.linear_2"),
            ),
            Group("", ("encoder.ln", "heads.head")),
        ),
        name_attention(
            ".*self_attention", "in_proj_{}", "out_proj", ("class_token", r"encoder\.pos_embedding")
        ),
        eps=1e-6,
    ),
    Order(
        "ViT of timm",
        (
            Group("", ("patch_embed.proj", "cls_token", "pos_embed")),
            Group(r"blocks\.(\d+)\.", ("norm1", "attn", "norm2", "mlp.fc1", "mlp.fc2")),
            Group("", ("norm", "head")),
        ),
        name_attention(".*attn", r"qkv\.{}", "proj", ("cls_token", "pos_embed")),
        eps=1e-6,
        pixels=HALVES,
    ),
    Order(
        "Inception v3",
        (
            Group(r"Conv2d_(\d)([a-z])_\dx\d\.", CONV),
            Group(r"Mixed_(\d)([a-z])\.", cross(BRANCHES, CONV)),
            Group("", ("fc",)),
        ),
        left=r"AuxLogits\..*",
        eps=1e-3,
        pixels=HALVES,
    ),
    Order(
        "GoogLeNet",
        (
            Group(r"conv(\d)\.", CONV),
            Group(
                r"inception(\d)([a-z])\.",
                cross(("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1"), CONV),
            ),
            Group("", ("fc",)),
        ),
        left=r"aux[12]\..*",
        eps=1e-3,
        pixels=HALVES,
    ),
)


def find_place(name: str, order: Order) -> tuple[str, str, Place] | None:
    """The layer of a tensor, its role there, and where the layer stands; None where the family has no
    such name.
    """
    layer, role = split(name, order)
    for number, group in enumerate(order.groups):
        found = re.match(group.prefix, layer)
        if found is not None and layer[found.end() :] in group.layers:
            words = tuple(sort_word(word) for word in found.groups())
            return layer, role, (number, words, group.layers.index(layer[found.end() :]))
    return None


def split(name: str, order: Order) -> tuple[str, str]:
    """A tensor's layer and role; no layer where it is no known one."""
    for pattern, layer, role in order.tensors:
        if found := re.fullmatch(pattern, name):
            return found.expand(layer), role
    layer, _, last = name.rpartition(".")
    return (layer, ROLES[last]) if last in ROLES else ("?", "")


def sort_word(word: str | None) -> tuple[int, str]:
    """Numbers by their size, letters by the alphabet; what is not there comes first."""
    if word is None:
        return SMALLEST, ""
    return (int(word), "") if word.isdecimal() else (0, word)
