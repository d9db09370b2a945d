"""A run as something that predicts: one batch in, outputs by name out, both numpy. In: a run's
folder.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from netspec.data.source import Array
from netspec.read_options import PLAIN, Reading
from netspec.training.batches.feeding import Port
from netspec.training.batches.feeds import arguments, ports_of
from netspec.training.device import exact_float32, find_device
from netspec.training.run.folder import LoadedRun, load_run

__all__ = ["Opened", "open_run"]


@dataclass(frozen=True, eq=False)
class Opened:
    """A run's net on its device; what each of its inputs takes."""

    loaded: LoadedRun
    net: nn.Module
    device: torch.device
    ports: Mapping[str, Port]

    def run(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name for a batch of each input."""
        net: Any = self.net
        given = {
            arguments(net)[name]: torch.from_numpy(array).to(self.device) for name, array in batch.items()
        }
        with torch.no_grad(), exact_float32():
            made = net(**given)
        values: Mapping[str, Tensor] = {net.outputs[0]: made} if isinstance(made, Tensor) else made
        return {name: value.cpu().numpy() for name, value in values.items()}


def open_run(folder: str, weights: str = "last", device: str = "auto", reading: Reading = PLAIN) -> Opened:
    """Load a run to predict with. Raises SpecError as load_run does, NS678 (no such device)."""
    place = find_device(device)
    loaded = load_run(folder, weights, str(place), reading)
    return Opened(loaded, loaded.net, place, ports_of(loaded.typed))
