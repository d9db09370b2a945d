"""Who learns what, where a spec has `train.players`. In: the net in training; out: each player's
part of it, or why it has none.

A player's part is what its losses need; it trains the weights of its layers. Every weight and every
loss is some player's.
"""

from collections.abc import Iterator

from netspec.analysis.infer import infer
from netspec.diagnostics.model import Diagnostic, Diagnostics, write_nearest
from netspec.diagnostics.suggest import did_you_mean, nearest
from netspec.diagnostics.words import list_briefly
from netspec.frozen_classes import frozen
from netspec.ir.graph import TypedGraph, WeightRef
from netspec.resolve.resolve import Resolved
from netspec.resolve.sections.train import PlayerSection
from netspec.resolve.training_heads import judges, learning_by
from netspec.syntax.located import Located

__all__ = ["Part", "parts"]

SHOWN = 5


@frozen
class Part:
    """A player's part. said: its entry in the spec; typed: what its losses need; weights: names of
    those that it trains.
    """

    name: str
    said: PlayerSection
    typed: TypedGraph
    weights: frozenset[str]


def parts(resolved: Resolved, typed: TypedGraph, diagnostics: Diagnostics) -> tuple[Part, ...]:
    """The players of a net in training (with its losses), in the order of their turns; none where
    one learns everything.

    NS686: a loss or layer that is none, or weights that its losses do not read. NS687: trained by
    two. NS688: by none; a loss of none.
    """
    section = resolved.spec.section("train")
    players = section.get("players") if section is not None else None
    if resolved.file.train is None or section is None or players is None or not resolved.file.train.players:
        return ()
    work = Casting(typed, diagnostics)
    found = [
        work.part(name, said, players.mapping[name]) for name, said in resolved.file.train.players.items()
    ]
    made = tuple(part for part in found if part is not None)
    if len(made) == len(found):
        work.each_once(made, players)
        work.none_left(made, section)
    return made


@frozen
class Casting:
    """The distribution of one net's losses and weights."""

    typed: TypedGraph
    diagnostics: Diagnostics

    def part(self, name: str, said: PlayerSection, body: Located) -> Part | None:
        """One player's part, if its losses and layers are there."""
        before = len(self.diagnostics.found)
        losses = [top.name for node in self.typed.graph.nodes if any(node.loss_weights) for top in node.tops]
        for loss, item in zip(said.loss, body.mapping["loss"].items, strict=True):
            if loss not in losses:
                self.missing(f"{name}: {loss} is no loss of the net in training", loss, losses, item)
        layers = instances(self.typed)
        for layer, item in zip(said.layers, body.mapping["layers"].items, strict=True):
            if layer not in layers:
                self.missing(f"{name}: no layer is called {layer}", layer, layers, item)
            elif not any(of(ref, layer) for ref in trainable(self.typed)):
                self.diagnostics.error("NS686", f"{name}: {layer} has no weights to train", item.span)
        typed = infer(learning_by(self.typed.graph, frozenset(said.loss)), Diagnostics())
        if len(self.diagnostics.found) > before or typed is None:
            return None
        return self.check_reach(
            Part(
                name,
                said,
                typed,
                frozenset(r.name for r in trainable(self.typed) if any(of(r, n) for n in said.layers)),
            ),
            body,
        )

    def missing(self, fact: str, word: str, known: list[str], item: Located) -> None:
        near = nearest(word, known)
        fixes = write_nearest(near, item.span)
        notes: tuple[str, ...] = ()
        if not near:
            more = "" if len(known) <= SHOWN else ", ..."
            notes = (f"there are {', '.join(known[:SHOWN]) or 'none'}{more}",)
        label = did_you_mean(near)
        self.diagnostics.add(Diagnostic("NS686", fact, item.span, label, fixes=fixes, notes=notes))

    def check_reach(self, part: Part, body: Located) -> Part | None:
        """The part, if its losses read all that it trains."""
        names = {(ref.node.name, ref.index): ref.name for ref in self.typed.weight_refs()}
        read = {names[ref.node.name, ref.index] for ref in part.typed.weight_refs()}
        unread = sorted(part.weights - read)
        if unread:
            self.diagnostics.error(
                "NS686",
                f"{part.name}: its losses do not depend on {list_briefly(unread, SHOWN)}",
                body.key_span("layers") or body.span,
            )
            return None
        return part

    def each_once(self, found: tuple[Part, ...], players: Located) -> None:
        for i, part in enumerate(found):
            for other in found[:i]:
                both = sorted(part.weights & other.weights)
                if both:
                    self.diagnostics.error(
                        "NS687",
                        f"{other.name} and {part.name} both train {list_briefly(both, SHOWN)}",
                        players.key_span(part.name),
                    )

    def none_left(self, found: tuple[Part, ...], section: Located) -> None:
        taken = frozenset(name for part in found for name in part.weights)
        left = [ref.name for ref in trainable(self.typed) if ref.name not in taken]
        span = section.key_span("players")
        if left:
            note = "name its layer under a player's layers, or write param: [{lr_mult: 0}]"
            self.diagnostics.add(
                Diagnostic(
                    "NS688",
                    f"no player trains {list_briefly(list(dict.fromkeys(left)), SHOWN)}",
                    span,
                    notes=(note,),
                )
            )
        learnt = frozenset(name for part in found for name in part.said.loss)
        for node in self.typed.graph.nodes:
            if judges(node) and any(node.loss_weights) and learnt.isdisjoint(top.name for top in node.tops):
                note = "name it under a player's loss, or write loss_weight: 0"
                self.diagnostics.add(
                    Diagnostic(
                        "NS688",
                        f"{node.name} is a loss that no player learns by",
                        node.places["name"],
                        notes=(note,),
                    )
                )


def instances(typed: TypedGraph) -> list[str]:
    """The names of layers, and of the block instances that they belong to."""
    names: dict[str, None] = {}
    for node in typed.graph.nodes:
        pieces = node.name.split(".")
        names.update(dict.fromkeys(".".join(pieces[: i + 1]) for i in range(len(pieces))))
    return list(names)


def trainable(typed: TypedGraph) -> Iterator[WeightRef]:
    """Every use of every weight that training may change."""
    return (ref for ref in typed.weight_refs() if ref.kind == "parameter")


def of(ref: WeightRef, layer: str) -> bool:
    """Whether a weight is used by a layer, or by a layer of a block's instance."""
    return ref.node.name == layer or ref.node.name.startswith(layer + ".")
