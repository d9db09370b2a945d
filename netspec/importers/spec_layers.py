"""Upgraded layers -> layer entries of a spec: wiring that the defaults would give is left out, what
has no place in a spec is listed.
"""

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from netspec.caffe.schema import enum_names
from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.diagnostics.suggest import nearest
from netspec.importers.decode import Piece, fields_of
from netspec.importers.layer_types import definition, list_types
from netspec.ir.layer import Layer
from netspec.ir.traits import ASIDE, SOURCE
from netspec.resolve.sections.spec_file import LayerFields

__all__ = ["Wires", "entries", "literal", "without_idle_strangers"]

ORDER = (
    "name",
    "type",
    "bottom",
    "top",
    "include",
    "exclude",
    "phase",
    "loss_weight",
    "propagate_down",
    "param",
)
# what stays a list where there is one of it
LISTS = frozenset(("dim", "param", "mean_value", "slice_point", "stepvalue"))
EFFECTLESS = frozenset(
    (
        "engine",
        "force_nd_im2col",
        "debug_info",
        "share_in_parallel",
        "prefetch",
        "cache_images",
        "force_encoded_color",
    )
)

DRAWN = ("visualize", "visualize_threshold", "save_file")
"""What SSD's fork draws or writes beside its boxes."""
OFF = ("ignore_cross_boundary_bbox",)
"""What forks can switch on, and netspec cannot."""
PRECISION = "the fork's choice of precision; netspec computes in float32"
OF_FORKS = {
    "engine": "it does not change what the layer computes",
    **dict.fromkeys(("forward_type", "backward_type", "forward_math", "backward_math"), PRECISION),
    "quantization_param": "the fork's fixed-point form; netspec quantizes at export",
}
"""What forks add to every layer, and why it does not go into the spec."""


class Wires(NamedTuple):
    """The blobs that a layer of the file reads and makes, by their names there."""

    bottoms: tuple[str, ...]
    tops: tuple[str, ...]


def entries(layers: Iterable[Piece], inputs: list[str], diagnostics: Diagnostics) -> list[dict[str, Any]]:
    """One mapping per layer. NS022: unknown type; NS021: a parameter that its type does not have
    here; NS025: left out.
    """
    wiring = Wiring(inputs)
    found = []
    for index, layer in enumerate(layers):
        name = str(layer.get("name") or (layer.get("top") or [f"layer{index + 1}"])[0])
        cls = definition(layer["type"])
        if cls is None:
            unknown_type(layer, diagnostics)
        entry = {
            "name": literal(name),
            "type": literal(layer["type"]),
            **wiring.of(name, layer, cls),
        }
        fields = parameters(layer, cls, diagnostics)
        entry.update(
            {
                key: fields[key]
                for key in ORDER
                if key in fields and key not in entry and key not in ("bottom", "top")
            }
        )
        entry.update({key: value for key, value in fields.items() if key not in ORDER})
        found.append(entry)
    return found


class Wiring:
    """Follows which value a bottom left out would mean, in every phase; where phases could differ
    there is none.
    """

    def __init__(self, inputs: list[str]) -> None:
        self.last = inputs[0] if len(inputs) == 1 else None
        self.begun = False

    def of(self, name: str, layer: Piece, cls: type[Layer] | None) -> dict[str, Any]:
        """`bottom` and `top` of a layer where they must be written."""
        bottoms, tops = layer.get("bottom", []), layer.get("top", [])
        wired: dict[str, Any] = {}
        if bottoms and not (cls is not None and cls.bottoms[0] == 1 and bottoms == [self.last]):
            wired["bottom"] = single([literal(b) for b in bottoms])
        if (tops and tops != [name]) or (not tops and cls is None):
            wired["top"] = single([literal(t) for t in tops])
        self.follow(layer, cls, tops or [name])
        return wired

    def follow(self, layer: Piece, cls: type[Layer] | None, tops: list[str]) -> None:
        """The layer before the next one, for a bottom left out."""
        conditional = any(key in layer for key in ("include", "exclude"))
        if cls is None or (cls.traits & SOURCE and not self.begun):
            self.last = None
        elif not cls.traits & ASIDE and cls.tops[1] != 0:
            self.last = None if conditional else tops[0]
            self.begun = True


def without_idle_strangers(layers: list[Piece], diagnostics: Diagnostics) -> list[Piece]:
    """The layers without those of unknown types that only some phase has and that nothing reads, as
    a fork's evaluation; an NS025 for each.

    One that may be misspelt stays (a fork's own, as SSD's VideoData, is none), and so does one that
    others read: the phase that has it is not the same net without.
    """
    readers = Counter(name for layer in layers for name in set(layer.get("bottom", ())))
    kept = []
    for layer in layers:
        conditional = "include" in layer or "exclude" in layer
        sure = of_a_fork(layer["type"]) or not near_types(layer["type"])
        if conditional and definition(layer["type"]) is None and sure and not read_by_others(layer, readers):
            fact = (
                f"{layer.owner}: its type {layer['type'] or '(none)'} is unknown, and no layer reads what it"
                " makes"
            )
            diagnostics.add(Diagnostic("NS025", fact, layer.span("type") or layer.opening))
        else:
            kept.append(layer)
    return kept


def of_a_fork(type_: str) -> bool:
    """Whether an unknown type is one that a fork of Caffe has, by the name of its parameters: no
    other type is misspelt so.
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type_).lower() + "_param" in fields_of("LayerParameter")


def read_by_others(layer: Piece, readers: Counter[str]) -> bool:
    """Whether a layer makes anything that another one takes. readers: how many layers take each
    blob.
    """
    own = layer.get("bottom", ())
    # in place a layer reads its own top
    return any(readers[top] > (top in own) for top in layer.get("top", ()))


def unknown_type(layer: Piece, diagnostics: Diagnostics) -> None:
    near = near_types(layer["type"])
    label = f"did you mean {near}?" if near else "no layer has this type"
    span = layer.span("type") or layer.opening
    diagnostics.add(
        Diagnostic(
            "NS022",
            f"{layer.owner} has type {layer['type'] or '(none)'}; kept in the spec as it is",
            span,
            label,
        )
    )


@cache
def near_types(name: str) -> str:
    """The types that an unknown one may stand for."""
    return " or ".join(nearest(name, list_types(), 2))


def parameters(layer: Piece, cls: type[Layer] | None, diagnostics: Diagnostics) -> dict[str, Any]:
    """Everything of a layer but its name, type and wiring."""
    found: dict[str, Any] = {}
    for key, value in layer.items():
        if key == "blobs":
            note_left_out(layer, key, "weights stand in a weights file, give it by --weights", diagnostics)
        elif key in OF_FORKS:
            note_left_out(layer, key, OF_FORKS[key], diagnostics)
        elif key in LayerFields.names or cls is None or not isinstance(value, dict):
            found[key] = clean(key, value)
        elif key in cls.groups:
            found[key] = {
                name: clean(name, item)
                for name, item in value.items()
                if keep(name, key, value, layer, diagnostics)
            }
        elif key in fields_of("LayerParameter"):
            note_left_out(
                layer,
                key,
                f"Caffe does not read it in a layer of type {layer['type']}",
                diagnostics,
            )
        else:
            found[key] = clean(key, value)
    return {key: value for key, value in found.items() if value != {}}


@cache
def names_in(type_: str, group: str) -> frozenset[str]:
    """The parameters that a layer type has in a param map, in every spelling."""
    cls = definition(type_)
    return frozenset(
        spelling
        for spelling, declared in (cls.names if cls else {}).items()
        if cls and cls.group_of(declared) == group
    )


def keep(name: str, group: str, values: dict[str, Any], layer: Piece, diagnostics: Diagnostics) -> bool:
    """Whether a field of a param map goes into the spec; one that has no effect on the numbers does
    not.
    """
    foreign = (
        name in EFFECTLESS and isinstance(values[name], str) and values[name] not in enum_names("Engine")
    )
    if name in names_in(layer["type"], group) and not foreign:
        return True
    if isinstance(values, Piece):
        span = values.span(name)
    else:
        span = layer.span(group)
    if name in EFFECTLESS:
        diagnostics.add(
            Diagnostic(
                "NS025",
                f"{name} of {layer.owner}: it does not change what the layer computes",
                span,
            )
        )
        return False
    cls = definition(layer["type"])
    if name in DRAWN or (cls is not None and "data" in cls.traits):
        if name in DRAWN:
            why = "it does not change what the layer computes"
        else:
            why = "netspec's data layer has no such word"
        diagnostics.add(Diagnostic("NS025", f"{name} of {layer.owner}: {why}", span))
        return False
    if name in OFF and values[name] is False:
        diagnostics.add(Diagnostic("NS025", f"{name} of {layer.owner}: it is false, as here", span))
        return False
    if name in select_known_fields(group):
        diagnostics.add(
            Diagnostic(
                "NS021",
                f"{name} of {layer.owner}; {layer['type']} has no such parameter here; kept as it is",
                span,
            )
        )
    return True


def select_known_fields(group: str) -> dict[str, Any]:
    """The fields that the tables know of a param map; others were listed when they were read."""
    slot = fields_of("LayerParameter").get(group)
    if slot is not None and slot.message:
        return dict(fields_of(slot.message))
    return {}


def note_left_out(layer: Piece, key: str, why: str, diagnostics: Diagnostics) -> None:
    diagnostics.add(Diagnostic("NS025", f"{key} of {layer.owner}: {why}", layer.span(key) or layer.opening))


def clean(key: str, value: Any) -> Any:
    """A value as a spec writes it: text that means itself, a list of one as that one where the spec
    takes both.
    """
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, list):
        items = [clean(key, item) for item in value]
        if key in LISTS:
            return items
        return single(items)
    if isinstance(value, dict):
        return {name: clean(name, item) for name, item in value.items()}
    return value


def single(items: list[Any]) -> Any:
    if len(items) == 1:
        return items[0]
    return items


def literal(value: Any) -> Any:
    """A text in which `$` means itself, as a spec spells it."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    return value
