"""Python layers of well-known projects -> the layer types that do the same. In and out: upgraded
layers.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from netspec.diagnostics import Diagnostics
from netspec.importers.decode import Piece
from netspec.layers.python import PUBLISHED
from netspec.source import Source
from netspec.syntax.reader import read

__all__ = ["replace_published"]


def replace_published(layers: Iterable[Piece]) -> Iterator[Piece]:
    """The layers, those whose class is known, and each word of their `param_str`, in the words of
    the type that stands for it.
    """
    for layer in layers:
        words = layer.get("python_param")
        if not isinstance(words, Piece):
            yield layer
            continue
        known = PUBLISHED.get((str(words.get("module")), str(words.get("layer"))))
        yield (layer if known is None else rename_layer(layer, str(words.get("param_str", "")), *known))


def rename_layer(layer: Piece, text: str, type_: str, group: str, names: dict[str, str]) -> Piece:
    given = values_of(text)
    if given is None or not given.keys() <= names.keys():
        return layer
    one = Piece(layer.message, layer.owner)
    one.update({key: value for key, value in layer.items() if key != "python_param"})
    one["type"] = type_
    if given:
        one[group] = {names[key]: value for key, value in given.items()}
    return one


def values_of(text: str) -> dict[str, Any] | None:
    """The numbers and lists of numbers of a `param_str`; None where it holds anything else."""
    if not text.strip():
        return {}
    tree = read(Source("param_str", text), Diagnostics())
    if tree is None or not isinstance(tree.value, dict):
        return None
    plain = {
        key: [each.value for each in item.items] if isinstance(item.value, list) else item.value
        for key, item in tree.mapping.items()
    }
    sound = all(
        isinstance(n, int | float)
        for value in plain.values()
        for n in (value if isinstance(value, list) else [value])
    )
    if sound:
        return plain
    return None
