"""What a finding is about, by where it stands. In: findings with places, and the expanded spec that
they are on; out: the same, each with the layer, the value and the key at its place.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace

from netspec.diagnostics.evidence import NOTHING, About
from netspec.diagnostics.model import Diagnostic
from netspec.source import Source, Span
from netspec.syntax.located import Located
from netspec.syntax.spec import Instance, Item, Spec

__all__ = ["name_subjects"]

NAMING = ("bottom", "top", "outputs", "output")
"""Keys whose words are names of values."""


def name_subjects(found: Sequence[Diagnostic], spec: Spec | None) -> list[Diagnostic]:
    """The findings; those that do not say what they are about say it by their place."""
    wanted = {d.span for d in found if d.about == NOTHING and d.span is not None}
    if spec is None or not wanted:
        return list(found)
    places = Places(wanted, dict(layer_names(spec.items)))
    # the last word on a place is that of the tree it was written in: blocks after their uses
    for tree in (spec.root, Located({"blocks": spec.blocks.section}, keys={})):
        places.walk(tree, NOTHING)
    return [replace(d, about=places.about(d)) if d.about == NOTHING else d for d in found]


def layer_names(items: Iterable[Item]) -> Iterable[tuple[Span, str]]:
    """By their places the full names of layers and uses of blocks; of copies the first one's."""
    seen = set[Span]()
    ahead = list(items)[::-1]
    while ahead:
        item = ahead.pop()
        if item.body.span is not None and item.body.span not in seen:
            seen.add(item.body.span)
            yield item.body.span, whole_name(item)
        if isinstance(item, Instance):
            ahead += item.items[::-1]


def whole_name(item: Item) -> str:
    """The name; of a copy that of the whole repeat, for that is what the text says."""
    if isinstance(item, Instance) and "repeat" in item.body.mapping:
        return item.name.rpartition(".")[0]
    return item.name


class Places:
    """Places that are asked for, and what stands at each, as far as a walk has come."""

    def __init__(self, wanted: Iterable[Span], names: dict[Span, str]) -> None:
        self.names = names
        self.found: dict[Span, About] = {}
        self.wanted: dict[Source, list[tuple[int, Span]]] = {}
        for span in wanted:
            self.wanted.setdefault(span.source, []).append((span.start, span))
        for spans in self.wanted.values():
            spans.sort(key=lambda each: each[0])
        self.starts = {source: [start for start, _ in spans] for source, spans in self.wanted.items()}

    def about(self, finding: Diagnostic) -> About:
        if finding.span is None:
            return NOTHING
        return self.found.get(finding.span, NOTHING)

    def within(self, region: Span) -> list[Span]:
        """The places asked for that lie in a region."""
        starts = self.starts.get(region.source)
        if starts is None:
            return []
        few = self.wanted[region.source][bisect_left(starts, region.start) : bisect_right(starts, region.end)]
        return [span for _, span in few if span.end <= region.end]

    def walk(self, tree: Located, about: About) -> None:
        """Goes where a place that is asked for lies; what is deepest has the last word."""
        if isinstance(tree.value, dict):
            for key, value in tree.value.items():
                self.enter(key, value, tree.keys.get(key), about)
        elif isinstance(tree.value, list):
            for value in tree.value:
                self.enter_entry(value, about)

    def enter(self, key: str, value: Located, at: Span | None, about: About) -> None:
        inner = about._replace(key=f"{about.key}.{key}".lstrip("."))
        region = join_places(at, value.span)
        if region is None or self.tell(region, inner, value):
            self.walk(value, inner)

    def enter_entry(self, value: Located, about: About) -> None:
        """One of a list: of layers, each has a name; of others, the key is the list's."""
        if value.span is None:
            self.walk(value, about)
            return
        if is_layer(value, about):
            about = About(self.names.get(value.span) or find_name(value, about))
        if self.tell(value.span, about, value):
            self.walk(value, about)

    def tell(self, region: Span, about: About, value: Located) -> bool:
        """Whether places lie in a region; they are about this, or what is found in it later."""
        inside = self.within(region)
        for span in inside:
            self.found[span] = self.with_value(about, span, value)
        return bool(inside)

    def with_value(self, about: About, span: Span, value: Located) -> About:
        """With the name of a value, where one stands there."""
        named = about.key.rpartition(".")[2] in NAMING and span == value.span
        if named and not isinstance(value.value, (dict, list)):
            return about._replace(value=value.text)
        if about.key.startswith("input.") and about.key.count(".") == 1:
            return about._replace(value=about.key.partition(".")[2])
        return about


def join_places(key: Span | None, value: Span | None) -> Span | None:
    """From a key to the end of its value; of a value that stands elsewhere (an alias, a base's)
    only the key.
    """
    if key is None or value is None:
        return key or value
    if key.source is value.source and key.start <= value.start:
        return Span(key.source, key.start, max(key.end, value.end))
    return key


def is_layer(value: Located, about: About) -> bool:
    return isinstance(value.value, dict) and about.key.rpartition(".")[2] == "layers"


def find_name(value: Located, about: About) -> str:
    """As the text has it; of a layer in a block that no layer comes from, behind the block's."""
    name = value.get("name")
    if name is None or isinstance(name.value, (dict, list)):
        return ""
    section, *block = about.key.split(".")[:2]
    if section == "blocks":
        return ".".join((*block, name.text))
    return name.text
