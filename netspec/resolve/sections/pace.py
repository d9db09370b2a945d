"""How a net runs in training, as a value. Knows no torch."""

from typing import Literal, NamedTuple

__all__ = ["Layout", "PaceWords", "Precision"]

Layout = Literal["contiguous", "channels_last", "auto"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]


class PaceWords(NamedTuple):
    """`train.layout`, `train.compile`, `train.precision`."""

    layout: Layout = "contiguous"
    compile: bool = False
    precision: Precision = "fp32"
