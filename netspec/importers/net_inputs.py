"""What a network takes from outside, in its three spellings (input_dim, input_shape, Input layers)
-> input names with their shapes.
"""

from typing import Any

from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.importers.decode import Piece
from netspec.source import Span

__all__ = ["input_places", "net_inputs"]

LEGACY_AXES = 4  # input_dim has N, C, H, W
Shapes = dict[str, list[int]]


def net_inputs(net: Piece, layers: list[Piece], diagnostics: Diagnostics) -> tuple[Shapes, list[Piece]]:
    """Shapes by name, and the layers without those Input layers that became inputs. NS023 for an
    input without a shape.

    An Input layer that only some phases keep stays a layer.
    """
    inputs = read_declared(net, diagnostics)
    kept = []
    for layer in layers:
        if layer["type"] == "Input" and not any(key in layer for key in ("include", "exclude")):
            inputs.update(of_layer(layer, diagnostics))
        else:
            kept.append(layer)
    return inputs, kept


def input_places(net: Piece, layers: list[Piece]) -> dict[str, Span]:
    """Where the shape of each input stands, or the first of several."""
    own = net.span("input_shape") or net.span("input_dim") or net.opening
    found = dict.fromkeys(net.get("input", ()), own)
    for layer in layers:
        if layer["type"] == "Input":
            place = layer.span("input_param") or layer.opening
            found.update(dict.fromkeys(layer.get("top") or [layer.get("name", "data")], place))
    return found


def read_declared(net: Piece, diagnostics: Diagnostics) -> Shapes:
    """The net's own `input` fields: with input_shape each its own, with input_dim four numbers
    each.
    """
    names, shapes, dims = net.get("input", []), net.get("input_shape", []), net.get("input_dim", [])
    if shapes:
        listed = [list(shape.get("dim", [])) for shape in shapes if isinstance(shape, dict)]
    else:
        listed = [
            dims[i : i + LEGACY_AXES] for i in range(0, len(dims) - len(dims) % LEGACY_AXES, LEGACY_AXES)
        ]
    if len(listed) != len(names) or (not shapes and len(dims) % LEGACY_AXES):
        if shapes:
            given = f"{len(shapes)} input_shape"
        else:
            given = f"{len(dims)} input_dim"
        need = "" if shapes else f" ({LEGACY_AXES} each)"
        span = net.span("input") or net.span("input_shape") or net.span("input_dim")
        diagnostics.add(
            Diagnostic("NS023", f"{len(names)} inputs need as many shapes{need}: there are {given}", span)
        )
    return dict(zip(names, listed, strict=False))


def of_layer(layer: Piece, diagnostics: Diagnostics) -> Shapes:
    """Tops and shapes of an Input layer: one shape for all tops, or one each."""
    tops = layer.get("top") or [layer.get("name", "data")]
    param: Any = layer.get("input_param", {})
    shapes = [list(shape.get("dim", [])) for shape in param.get("shape", []) if isinstance(shape, dict)]
    if len(shapes) == 1:
        shapes *= len(tops)
    if len(shapes) != len(tops):
        fact = f"{layer.owner} has {len(tops)} tops and {len(shapes)} shapes: one shape, or one for each top"
        diagnostics.add(Diagnostic("NS023", fact, layer.span("input_param") or layer.opening))
    return dict(zip(tops, shapes, strict=False))
