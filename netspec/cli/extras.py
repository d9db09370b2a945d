"""Which extra of pip's brings a package that is not there. In: what an import raised; out: the
finding, or nothing where no extra would bring it.
"""

from netspec.diagnostics import Diagnostic

__all__ = ["EXTRAS", "tell_missing"]

EXTRAS = {
    "torch": "train",
    "safetensors": "train",
    "onnx": "train",
    "sklearn": "train",
    "scipy": "train",
    "h11": "serve",
    "httptools": "serve",
    "uvloop": "serve",
    "orjson": "serve",
    "prometheus_client": "serve",
    "tensorboard": "tensorboard",
}
"""Packages by the name that they are imported by, and the extra that has them; `data` and `parquet`
are told by the sources that read such files.
"""
NAMES = {"sklearn": "scikit-learn", "prometheus_client": "prometheus-client"}


def tell_missing(error: ModuleNotFoundError) -> Diagnostic | None:
    """NS657 for a package of an extra."""
    name = error.name or ""
    if name not in EXTRAS:
        return None
    extra = EXTRAS[name]
    return Diagnostic("NS657", f"this needs {NAMES.get(name, name)}: pip install 'netspec[{extra}]'")
