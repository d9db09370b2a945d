"""The Python API: load, check, compile. torch is imported by compile alone."""

import os
from typing import TYPE_CHECKING

from netspec.diagnostics.model import Diagnostic, Diagnostics
from netspec.read_options import Reading
from netspec.repair.check import check_source
from netspec.syntax.reader import read_file

if TYPE_CHECKING:
    from torch import nn

__all__ = ["check", "load_weights"]


def check(path: str, *, allow_code: bool = False) -> list[Diagnostic]:
    """All findings on a spec, errors and warnings, sorted by place; none for a clean one. Never
    raises SpecError.

    path, allow_code: as in `load`.

    >>> text = "input: {data: [N, 3]}\\nlayers: [{name: score, type: InnerProduct, num_outputs: 10, weight_filler: xavier}]"
    >>> _ = Path("mine.yaml").write_text(text)
    >>> for found in netspec.check("mine.yaml"):
    ...     print(found.code, found.severity, found.place, found.message)
    NS102 error mine.yaml unknown key: InnerProduct score has no num_outputs
    """
    diagnostics = Diagnostics()
    source = read_file(os.fspath(path), diagnostics)
    if source is not None:
        return check_source(source, Reading(allow_code=allow_code))
    return diagnostics.sorted()


def load_weights(net: "nn.Module", path: str) -> "nn.Module":
    """Copy the weights of a safetensors file into a network that `compile` made, all or none;
    answers the network.

    path: a file of a run, `best.safetensors` or `weights.safetensors`, or one that `netspec import
    --weights` wrote. Raises SpecError: NS001 (no such file), NS674 (damaged), NS676 for each tensor
    that is missing, of another shape or of no layer, NS705 for a module that `compile` did not make
    from a spec.

    >>> result = netspec.train("zoo:lenet-digits", "runs/a", settings=["train.solver.max_iter=1"])
    >>> net = netspec.load_weights(netspec.compile("zoo:lenet-digits"), "runs/a/weights.safetensors")
    """
    from netspec.training.run import loading

    return loading.load_weights(net, path)
