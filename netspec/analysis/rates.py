"""Rates of layers by pattern: `train.freeze` and `train.rates`. In: the net in training; out: the
same, with other settings of its weights. NS601.
"""

from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import chain

from netspec.diagnostics.model import Diagnostic, Diagnostics, write_nearest
from netspec.diagnostics.suggest import nearest
from netspec.diagnostics.words import list_briefly
from netspec.frozen_classes import fresh, mutable, replace_fields
from netspec.ir.graph import Node, ParamSpec, TypedGraph, WeightRef
from netspec.resolve.resolve import Resolved
from netspec.source import Span

__all__ = ["with_rates"]

SHOWN = 5


def with_rates(resolved: Resolved, typed: TypedGraph, diagnostics: Diagnostics) -> TypedGraph:
    """The net, its weights with the settings that `train:` gives them by pattern.

    A pattern stands for the layers whose name, or whose block instance's, fits it (`*` any
    characters, `?` one, `[ab]` one of these), under `rates` for weights too (conv1.bias). What
    several give is multiplied, the layer's own included. NS601: it stands for nothing.
    """
    train, section = resolved.file.train, resolved.spec.section("train")
    if train is None or section is None or not (train.freeze or train.rates):
        return typed
    work = Patterns(typed, diagnostics)
    held: set[Node] = set()
    listed = section.get("freeze")
    for pattern, item in zip(train.freeze, listed.items if listed is not None else (), strict=True):
        found = work.find(f"freeze: {pattern}", pattern, item.span, names_of_layer)
        held.update(ref.node for ref in found)
        work.change(found, 0.0, 1.0)
    for pattern, said in train.rates.items():
        place = section.mapping["rates"].key_span(pattern)
        found = work.find(f"rates: {pattern}", pattern, place, names_of_weight)
        work.change(found, said.lr_mult, said.decay_mult)
    # frozen weights over statistics that still move would be another layer
    still = frozenset(node for node in held if "batch_statistics" in node.layer.traits)
    return replace_fields(typed, settings=work.settings, held=still)


@mutable
class Patterns:
    """The weights of a net, and the settings that patterns gave them so far."""

    typed: TypedGraph
    diagnostics: Diagnostics
    settings: dict[tuple[Node, int], ParamSpec] = fresh(default_factory=dict)

    def find(
        self,
        said: str,
        pattern: str,
        place: Span | None,
        names: Callable[[WeightRef], Iterator[str]],
    ) -> list[WeightRef]:
        """The weights that a pattern stands for. NS601: there are none."""
        # fnmatchcase: fnmatch itself takes capitals for small letters on Windows
        found = [
            ref for ref in self.typed.weight_refs() if any(fnmatchcase(name, pattern) for name in names(ref))
        ]
        if not found:
            self.report(said, pattern, place, names)
        return found

    def report(
        self,
        said: str,
        pattern: str,
        place: Span | None,
        names: Callable[[WeightRef], Iterator[str]],
    ) -> None:
        bare = [node.name for node in self.typed.graph.nodes if fnmatchcase(node.name, pattern)]
        if bare:
            fact = f"{said} stands for {list_briefly(bare, SHOWN)}, which has no weights"
            self.diagnostics.error("NS601", fact, place)
            return
        known = list(dict.fromkeys(name for ref in self.typed.weight_refs() for name in names(ref)))
        near = nearest(pattern, known)
        notes = () if near else (f"layers with weights: {list_briefly(known, SHOWN) or 'none'}",)
        fixes = write_nearest(near, place)
        fact = f"{said} stands for no layer"
        self.diagnostics.add(Diagnostic("NS601", fact, place, notes=notes, fixes=fixes))

    def change(self, found: Iterable[WeightRef], rate: float, decay: float) -> None:
        """Multiply what weights have; of a shared one what its owner has, too."""
        places = [(ref.node, ref.index) for ref in found]
        places += [self.typed.shared[place] for place in places if place in self.typed.shared]
        refs = {(ref.node, ref.index): ref for ref in self.typed.weight_refs()}
        for place in dict.fromkeys(places):
            now = self.settings.get(place, refs[place].settings)
            self.settings[place] = now._replace(lr_mult=now.lr_mult * rate, decay_mult=now.decay_mult * decay)


def names_of_layer(ref: WeightRef) -> Iterator[str]:
    """A weight's layer, and the block instances that it stands in, by their full names."""
    pieces = ref.node.name.split(".")
    return (".".join(pieces[:i]) for i in range(len(pieces), 0, -1))


def names_of_weight(ref: WeightRef) -> Iterator[str]:
    """The same, and the weight itself."""
    return chain(names_of_layer(ref), (f"{ref.node.name}.{ref.weight.name}",))
