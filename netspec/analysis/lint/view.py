"""What lints look at: a typed graph with its uses, windows and fields; and how they report. Knows
no rule.
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

from netspec.analysis.field.receptive_field import Fields, fields
from netspec.diagnostics.evidence import About
from netspec.diagnostics.model import Diagnostic, Label
from netspec.frozen_classes import frozen
from netspec.ir.dims import Size
from netspec.ir.field import ends
from netspec.ir.graph import Node, TypedGraph, Value
from netspec.ir.types import SPACE
from netspec.resolve.resolve import Resolved

__all__ = ["Found", "Lint", "Slide", "View", "finding", "place_of"]

Sizes = tuple[Size, ...]


class Found(NamedTuple):
    """A finding and the layer that may allow it."""

    node: Node | None
    diagnostic: Diagnostic


@frozen
class View:
    """One typed graph of a spec: "test", "train", or "learning", the net with the heads that
    training adds.

    length: iterations of the training, where they are known.
    """

    resolved: Resolved
    typed: TypedGraph
    kind: str
    length: int | None = None

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.typed.graph.nodes

    @cached_property
    def uses(self) -> dict[Value, list[Node]]:
        return self.typed.graph.uses()

    @cached_property
    def fields(self) -> Fields:
        return fields(self.typed)

    @cached_property
    def windows(self) -> tuple["Slide", ...]:
        """Windows along axes of known sizes that leave something unread, or lie outside."""
        # layers that say the same are one object: a deep net has few of them, and few sizes
        known: dict[tuple[int, Sizes, Sizes], tuple[Slide, ...]] = {}
        found: list[Slide] = []
        for node in self.nodes:
            if "windowed" in node.layer.traits:
                read, made = self.typed.bottoms(node)[0], self.typed.tops(node)[0]
                key = id(node.layer), read.shape, made.shape
                if key not in known:
                    known[key] = tuple(slides(self.typed, node))
                found += (slide._replace(node=node) for slide in known[key])
        return tuple(found)


class Slide(NamedTuple):
    """A window along one axis: all sizes are numbers. reach: from its first tap to its last, both
    counted.
    """

    node: Node
    axis: str
    size: int
    out: int
    stride: int
    reach: int
    begin: int

    @property
    def left(self) -> int:
        """Units behind the last window."""
        return self.size + self.begin - (self.out - 1) * self.stride - self.reach

    @property
    def past(self) -> bool:
        """Whether the last window begins behind the last unit."""
        return (self.out - 1) * self.stride - self.begin >= self.size


def slides(typed: TypedGraph, node: Node) -> Iterator[Slide]:
    image = node.layer.bottom(typed.bottoms(node)[0])
    window, tops = node.layer.window(image), typed.tops(node)[0].shape[-image.axes :]
    letters = SPACE.get(image.axes, tuple(f"D{i}" for i in range(image.axes)))
    for i, name in enumerate(letters):
        size, out, stride, reach = image.space[i], tops[i], window.stride[i], window.reach[i]
        begin, _ = ends(window.pads[i])
        if (
            type(size) is int
            and type(out) is int
            and type(stride) is int
            and type(reach) is int
            and type(begin) is int
        ):
            slide = Slide(node, name, size, out, stride, reach, begin)
            if slide.left > 0 or stride > reach or slide.past:
                yield slide


Lint = Callable[[View], Iterator[Found]]
"""One doubt: what it finds in one view. Each module lists its own, and `run.py` asks them."""


def finding(code: str, node: Node, fact: str, at: str, *notes: str, others: tuple[Label, ...] = ()) -> Found:
    return Found(
        node,
        Diagnostic(
            code,
            f"{node.name}: {fact}",
            node.places[at],
            others=others,
            notes=notes,
            about=About(node.name),
        ),
    )


def place_of(value: Value, text: str) -> tuple[Label, ...]:
    span = value.node.places["name"] if value.node is not None else None
    if span is not None:
        return (Label(span, text, "origin"),)
    return ()
