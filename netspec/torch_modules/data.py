"""Torch modules of layers/data.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

from typing import Any

import torch
from torch import Tensor, nn

from netspec.torch_modules.base import FILLERS

# --- values in and out ------------------------------------------------------------------------------------------------


class DataSource(nn.Module):
    """The values that were passed in; if any is missing, what the reader reads, one batch a call,
    on the module's device.

    `reader`, a function without arguments that answers a tensor for each value, is set from
    outside.
    """

    reader: Any = None
    place: Tensor

    def __init__(self) -> None:
        super().__init__()
        # it moves with the module, and tells where values go
        self.register_buffer("place", torch.empty(0), persistent=False)

    def forward(self, *given: "Tensor | None") -> Any:
        if any(value is None for value in given):
            given = tuple(value.to(self.place.device) for value in self.read())
        if len(given) > 1:
            return given
        return given[0]

    def read(self) -> tuple[Tensor, ...]:
        if self.reader is None:
            raise RuntimeError("this data layer has nothing to read from: pass its values in")
        return tuple(self.reader())


class DummyData(DataSource):
    """Values made by fillers: constant ones are made once, random ones at each call."""

    def __init__(
        self, shapes: tuple[tuple[int, ...], ...], fillers: tuple[tuple[str, dict[str, Any]], ...]
    ) -> None:
        super().__init__()
        self.shapes, self.fillers = shapes, fillers
        self.constants: list[Tensor | None] = [None] * len(shapes)

    def read(self) -> tuple[Tensor, ...]:
        return tuple(self.fill(i) for i in range(len(self.shapes)))

    def fill(self, i: int) -> Tensor:
        kind, words = self.fillers[i]
        kept = self.constants[i]
        if kept is not None and kept.device == self.place.device and kept.dtype == self.place.dtype:
            return kept
        value = self.place.new_empty(self.shapes[i])
        FILLERS[kind](value, **words)
        if kind == "constant":
            self.constants[i] = value
        return value
