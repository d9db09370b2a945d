"""Random sizes, words and values for the nets of formulas.py, from one seed; and the text of a net of one layer."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

__all__ = ["Arrays", "Dice", "layer_text", "net_text", "repeated"]

Arrays = dict[str, Any]


class Dice(random.Random):
    """Draws for one net."""

    def __init__(self, seed: str) -> None:
        super().__init__(seed)
        self.numbers = np.random.default_rng(self.getrandbits(32))

    def chance(self, share: float) -> bool:
        return self.random() < share

    def size(self, least: int, most: int) -> int:
        return self.randint(least, most)

    def sizes(self, least: int, most: int, count: int) -> list[int]:
        return [self.randint(least, most) for _ in range(count)]

    def axis(self, axis: int, rank: int) -> int:
        """An axis as it is written: counted from the front or from the back."""
        return axis if self.chance(0.5) else axis - rank

    def normal(self, shape: Sequence[int]) -> np.ndarray:
        return self.numbers.standard_normal(shape)

    def whole(self, below: int, shape: Sequence[int]) -> np.ndarray:
        return self.numbers.integers(0, below, shape).astype(float)


def repeated(name: str, values: Iterable[Any]) -> str:
    return " ".join(f"{name}: {value}" for value in values)


def layer_text(
    type_: str, words: str = "", bottoms: Sequence[str] = ("x",), tops: Sequence[str] = ("y",)
) -> str:
    """A layer called l."""
    wires = [*(f'bottom: "{name}"' for name in bottoms), *(f'top: "{name}"' for name in tops)]
    return f'layer {{ name: "l" type: "{type_}" {" ".join(wires)} {words} }}'


def net_text(layer: str, inputs: Arrays) -> str:
    """The layer with an input layer for each of its bottoms."""
    shapes = {name: repeated("dim", value.shape) for name, value in inputs.items()}
    given = [
        f'layer {{ name: "{n}" type: "Input" top: "{n}" input_param {{ shape {{ {s} }} }} }}'
        for n, s in shapes.items()
    ]
    return "\n".join([*given, layer])
