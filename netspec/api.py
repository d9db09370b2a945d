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
    """All findings on a spec, sorted by place; none for a clean one."""
    diagnostics = Diagnostics()
    source = read_file(os.fspath(path), diagnostics)
    if source is not None:
        return check_source(source, Reading(allow_code=allow_code))
    return diagnostics.sorted()


def load_weights(net: "nn.Module", path: str) -> "nn.Module":
    """Copy the weights of a safetensors file into a compiled network, all or none; answers it.

    Raises SpecError (training/run/loading.py).
    """
    from netspec.training.run import loading

    return loading.load_weights(net, path)
