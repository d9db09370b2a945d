"""Names of torchvision's and timm's nets, in the order in which those nets run. In: names and shapes of a
file; out: its layers in order, or None where no pattern is known. Knows no graph of ours.

A file keeps no order: safetensors sorts names. Each family says how its names follow each other.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from netspec.training.foreign_orders import ORDERS, ROLES, Order, Place, find_place

__all__ = ["Foreign", "Unit", "read_foreign"]

Shape = tuple[int, ...]
IMAGENET = "[0.485, 0.456, 0.406], by [0.229, 0.224, 0.225]"
COUNTER = "num_batches_tracked"


class Unit(NamedTuple):
    """A layer with weights: its name; whether it normalises by statistics; the name and the shape of
    each tensor by its role.
    """

    name: str
    norm: bool
    names: Mapping[str, str]
    shapes: Mapping[str, Shape]


class Foreign(NamedTuple):
    """What a file was found to be. left: tensors that no net of ours has. eps: of its normalisations.
    pixels: what its pixels were less, and by.
    """

    family: str
    units: tuple[Unit, ...]
    left: tuple[str, ...]
    eps: float = 1e-5
    pixels: str = IMAGENET


class Family(NamedTuple):
    """A pattern that all names of layers must fit, and the rank of the words that they are made of:
    (group, place within a number). A word is what stands before the number at its end.
    """

    name: str
    pattern: str
    ranks: Mapping[str, tuple[int, int]]


FAMILIES = (
    Family(
        "DenseNet",
        r"(classifier|features\.(conv0|norm0|norm5|transition\d\.(norm|conv)|denseblock\d\.denselayer\d+\.(norm|conv)[12]))",
        {"features": (0, 0), "norm": (1, 0), "conv": (1, 1), "denseblock": (1, 2), "transition": (1, 3),
         "denselayer": (1, 0), "classifier": (9, 0)},
    ),
    Family(
        "features and classifier",
        r"(features|classifier)(\.\d+)+(\.conv(\.\d+)+)?|features\.\d+\.(squeeze|expand1x1|expand3x3)|classifier",
        {"features": (0, 0), "conv": (0, 0), "squeeze": (0, 0), "expand1x1": (1, 0), "expand3x3": (2, 0),
         "classifier": (9, 0)},
    ),
)  # fmt: skip
"""The last: AlexNet, VGG, SqueezeNet, MobileNet v2."""
STEM = ("features.conv0", "features.norm0")
"""In DenseNet's layers the normalisation comes first, in its stem last."""


def read_foreign(shapes: Mapping[str, Shape]) -> Foreign | None:
    """The layers of a file in their order; None where its names fit no family."""
    for order in ORDERS:
        if (found := read_ordered(shapes, order)) is not None:
            return found
    counters = tuple(name for name in shapes if name.rpartition(".")[2] == COUNTER)
    layers: dict[str, dict[str, str]] = {}
    for name in shapes:
        layer, _, last = name.rpartition(".")
        if last in ROLES:
            layers.setdefault(layer, {})[ROLES[last]] = name
        elif last != COUNTER:
            return None
    for family in FAMILIES:
        if layers and all(re.fullmatch(family.pattern, layer) for layer in layers):
            ordered = sorted(layers, key=lambda layer: rank(layer, family))
            units = tuple(make_unit(layer, layers[layer], shapes) for layer in ordered)
            return Foreign(family.name, units, counters)
    return None


def read_ordered(shapes: Mapping[str, Shape], order: Order) -> Foreign | None:
    """The layers of a file by a family's order; None where a name does not belong."""
    layers: dict[str, dict[str, str]] = {}
    places: dict[str, Place] = {}
    left = [name for name in shapes if name.endswith(COUNTER) or re.fullmatch(order.left, name)]
    for name in (name for name in shapes if name not in left):
        found = find_place(name, order)
        if found is None:
            return None
        layer, role, places[layer] = found
        layers.setdefault(layer, {})[role] = name
    if not layers:
        return None
    units = tuple(make_unit(layer, layers[layer], shapes) for layer in sorted(layers, key=places.__getitem__))
    return Foreign(order.family, units, tuple(left), order.eps, order.pixels or IMAGENET)


def make_unit(layer: str, names: Mapping[str, str], shapes: Mapping[str, Shape]) -> Unit:
    return Unit(layer, "mean" in names, names, {role: shapes[name] for role, name in names.items()})


def rank(layer: str, family: Family) -> list[tuple[int, int, int]]:
    """What a layer is sorted by: each of its words by group, number, and place within the number."""
    if layer in STEM:
        return [(0, 0, 0), (0, STEM.index(layer), 0)]
    return [rank_word(word, family) for word in layer.split(".")]


def rank_word(word: str, family: Family) -> tuple[int, int, int]:
    if word.isdecimal():
        return 0, int(word), 0
    found = re.fullmatch(r"(.*?)(\d*)", word)
    assert found is not None
    if word in family.ranks:
        group, place = family.ranks[word]
        return group, 0, place
    group, place = family.ranks[found[1]]
    return group, int(found[2] or 0), place
