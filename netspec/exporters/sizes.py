"""Which sizes a model takes, as data in its file. In: a typed graph; out: JSON that needs neither
the spec nor netspec's rules.

`parts` are computed one after the other from the symbols; each demand compares two sums of them.
`serving.sizes` reads it.
"""

import json
from collections.abc import Iterator
from typing import Any

from netspec.analysis.sizes.coupling import joint
from netspec.analysis.sizes.legal import Axis, LegalSizes, legal_sizes
from netspec.emit.onnx_contract import raw_type
from netspec.ir.dims import Atom, Extremum, Quotient, Size, symbols, untrace
from netspec.ir.graph import TypedGraph
from netspec.ir.rule import WORDS

__all__ = ["KEY", "sizes_of"]

KEY = "netspec.sizes"
LONGEST = 300
"""Characters of a requirement's text: longer ones are told without their arithmetic."""


def sizes_of(typed: TypedGraph) -> str | None:
    """The conditions on the model's open sizes as JSON; None where every size that it declares will
    do.

    `axes`: per symbol its progressions [start, step, last or null] and what it is coupled to;
    `coupled`: sentences; `parts` and `demands`: the requirements themselves. A sum is a number or a
    list of [count, factor...], a factor a symbol or the number of a part.
    """
    given = frozenset(
        name for i in typed.graph.inputs for size in typed.types[i.value].shape for name in symbols(size)
    )
    writing = Writing()
    demands, axes, coupled = list(crops(typed, writing)), {}, tuple[str, ...]()
    if given:
        found = legal_sizes(typed)
        for node, fact in found.demands:
            if symbols(fact.left) | symbols(fact.right) <= given:
                demands.append(
                    writing.demand(
                        (node.name, node.layer.type), fact.kind, fact.left, fact.right, fact.because
                    )
                )
        axes = {axis.name: describe_axis(axis, found) for axis in found.axes}
        coupled = joint(found)
    if not demands:
        return None
    first: dict[str, dict[str, Any]] = {}
    for demand in demands:
        first.setdefault(json.dumps([demand[key] for key in ("kind", "left", "right")]), demand)
    return json.dumps(
        {"axes": axes, "coupled": coupled, "parts": writing.parts, "demands": [*first.values()]},
        separators=(",", ":"),
    )


def describe_axis(axis: Axis, found: LegalSizes) -> dict[str, Any]:
    together = [name for name in axis.coupled if name in found.places]
    alone = not axis.coupled
    said = {
        "where": axis.where,
        "text": axis.text if alone else f"{axis.name} is coupled with {', '.join(axis.coupled)}",
    }
    return said | (
        {"progressions": [list(p) for p in axis.progressions]} if alone else {"together": together}
    )


def crops(typed: TypedGraph, writing: "Writing") -> Iterator[dict[str, Any]]:
    """An image must hold the crop that the model cuts from it."""
    for i in typed.graph.inputs:
        raw, crop = (
            raw_type(i, typed.types[i.value]),
            i.contract.crop if i.contract is not None else None,
        )
        for size, least in zip(raw.space, crop or (), strict=False):
            if not isinstance(size, int):
                yield writing.demand(
                    (i.value.name, "input"), "at_least", size, least, "an image must hold the crop"
                )


class Writing:
    """Sizes as sums over numbered parts; a part that several sizes hold is written once."""

    def __init__(self) -> None:
        self.parts: list[list[Any]] = []
        self.known: dict[str, int] = {}

    def demand(
        self, place: tuple[str, str], kind: str, left: Size, right: Size, because: str
    ) -> dict[str, Any]:
        """A requirement, with the words that tell it."""
        left, right = untrace(left), untrace(right)
        texts = [str(left), WORDS[kind], str(right)]
        short = sum(map(len, texts)) <= LONGEST
        said = {
            "layer": place[0],
            "type": place[1],
            "because": because,
            "kind": kind,
            "left": self.sum(left),
            "right": self.sum(right),
        }
        return said | ({"text": texts} if short else {})

    def sum(self, size: Size) -> Any:
        if isinstance(size, int):
            return size
        return [
            [count, *(self.factor(atom) for atom, power in monomial for _ in range(power))]
            for monomial, count in size.terms.items()
        ]

    def factor(self, atom: Atom) -> str | int:
        if atom.text in self.known:
            return self.known[atom.text]
        if isinstance(atom, Quotient):
            part = ["floor", self.sum(atom.numerator), self.sum(atom.denominator)]
        elif isinstance(atom, Extremum):
            part = [atom.kind, *map(self.sum, atom.arguments)]
        else:
            return atom.text
        self.parts.append(part)
        self.known[atom.text] = len(self.parts) - 1
        return self.known[atom.text]
