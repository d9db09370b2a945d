"""Layer types as files of any Caffe generation name them -> today's names. The names are facts of
the layer definitions.
"""

from functools import cache

from netspec import layers
from netspec.ir.layer import Layer
from netspec.layers.index import TYPES

__all__ = ["definition", "list_types", "modern_type"]


@cache
def modern_type(name: str) -> str:
    """Today's name of a layer type: CONVOLUTION and conv are Convolution, a fork's INTERP is
    Interp; an unknown one stays as it is.
    """
    if name in TYPES:
        return TYPES[name][0]
    return fold_types().get(fold(name), name)


@cache
def definition(name: str) -> type[Layer] | None:
    """The layer type of that name, of whatever generation; None if there is none."""
    return layers.find(modern_type(name))


def list_types() -> list[str]:
    """Today's names, for a suggestion."""
    return list(layers.types())


@cache
def fold_types() -> dict[str, str]:
    """Today's names by their letters alone, as forks spelt their additions to the old enum."""
    return {fold(name): name for name in layers.types()}


def fold(name: str) -> str:
    return name.replace("_", "").casefold()
