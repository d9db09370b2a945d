"""How a net runs in training, as a value. Knows no torch."""

from typing import Literal, NamedTuple

__all__ = ["Compile", "Layout", "PaceWords", "Precision"]

Compile = bool | Literal["auto"]
Layout = Literal["contiguous", "channels_last", "auto"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]


class PaceWords(NamedTuple):
    """`train.layout`, `train.compile`, `train.precision`."""

    layout: Layout = "contiguous"
    compile: Compile = False
    precision: Precision = "fp32"
