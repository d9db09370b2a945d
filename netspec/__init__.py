"""netspec: a network spec in Caffe's words, checked, compiled to PyTorch, trained, exported to ONNX and served.

Names are imported when first used, so that `import netspec` costs nothing.
"""

from importlib import import_module

from netspec.version import __version__

TYPE_CHECKING = False  # not from typing: under `python -m netspec` the working folder is on the module path until __main__ runs
if TYPE_CHECKING:
    from typing import Any

    from netspec.api import check, compile, load, load_weights
    from netspec.diagnostics import SpecError
    from netspec.export.export import certify, export
    from netspec.training.train import train

__all__ = ["SpecError", "__version__", "certify", "check", "compile", "export", "load", "load_weights", "train"]

PLACES = {
    "SpecError": "netspec.diagnostics",
    "train": "netspec.training.train",
    "certify": "netspec.export.export",
    **dict.fromkeys(("check", "compile", "load", "load_weights"), "netspec.api"),
}


def __getattr__(name: str) -> "Any":
    if name == "export":
        return import_module("netspec.export")  # a package that is callable
    if name in PLACES:
        return getattr(import_module(PLACES[name]), name)
    raise AttributeError(f"module 'netspec' has no attribute {name!r}")
