"""Whether copies that a glimpse left out of long repeats would say anything of their own, and which findings
are what they are whatever these would say. In: what was looked at; out: yes or no, findings. Makes none of
these copies.

A rule is a function of its bottoms' types, and a copy reads the copy before it. So where two copies that
follow one another have equal types, and no value asks which copy it is in, all behind them have these
types too.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from netspec.analysis.evidence import disagreement
from netspec.analysis.infer import Pass
from netspec.diagnostics.codes import Phase
from netspec.diagnostics.model import Diagnostic
from netspec.ir.graph import Graph, Node
from netspec.syntax.located import Located
from netspec.syntax.spec import Cut, Instance, Item, Spec

__all__ = ["are_named", "are_steady", "find_certain"]

UNSEEN = "of the copies of {} from number {:,} on, and of what reads them, not all were looked at yet: mend this first"


def are_steady(graph: Graph, cuts: Iterable[Cut]) -> bool:
    """Whether the last two copies that were kept before some that were not have the same types, in each repeat and
    in each use of the block that holds it: these share what was cut in the first.
    """
    types = Pass(graph).run().types
    tops: dict[tuple[str, str], list[object]] = {}
    ends = {(cut.name.rpartition(".")[2], end) for cut in cuts for end in cut.ends}
    wanted = {f"{local}.{number}" for local, end in ends for number in (end - 1, end)}
    for node in graph.nodes:
        for block in node.blocks:
            use, _, number = block.name.rpartition(".")
            if f"{use.rpartition('.')[2]}.{number}" in wanted:
                tops.setdefault((use, number), []).append([types.get(top) for top in node.tops])
    uses = {use for use, _ in tops}
    return all(
        tops.get((use, str(end - 1))) == tops.get((use, str(end)))
        for use in uses
        for local, end in ends
        if use.rpartition(".")[2] == local
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


def find_certain(found: Sequence[Diagnostic], cuts: Sequence[Cut]) -> list[Diagnostic]:
    """The findings of a glimpse that are those of the whole too, where one is an error; else none. The first
    error says what was not looked at.
    """
    certain = [d for d in found if is_certain(d, cuts)]
    first = next((i for i, d in enumerate(certain) if d.severity == "error"), None)
    if first is None:
        return []
    unseen = [UNSEEN.format(cut.name, cut.kept) for cut in cuts[:1]]
    certain[first] = replace(certain[first], notes=(*certain[first].notes, *unseen))
    return certain


def is_certain(d: Diagnostic, cuts: Iterable[Cut]) -> bool:
    """Whether a finding rests on words and names alone, or on sizes that no copy left out may change. What
    else there is, of sizes that are open, of training, of the whole net, is looked at when all is there.
    """
    evidence = disagreement(d)
    if evidence is not None:
        return not reads_a_last_copy(evidence.node, cuts)
    return Phase.READING <= d.phase < Phase.SIZES


def reads_a_last_copy(node: Node, cuts: Iterable[Cut]) -> bool:
    """Whether a node depends on a copy behind which others were left out, and does not stand in it: the last
    of these may give other sizes. Uses of one block share what was cut in the first, so local names count.
    """
    lasts = tuple(f"{cut.name.rpartition('.')[2]}.{end}" for cut in cuts for end in cut.ends)
    own = {block.name for block in node.blocks}
    above, seen = [node], {node}
    while above:
        for value in above.pop().bottoms:
            maker = value.node
            if maker is None or maker in seen:
                continue
            if any(f".{block.name}".endswith(f".{last}") and block.name not in own
                   for block in maker.blocks for last in lasts):  # fmt: skip
                return True
            seen.add(maker)
            above.append(maker)
    return False
