"""The vocabulary: one definition per layer type, one file per family. Families are imported when a
type of theirs is first asked for.

In: parameters, and the types of the bottoms. Out: types of the tops, weights, MACs, torch module
and ONNX nodes as data. Must not know: the graph around it, places in a text, torch, onnx.
"""

from collections.abc import Iterable
from importlib import import_module

from netspec.ir.layer import REGISTRY, Layer
from netspec.layers.index import FAMILIES, TYPES

__all__ = ["every", "find", "types"]


def find(name: str) -> type[Layer] | None:
    """The layer type of that name, or of that older name (`CONVOLUTION`, `conv`); None if there is
    none.
    """
    if name in TYPES:
        canonical, family = TYPES[name]
        if canonical not in REGISTRY:
            import_module(f"netspec.layers.{family}")
        return REGISTRY[canonical]
    return REGISTRY.get(name)


def types() -> Iterable[str]:
    """Names of all types, without the older ones."""
    return sorted({canonical for canonical, _ in TYPES.values()} | set(REGISTRY))


def every() -> list[type[Layer]]:
    """All layer types, in the order of their names."""
    for family in FAMILIES:
        import_module(f"netspec.layers.{family}")
    return [REGISTRY[name] for name in sorted(REGISTRY)]
