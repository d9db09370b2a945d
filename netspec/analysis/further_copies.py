"""Whether copies that a glimpse left out of long repeats would say anything of their own. In: what was
looked at; out: yes or no. Makes none of these copies.

A rule is a function of its bottoms' types, and a copy reads the copy before it. So where two copies that
follow one another have equal types, and no value asks which copy it is in, all behind them have these
types too.
"""

import re
from collections.abc import Iterable, Iterator

from netspec.analysis.infer import Pass
from netspec.ir.graph import Graph
from netspec.syntax.located import Located
from netspec.syntax.spec import Cut, Instance, Item, Spec

__all__ = ["are_named", "are_steady"]


def are_steady(graph: Graph, cuts: Iterable[Cut]) -> bool:
    """Whether the last two copies that were kept have the same types, in each repeat."""
    types = Pass(graph).run().types
    tops: dict[str, list[object]] = {}
    wanted = {f"{cut.name}.{copy}" for cut in cuts for copy in (cut.kept - 2, cut.kept - 1)}
    for node in graph.nodes:
        for block in node.blocks:
            if block.name in wanted:
                tops.setdefault(block.name, []).append([types.get(top) for top in node.tops])
    return all(
        tops.get(f"{cut.name}.{cut.kept - 1}") == tops.get(f"{cut.name}.{cut.kept - 2}") for cut in cuts
    )


def are_named(spec: Spec, settings: Iterable[str]) -> bool:
    """Whether any text names, or nearly names, a copy that was left out: a.14.c, or a14 for it."""
    texts = "\n".join({*words(spec.root), *settings, *item_words(spec.items, set())})
    least = {local: cut.kept for cut in spec.cut for local in [cut.name.rpartition(".")[2]]}
    return any(
        int(number[:9]) >= kept
        for local, kept in least.items()
        for number in re.findall(rf"{re.escape(local)}\W?(\d+)", texts)
    )


def words(tree: Located) -> Iterator[str]:
    """Every key and text."""
    for part in tree.walk():
        if isinstance(part.value, dict):
            yield from part.value
        elif isinstance(part.value, str):
            yield part.value


def item_words(items: tuple[Item, ...], seen: set[int]) -> Iterator[str]:
    """Those of layers with variables put in; copies share them."""
    for item in items:
        if id(item.body) not in seen:
            seen.add(id(item.body))
            yield from words(item.body)
        if isinstance(item, Instance):
            yield from item_words(item.items, seen)
