"""Torch modules of layers/data_images.py that nn lacks. Inlined into emitted files, so it needs
torch alone.
"""

from typing import Any

from torch import Tensor

from netspec.torch_modules.data import DataSource


class MemoryData(DataSource):
    """Samples and labels that were passed in, labels as (N, 1, 1, 1)."""

    def forward(self, *given: "Tensor | None") -> Any:
        samples, labels = super().forward(*given)
        return samples, labels.reshape(-1, 1, 1, 1)
