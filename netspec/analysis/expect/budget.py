"""Holds a net to its `expect:`. Comes in: typed graphs and the section; goes out: a finding per
failed expectation, at its entry.

A failure names the layers that spend the budget; of shapes, the first layer that differs. Latency
is measured elsewhere.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from math import inf
from typing import Any

from netspec.analysis.cost import NetCost, batch_symbol, cost, macs_of_each, weight_counts
from netspec.analysis.evidence import Disagreement
from netspec.analysis.expect.shapes import show_wanted, size_of
from netspec.analysis.expect.words import sensible
from netspec.analysis.field.receptive_field import (
    Fields,
    culprit,
    explain_unshifted,
    fields,
    fields_of,
    later,
)
from netspec.analysis.infer import sharing
from netspec.diagnostics.evidence import About, Missed
from netspec.diagnostics.model import Diagnostic, Diagnostics, Label, write_nearest
from netspec.diagnostics.suggest import did_you_mean, nearest
from netspec.frozen_classes import frozen, replace_fields
from netspec.ir.dims import Size, total
from netspec.ir.graph import Graph, Node, TypedGraph, Value
from netspec.resolve.deploy import cut_to_outputs
from netspec.resolve.read_record import read_record
from netspec.resolve.resolve import Resolved
from netspec.resolve.sections.expect import Expectations, ExpectSection, Limit, show_amount
from netspec.syntax.located import Located

__all__ = ["deploy_view", "expect", "read_expected_shapes"]

COUNTED = Missed(counted=True)


def expect(resolved: Resolved, typed: Mapping[str, TypedGraph], diagnostics: Diagnostics) -> None:
    """Check `expect:` on the deploy view of "test", and `expect.train` on "learning", else "train",
    else "test".
    """
    section = resolved.spec.section("expect")
    if section is None or not typed:
        return
    said = read_record(ExpectSection, section, diagnostics, what="expect")
    if said is None or not sensible(section, said, diagnostics):
        return
    if "test" in typed:
        Budget(deploy_view(resolved, typed["test"]), said, section, "the deployed net", diagnostics).check()
    inner, trained = (
        section.get("train"),
        next(typed[kind] for kind in ("learning", "train", "test") if kind in typed),
    )
    if said.train is not None and inner is not None:
        Budget(trained, said.train, inner, "the net in training", diagnostics).check()


def read_expected_shapes(resolved: Resolved, graph: Graph) -> dict[Value, tuple[Size, ...]]:
    """What `expect.shapes` says of a graph's values, as far as it can be read."""
    section = resolved.spec.section("expect")
    said = section.get("shapes") if section is not None else None
    found: dict[Value, tuple[Size, ...]] = {}
    for name, at in (said.mapping if said is not None else {}).items():
        sizes = tuple(size for item in at.items if (size := size_of(item)) is not None)
        if name in graph.blobs and len(sizes) == len(at.items):
            found[graph.blobs[name]] = sizes
    return found


def holds_all(part: Graph, graph: Graph) -> bool:
    """Whether a part of a graph is all of it."""
    alike = (part.nodes, part.inputs, part.outputs) == (graph.nodes, graph.inputs, graph.outputs)
    return alike and not graph.sources


def deploy_view(resolved: Resolved, typed: TypedGraph) -> TypedGraph:
    """The part of a typed graph that the outputs need: what typing the deploy view itself would
    give.
    """
    blobs = typed.graph.blobs
    graph = cut_to_outputs(typed.graph, tuple(blobs[name] for name, _ in resolved.outputs if name in blobs))
    if holds_all(graph, typed.graph):
        return typed  # what is known of it already, as its fields, need not be found again
    kept = set(graph.nodes)
    facts = tuple((node, fact) for node, fact in typed.facts if node in kept)
    return replace_fields(
        typed,
        graph=graph,
        facts=facts,
        shared=sharing(graph, {n: typed.weights[n] for n in graph.nodes}, Diagnostics()),
    )


@frozen
class Budget:
    """One view of a net and what is expected of it."""

    typed: TypedGraph
    said: Expectations
    section: Located
    view: str
    diagnostics: Diagnostics

    @cached_property
    def cost(self) -> NetCost:
        return cost(self.typed)

    @cached_property
    def fields(self) -> Fields:
        return fields(self.typed)

    def check(self) -> None:
        if self.said.shapes:
            self.shapes()
        self.weights()
        if self.said.macs is not None:
            spent = {node.name: macs for node, macs in macs_of_each(self.typed).items()}
            self.hold("NS321", "macs", self.said.macs, total(spent.values()), spent)
        if self.said.connections is not None:
            links = {layer.name: layer.connections for layer in self.cost.layers}
            self.hold("NS326", "connections", self.said.connections, self.cost.connections, links)
        self.memory()
        if self.said.units:
            self.units()
        self.receptive()
        for name, code, reason, fact in (
            ("causal", "NS327", later, "must not depend on a later input"),
            ("equivariant", "NS328", explain_unshifted, "must shift with its input"),
        ):
            for value, at in self.find_blobs(name):
                self.prove(code, value, at, reason, fact)

    # --- counts ------------------------------------------------------------------------------------------------------

    def hold(
        self,
        code: str,
        name: str,
        limit: Limit,
        value: Size,
        spent: Mapping[str, Size],
        unit: str = "",
        at: Located | None = None,
    ) -> None:
        """Report a number that breaks its limit, with what spends most of it."""
        at = at or self.section.get(name)
        span = at.span if at is not None else None
        if not isinstance(value, int):
            self.diagnostics.error(
                code,
                f"{name} of {self.view} is not known while sizes are open: {value}",
                span,
                label="depends on open sizes",
                evidence=COUNTED,
            )
            return
        broken = limit.find_broken(value, unit)
        if broken is None:
            return
        most = sorted(
            ((n, k) for n, k in spent.items() if isinstance(k, int) and k),
            key=lambda pair: -pair[1],
        )[:3]
        if value:
            spenders = ", ".join(f"{n} {show_amount(k, unit)} ({k / value:.0%})" for n, k in most)
        else:
            spenders = ""
        nodes = {node.name: node for node in self.typed.graph.nodes}
        others = tuple(
            Label(place, f"spends {k / value:.0%}")
            for n, k in most[:2]
            if n in nodes and (place := nodes[n].places["name"]) is not None
        )
        fact = (
            f"{name} of {self.view} must be {broken}: {'it is' if unit else 'there are'}"
            f" {show_amount(value, unit)}"
        )
        notes = (f"the largest shares: {spenders}",) if spenders else ()
        self.diagnostics.add(
            Diagnostic(code, fact, span, others=others if value else (), notes=notes, evidence=COUNTED)
        )

    def weights(self) -> None:
        """Numbers of weights: these need no walk over all the sizes."""
        limits = {
            name: limit
            for name in ("parameters", "statistics", "fixed")
            if (limit := getattr(self.said, name)) is not None
        }
        counts = weight_counts(self.typed) if limits else {}
        for name, limit in limits.items():
            spent: dict[str, Size] = {node.name: own[name] for node, own in counts.items()}
            self.hold("NS320", name, limit, total(spent.values()), spent)

    def memory(self) -> None:
        limit = self.said.activation_memory
        if limit is None:
            return
        from netspec.analysis.memory import at_peak

        batch = {batch_symbol(self.typed): limit.batch}
        alive = at_peak(self.typed, batch, training=self.view == "the net in training")
        name = f"activation_memory of {limit.batch} {'sample' if limit.batch == 1 else 'samples'}"
        at = self.section.get("activation_memory")
        if alive is None:
            span = at.span if at is not None else None
            self.diagnostics.error(
                "NS322", f"{name} is not known while sizes are open", span, evidence=COUNTED
            )
            return
        spent: dict[str, int] = {}
        for value, size in alive.items():
            if value.node is not None:
                maker = value.node.name
            else:
                maker = value.name
            spent[maker] = spent.get(maker, 0) + size
        self.hold("NS322", name, limit, sum(alive.values()), dict(spent), "B", at)

    def units(self) -> None:
        layers = {layer.name: layer.units for layer in self.cost.layers if layer.units != 0}
        known: dict[str, Size] = {**self.cost.units, "total": total(self.cost.units.values())}
        for name, at, limit in self.entries("units", self.said.units):
            if name in known or name in layers:
                behind = self.cost.output_layers
                spent = {
                    n: k for n, k in layers.items() if (n in behind) == (name == "output") or name == "total"
                }
                spent = spent if name in known else {name: layers[name]}
                self.hold(
                    "NS325",
                    f"units.{name}",
                    limit,
                    known.get(name, layers.get(name, 0)),
                    spent,
                    at=at,
                )
            else:
                self.stranger(
                    name,
                    at,
                    [*known, *layers],
                    "is neither hidden, input, output, total nor a layer with weights",
                )

    # --- fields ------------------------------------------------------------------------------------------------------

    def receptive(self) -> None:
        for name, at, limit in self.entries("receptive_field", self.said.receptive_field):
            value = self.value(name, at)
            if value is None:
                continue
            for source, axes in fields_of(self.typed, value, self.fields).items():
                sizes = {axis: field.size if field is not None else inf for axis, field in axes.items()}
                wrong = {axis: size for axis, size in sizes.items() if limit.find_broken(size)}
                # one axis is enough: of square windows all break the limit
                for axis, size in list(wrong.items())[:1]:
                    if size < inf:
                        seen = f"{size:g} units"
                    else:
                        seen = "the whole"
                    fact = (
                        f"a unit of {name} must see {limit.find_broken(size)} of {source}: it sees {seen} along"
                        f" axis {axis}"
                    )
                    self.diagnostics.add(
                        Diagnostic(
                            "NS323",
                            fact,
                            at.span,
                            others=origin(value),
                            about=About(value=name),
                            evidence=COUNTED,
                        )
                    )

    def prove(self, code: str, value: Value, at: Located, reason: Any, fact: str) -> None:
        why = reason(self.typed, value, self.fields)
        if why is None:
            return
        node = culprit(self.typed, value, self.fields, reason)
        place = node.places["name"] if node is not None else None
        others = (Label(place, "the first layer of which this is true"),) if place is not None else ()
        about = About(value=value.name)
        self.diagnostics.add(
            Diagnostic(
                code,
                f"{value.name} {fact}: {why}",
                at.span,
                others=others,
                about=about,
                evidence=Missed(),
            )
        )

    # --- shapes ------------------------------------------------------------------------------------------------------

    def shapes(self) -> None:
        """Report the first blob, in the order of execution, whose shape differs; the rest follow
        from it.
        """
        order = {
            v: i
            for i, v in enumerate(
                [
                    *(i.value for i in self.typed.graph.inputs),
                    *(t for n in self.typed.graph.nodes for t in n.tops),
                ]
            )
        }
        pairs = [
            (value, at)
            for name, at, _ in self.entries("shapes", self.said.shapes)
            if (value := self.value(name, at)) is not None
        ]
        pairs.sort(key=lambda pair: order.get(pair[0], len(order)))
        differ = [(value, at) for value, at in pairs if not self.agrees(value, at)]
        if not differ:
            return
        value, at = differ[0]
        agreeing = [v for v, _ in pairs if order[v] < order[value]]
        suspected = self.between(agreeing[-1] if agreeing else None, value)
        notes = []
        if len(differ) == 2:
            notes = [f"{differ[1][0].name} differs too"]
        elif len(differ) > 2:
            notes = [f"{', '.join(v.name for v, _ in differ[1:])} differ too"]
        if value.node is not None:
            maker = f"{value.node.layer.type} {value.node.name}"
        else:
            maker = f"input {value.name}"
        fact = f"{maker} must give {show_wanted(at)}: it gives {self.typed.types[value]}"
        others = [
            Label(place, f"gives {self.typed.types[n.tops[0]]}", "origin")
            for n in suspected
            if (place := n.places["name"]) is not None
        ]
        sizes = [
            size
            for size in (*(size_of(item) for item in at.items), *self.typed.types[value].shape)
            if isinstance(size, int)
        ]
        evidence = Missed(
            among=tuple(node.name for node in suspected),
            agreed=agreeing[-1].name if agreeing else "",
            sizes=(
                Disagreement(self.typed.graph, suspected[-1], tuple(suspected[::-1]), others=tuple(sizes))
                if suspected
                else None
            ),
        )
        about = About(value=value.name)
        self.diagnostics.add(
            Diagnostic(
                "NS324",
                fact,
                at.span,
                # the last ones stand nearest to the shape that differs
                others=tuple(others[-8:]),
                notes=tuple(notes),
                about=about,
                evidence=evidence,
            )
        )

    def agrees(self, value: Value, at: Located) -> bool:
        sizes = [size_of(item) for item in at.items]
        for item, size in zip(at.items, sizes, strict=True):
            if size is None:
                self.diagnostics.error(
                    "NS109",
                    f"a size is a number, a letter, or + - * // of them: {item.text or item.value} is not",
                    item.span,
                )
                return True
        # sizes are kept in a normal form: one sum compares equal however it is written
        return tuple(sizes) == self.typed.types[value].shape

    def between(self, first: Value | None, last: Value) -> list[Node]:
        """The nodes on the way to `last`, after `first` was made, that give another shape than they
        take, or have sizes to say.
        """
        needed, found = {last}, []
        for node in reversed(self.typed.graph.nodes):
            if first is not None and node is first.node:
                break
            if needed.intersection(node.tops):
                needed.update(node.bottoms)
                found.append(node)
        return [node for node in found[::-1] if node is last.node or self.reshapes(node)]

    def reshapes(self, node: Node) -> bool:
        return self.typed.tops(node)[:1] != self.typed.bottoms(node)[:1] or has_sizes(node)

    # --- names -------------------------------------------------------------------------------------------------------

    def entries(self, name: str, said: Mapping[str, Any]) -> Iterator[tuple[str, Located, Any]]:
        body = self.section.get(name)
        for key, limit in said.items():
            if body is not None and key in body.mapping:
                yield key, body.mapping[key], limit

    def find_blobs(self, name: str) -> Iterator[tuple[Value, Located]]:
        """Blobs listed under a key."""
        body = self.section.get(name)
        for item in body.items if body is not None else ():
            value = self.value(item.text, item)
            if value is not None:
                yield value, item

    def value(self, name: str, at: Located) -> Value | None:
        value = self.typed.graph.blobs.get(name)
        inside = {i.value for i in self.typed.graph.inputs}.union(
            *(node.tops for node in self.typed.graph.nodes)
        )
        if value is not None and value in inside:
            return value
        self.stranger(
            name,
            at,
            [n for n, v in self.typed.graph.blobs.items() if v in inside],
            f"is not in {self.view}",
        )
        return None

    def stranger(self, name: str, at: Located, known: Iterable[str], fact: str) -> None:
        """Report a name at the key or value that says it."""
        near = nearest(name, known)
        keys = (body.keys[name] for body in self.section.mapping.values() if body.get(name) is at)
        span = next(keys, at.span)
        written = span is not None and span.text == name
        fixes = write_nearest(near, span if written else None)
        label = did_you_mean(near)
        self.diagnostics.add(
            Diagnostic("NS330", f"{name} {fact}", span, label, fixes=fixes, about=About(value=name))
        )


def has_sizes(node: Node) -> bool:
    """Whether the text says a whole number for a parameter of a layer."""
    whole = (
        name for name, value in node.layer.__dict__.items() if name in node.layer.params and is_whole(value)
    )
    return any(name in node.places.spans or name in node.places.sources for name in whole)


def is_whole(value: object) -> bool:
    return type(value) is int or (
        isinstance(value, tuple) and bool(value) and all(type(size) is int for size in value)
    )


def origin(value: Value) -> tuple[Label, ...]:
    span = value.node.places["name"] if value.node is not None else None
    if span is not None:
        return (Label(span, f"makes {value.name}", "origin"),)
    return ()
