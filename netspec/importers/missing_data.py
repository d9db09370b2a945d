"""Layers that bring data in from files that are not here -> inputs of the net, where their shapes
are said. In and out: decoded layers.

A layer without bottoms that netspec cannot run (a fork's data layer, a Python one, one of DIGITS
that names no source) goes once its tops are inputs; Caffe's own stay, and take the shapes.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.importers.decode import Piece
from netspec.importers.layer_types import definition

__all__ = ["Shape", "wanting_shapes", "without_replaced"]

Shape = list[int | str]


def without_replaced(
    layers: Iterable[Piece], given: Mapping[str, Shape], diagnostics: Diagnostics
) -> list[Piece]:
    """The layers without those that netspec cannot run and whose tops are all given as inputs; an
    NS025 for each.
    """
    kept = []
    for layer in layers:
        if brings_in(layer) and not runs(layer) and set(layer.get("top", ())) <= given.keys():
            fact = f"{layer.owner}: its tops {', '.join(layer['top'])} are inputs of the net"
            diagnostics.add(Diagnostic("NS025", fact, layer.span("type") or layer.opening))
        else:
            kept.append(layer)
    return kept


def wanting_shapes(
    layers: Iterable[Piece], inputs: Iterable[str], file: Path, diagnostics: Diagnostics
) -> None:
    """NS033 for each layer that brings in data which are not here, as long as the shapes of its
    tops are not said.
    """
    known = set(inputs)
    for layer in layers:
        missing = [top for top in layer.get("top", ()) if top not in known]
        if not missing or not brings_in(layer):
            continue
        source = source_of(layer)
        if runs(layer) and (not source or any(there(folder / source) for folder in (file.parent, Path()))):
            continue
        options = " ".join(
            f"--input {top}={','.join(map(str, shape))}" for top, shape in likely(layer, missing).items()
        )
        known.update(missing)
        diagnostics.add(
            Diagnostic(
                "NS033",
                f"{layer.owner} {why(layer, source)}",
                layer.span("type") or layer.opening,
                "say the shapes of its tops",
                notes=(
                    f"for example: netspec import ... {options}",
                    "or under input: in the spec, by the same names",
                ),
            )
        )


def brings_in(layer: Piece) -> bool:
    """Whether a layer has tops out of nothing, and no definition of ours says that this is all it
    needs.
    """
    cls = definition(layer["type"])
    return (
        not layer.get("bottom")
        and bool(layer.get("top"))
        and (cls is None or bool(cls.traits & {"data", "stands_in"}))
    )


def runs(layer: Piece) -> bool:
    """Whether netspec could read the data, were they here: it knows the type, and the layer names
    the source that its type needs.
    """
    cls = definition(layer["type"])
    return cls is not None and "stands_in" not in cls.traits and not lacks_source(layer)


def lacks_source(layer: Piece) -> bool:
    """Whether a layer lacks the source that its type must have: DIGITS fills it in when it
    trains.
    """
    cls = definition(layer["type"])
    return (
        cls is not None and "source" in cls.params and cls.params["source"].required and not source_of(layer)
    )


def why(layer: Piece, source: str) -> str:
    """What keeps a layer from bringing its data in."""
    if lacks_source(layer):
        return "names no source"
    if source and runs(layer):
        return f"reads {source}, which is not here"
    return f"has type {layer['type']}, which netspec cannot run"


def there(path: Path) -> bool:
    """Whether a file or folder exists; what no file can be called does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def source_of(layer: Piece) -> str:
    """The file or folder that a layer names as the source of its data; empty for none."""
    found = [value.get("source") for value in layer.values() if isinstance(value, dict)]
    return next((str(source) for source in found if isinstance(source, str)), "")


def likely(layer: Piece, tops: Iterable[str]) -> dict[str, Shape]:
    """Shapes that such data mostly have, with letters where the layer does not say: images first,
    then labels.
    """
    batch = number(layer, "batch_size") or "N"
    height = number(layer, "crop_size") or number(layer, "new_height") or "H"
    width = number(layer, "crop_size") or number(layer, "new_width") or "W"
    first = layer.get("top", [""])[0]
    return {top: [batch, 3, height, width] if top == first else [batch] for top in tops}


def number(layer: Piece, name: str) -> Any:
    """A number of that name in any of the layer's param maps."""
    found = (value.get(name) for value in layer.values() if isinstance(value, dict))
    return next((value for value in found if isinstance(value, int) and not isinstance(value, bool)), None)
