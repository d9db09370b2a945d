"""The whole numbers of a text that make sizes in a graph. In: nodes and inputs with their places;
out: each number, and what it makes.
"""

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from netspec.analysis.number_places import Written, within
from netspec.ir.graph import Node

__all__ = ["Use", "find_missing_pad", "uses"]


class Use(NamedTuple):
    """A parameter that a number makes: factor times it (0: not known how); position: which of
    several sizes it is, None for all.
    """

    node: Node
    name: str
    position: int | None = None
    factor: int = 1

    def make_value(self, number: int) -> object:
        """The parameter's value with another number; only where `factor` is known."""
        old = self.node.layer.__dict__[self.name]
        if not isinstance(old, tuple):
            return self.factor * number
        return tuple(number if self.position in (None, i) else size for i, size in enumerate(old))


def uses(node: Node) -> Iterator[tuple[Written, Use]]:
    """Each number behind a whole-number parameter of a layer."""
    for name in node.layer.params:
        value = node.layer.__dict__.get(name)
        if type(value) is not int and not (
            isinstance(value, tuple) and value and all(type(v) is int for v in value)
        ):
            continue
        spans = node.places.sources.get(name) or (
            (node.places.spans[name],) if name in node.places.spans else ()
        )
        found = [(span, list(within(span))) for span in spans]
        if isinstance(value, tuple):
            yield from find_in_list(node, name, value, [written for _, each in found for written in each])
        else:
            whole = prod(written.value for _, each in found for written in each) == value
            for span, each in found:
                yield from (
                    find_picked(node, name, value, each)
                    if "[" in span.text
                    else find_scaled(node, name, value, each, whole or len(spans) == 1)
                )


def find_missing_pad(node: Node) -> Written | None:
    """The kernel_size of a layer that says no pad, where one can be written behind it: in a mapping
    in braces, by itself.
    """
    own, span = node.layer.__dict__, node.places.spans.get("kernel_size")
    if span is None or "pad" in node.places or "kernel_size" in node.places.sources or own.get("pad") != 0:
        return None
    line = span.source.text[span.source.text.rfind("\n", 0, span.start) + 1 : span.start]
    if span.text == str(own["kernel_size"]) and line.count("{") > line.count("}"):
        return Written(span, own["kernel_size"])
    return None


def find_in_list(
    node: Node, name: str, value: tuple[int, ...], found: list[Written]
) -> Iterator[tuple[Written, Use]]:
    """Numbers of a list, one for each of the parameter's, or one for all."""
    if tuple(written.value for written in found) == value:
        yield from ((written, Use(node, name, i)) for i, written in enumerate(found))
    else:
        alone = len(found) == 1 and set(value) == {found[0].value}
        yield from ((written, Use(node, name, factor=int(alone))) for written in found)


def find_picked(node: Node, name: str, value: int, found: list[Written]) -> Iterator[tuple[Written, Use]]:
    """The number of a list that an expression takes: `${[32, 64, 128][i]}`."""
    same = [written for written in found if written.value == value]
    yield from ((written, Use(node, name, factor=int(len(same) == 1))) for written in same)


def find_scaled(
    node: Node, name: str, value: int, found: list[Written], product: bool
) -> Iterator[tuple[Written, Use]]:
    """Numbers of which a parameter is a multiple: `${4 * width}`; 0 is one where it stands by
    itself.
    """
    for written in found:
        if written.value == value == 0:
            yield written, Use(node, name, factor=int(node.places.spans.get(name) == written.span))
        else:
            divides = product and written.value and value % written.value == 0
            yield written, Use(node, name, factor=value // written.value if divides else 0)
