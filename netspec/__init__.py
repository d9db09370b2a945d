"""netspec: a network spec in Caffe's words, checked, compiled to PyTorch, trained, exported to ONNX
and served.

Names are imported when first used, so that `import netspec` costs nothing.
"""

from importlib import import_module

from netspec.version import __version__

TYPE_CHECKING = False  # not from typing: under `python -m netspec` the working folder is on the module path until __main__ runs
if TYPE_CHECKING:
    from typing import Any

    from netspec.api import check, load_weights
    from netspec.compiled import compile, load
    from netspec.diagnostics import SpecError
    from netspec.exporters.export import certify, export
    from netspec.training.train import train

__all__ = [
    "SpecError",
    "__version__",
    "certify",
    "check",
    "compile",
    "export",
    "load",
    "load_weights",
    "train",
]

PLACES = {
    "SpecError": "netspec.diagnostics",
    "train": "netspec.training.train",
    **dict.fromkeys(("check", "load_weights"), "netspec.api"),
    **dict.fromkeys(("compile", "load"), "netspec.compiled"),
    **dict.fromkeys(("certify", "export"), "netspec.exporters.export"),
}


def __getattr__(name: str) -> "Any":
    if name in PLACES:
        return getattr(import_module(PLACES[name]), name)
    raise AttributeError(f"module 'netspec' has no attribute {name!r}")
