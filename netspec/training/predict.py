"""A run as something that predicts: one batch in, outputs by name out, both numpy. In: a run's
folder.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from netspec.data.source import Array
from netspec.diagnostics import fail
from netspec.read_options import PLAIN, Reading
from netspec.resolve.sections.image import ImageContract
from netspec.training.batches.feeds import ports_of
from netspec.training.device import exact_float32, find_device
from netspec.training.run.folder import LoadedRun, load_run

__all__ = ["Opened", "open_run"]


@dataclass(frozen=True, eq=False)
class Opened:
    """A run's net on its device; contract and sample shape of its only input."""

    loaded: LoadedRun
    net: nn.Module
    device: torch.device
    contract: ImageContract | None
    shape: tuple[int | None, ...]

    def run(self, batch: Array) -> dict[str, Array]:
        """Outputs by name for a batch (N, ...) float32."""
        net: Any = self.net
        with torch.no_grad(), exact_float32():
            made = net(torch.from_numpy(batch).to(self.device))
        values: Mapping[str, Tensor] = {net.outputs[0]: made} if isinstance(made, Tensor) else made
        return {name: value.cpu().numpy() for name, value in values.items()}


def open_run(folder: str, weights: str = "last", device: str = "auto", reading: Reading = PLAIN) -> Opened:
    """Load a run to predict with. Raises SpecError as load_run does, NS678 (no such device), NS685
    (several inputs).
    """
    place = find_device(device)
    loaded = load_run(folder, weights, str(place), reading)
    ports = ports_of(loaded.typed)
    if len(ports) != 1:
        raise fail("NS685", f"the inputs are {', '.join(ports) or 'none'}: predict feeds one", path=folder)
    port = next(iter(ports.values()))
    return Opened(loaded, loaded.net, place, port.contract, port.shape or ())
