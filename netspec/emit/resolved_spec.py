"""A resolved spec -> the complete spec it stands for: flat layers, every default and bottom written
out. Knows no layer type.

Comes in: the typed graph of each phase. The stages and the level they were wired with are settled;
phases stay. Written out and resolved again it gives the same text.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from netspec.frozen_classes import frozen
from netspec.ir.graph import Node, ParamSpec, TypedGraph
from netspec.resolve.layers_read import Draft
from netspec.resolve.resolve import Resolved
from netspec.resolve.wiring import NetState, keeps_layer
from netspec.resolve.written_out import complete
from netspec.syntax.located import plain
from netspec.syntax.writer import dump, escape_dollars

__all__ = ["build_resolved_tree", "write_resolved_spec"]


def write_resolved_spec(resolved: Resolved, views: Mapping[NetState, TypedGraph]) -> str:
    """The canonical text of a spec, from the typed graphs of the states that it describes a net
    for.
    """
    return dump(build_resolved_tree(resolved, views))


def build_resolved_tree(resolved: Resolved, views: Mapping[NetState, TypedGraph]) -> dict[str, Any]:
    """The same as plain values, in the order of the text."""
    file = resolved.file
    names = blob_names(views.values())
    sections = {
        "netspec": file.netspec,
        "name": file.name,
        "description": file.description,
        "source": file.source,
        "dialect": file.dialect,
        "plugins": list(file.plugins),
        "input": inputs(resolved),
        "layers": list(layers(resolved, views)),
        "output": outputs(section(resolved, "output"), names),
        "expect": expectations(section(resolved, "expect"), names),
        "train": training(resolved, names),
        "allow": list(file.allow),
    }
    tree: dict[str, Any] = escape_dollars(
        {key: value for key, value in sections.items() if value not in (None, "", [], {})}
    )
    return tree


def section(resolved: Resolved, name: str) -> Any:
    found = resolved.spec.section(name)
    if found is not None:
        return plain(found)
    return None


def blob_names(graphs: Iterable[TypedGraph]) -> dict[str, str]:
    """The name that a value was made under, by every name that leads to it: a block's instance
    leaves a value of a layer inside.
    """
    return {
        name: value.name
        for typed in graphs
        for name, value in typed.graph.blobs.items()
        if value.node is not None
    }


# --- sections --------------------------------------------------------------------------------------------------------


def inputs(resolved: Resolved) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for given in resolved.inputs:
        assert given.type is not None
        shape = [size if isinstance(size, int) else str(size) for size in given.type.shape]
        image = {"image": complete(given.contract)} if given.contract is not None else {}
        found[given.value.name] = {"shape": shape, "dtype": given.type.dtype, **image}
    return found


def outputs(written: Any, names: Mapping[str, str]) -> Any:
    if isinstance(written, dict):
        return {names.get(name, name): item for name, item in written.items()}
    listed = [
        names.get(str(name), str(name))
        for name in (written if isinstance(written, list) else [written])
        if name is not None
    ]
    return single(listed)


def expectations(written: Any, names: Mapping[str, str]) -> Any:
    """`expect:` as it stands, blobs by the names that their layers give them."""
    if not isinstance(written, dict):
        return written
    found = dict(written)
    for key in ("shapes", "receptive_field", "causal", "equivariant"):
        if key in found:
            found[key] = outputs(found[key], names)
    if "train" in found:
        found["train"] = expectations(found["train"], names)
    return found


def training(resolved: Resolved, names: Mapping[str, str]) -> dict[str, Any]:
    """`train:` with its defaults; the bottoms of its losses by the names that their layers give
    them.
    """
    record = resolved.file.train
    if record is None:
        return {}
    found = complete(record)
    if resolved.augment:
        found["augment"] = [{"type": each.type, **complete(each)} for each in resolved.augment]
    heads = found.get("loss")
    for head in heads if isinstance(heads, list) else [heads]:
        if isinstance(head, dict) and "bottom" in head:
            head["bottom"] = outputs(head["bottom"], names)
    return found


# --- layers ----------------------------------------------------------------------------------------------------------


@frozen
class Wired:
    """A layer as one phase has it: its node, and the name of each weight that it shares."""

    node: Node
    shared: Mapping[int, str]

    @property
    def bottoms(self) -> list[str]:
        return [value.name for value in self.node.bottoms]


def layers(resolved: Resolved, views: Mapping[NetState, TypedGraph]) -> Iterator[dict[str, Any]]:
    """Every layer that a phase keeps, once; one that the phases wire unlike, once for each."""
    wired = {state: list_wired_layers(typed) for state, typed in views.items()}
    for draft in resolved.drafts.values():
        here = {
            state.phase: found[draft.name]
            for state, found in wired.items()
            if draft.name in found and keeps_layer(draft, state)
        }
        if len({(tuple(one.bottoms), tuple(one.shared.items())) for one in here.values()}) > 1:
            for phase, one in here.items():
                yield layer(draft, one, phase)
        elif here:
            phase, one = next(iter(here.items()))
            yield layer(draft, one, phase if len(here) < len(views) else only_phase(draft))


def only_phase(draft: Draft) -> str | None:
    """The phase that a layer's rules ask for, where one net alone was sound."""
    asked = {rule.phase for rule in draft.fields.include} - {None}
    if len(asked) == 1:
        return asked.pop()
    return None


def list_wired_layers(typed: TypedGraph) -> dict[str, Wired]:
    graph = typed.graph
    makers = dict.fromkeys(
        node for node in (*(i.node for i in graph.inputs), *graph.sources) if node is not None
    )
    shared: dict[Node, dict[int, str]] = {}
    for (node, index), (owner, at) in typed.shared.items():
        given = owner.params[at].name if at < len(owner.params) else ""
        name = given or f"{owner.name}.{typed.weights[owner][at].name}"
        shared.setdefault(node, {})[index] = shared.setdefault(owner, {})[at] = name
    return {node.name: Wired(node, shared.get(node, {})) for node in (*makers, *graph.nodes)}


def layer(draft: Draft, wired: Wired, phase: str | None) -> dict[str, Any]:
    """One layer in Caffe's nested form."""
    node, fields = wired.node, draft.fields
    common = {
        "name": draft.name,
        "type": draft.layer.type,
        "bottom": single(wired.bottoms),
        "top": single([value.name for value in node.tops]),
        "include": {"phase": phase} if phase is not None else None,
        "phase": fields.phase,
        "loss_weight": (
            single(list(node.loss_weights)) if any(node.loss_weights) or fields.loss_weight else None
        ),
        "propagate_down": single(list(fields.propagate_down)),
        "param": list(weight_settings(node.params, wired.shared)),
        "allow": list(fields.allow),
    }
    return {
        **{key: value for key, value in common.items() if value not in (None, [])},
        **parameters(draft),
    }


def weight_settings(given: tuple[ParamSpec, ...], shared: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    for index in range(max(len(given), *(i + 1 for i in shared), 0)):
        own = given[index] if index < len(given) else ParamSpec()
        name = shared.get(index, own.name)
        named = {"name": name, "share_mode": own.share_mode} if name else {}
        yield {**named, "lr_mult": own.lr_mult, "decay_mult": own.decay_mult}


def parameters(draft: Draft) -> dict[str, Any]:
    """A layer's own parameters in their maps."""
    found: dict[str, Any] = {}
    for name, value in complete(draft.layer).items():
        group = draft.layer.group_of(draft.layer.params[name])
        (found if group is None else found.setdefault(group, {}))[name] = value
    return found


def single(values: list[Any]) -> Any:
    """One value by itself; None for none."""
    if len(values) > 1:
        return values
    if values:
        return values[0]
    return None
