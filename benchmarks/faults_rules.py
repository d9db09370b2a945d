"""Rules that tell an illegal spec without netspec's: PyYAML and the published JSON Schema, a walk over names, torch on meta tensors.

The last takes the layers as written, blocks and variables put in, but no size that netspec worked out for them.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from netspec.diagnostics.model import Diagnostics
from netspec.driver import load, resolve_source, with_file_types
from netspec.ir.dims import Dim, evaluate
from netspec.ir.graph import Graph, Node
from netspec.resolve.resolve import wire
from netspec.resolve.wiring import NetState
from netspec.source import Source

__all__ = ["Net", "names_are_wrong", "schema_takes"]

ROOT = Path(__file__).resolve().parent.parent
SIZES_TRIED = 64
"""Sizes of an open axis, the first ones and as many from 512 on: a net that none of them suits counts as illegal."""


# --- the published schema --------------------------------------------------------------------------------------------


@cache
def validator() -> Any:
    """jsonschema's, but that of rules for one layer type each only the one for the type at hand is looked at: ten times as fast."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    def all_of(validator: Any, rules: Any, instance: Any, schema: Any) -> Iterator[Any]:
        kind = instance.get("type") if isinstance(instance, dict) else None
        for i, rule in enumerate(rules):
            test = rule.get("if", {})
            which = test.get("properties", {}).get("type", {})
            kinds = which.get("enum") or [which.get("const")]
            if (
                test.get("required") != ["type"]
                or not which.keys() & {"const", "enum"}
                or "else" in rule
                or kind in kinds
            ):
                yield from validator.descend(instance, rule, schema_path=i)

    quick = extend(Draft202012Validator, {"allOf": all_of})
    return quick(json.loads((ROOT / "schemas/netspec.schema.json").read_text(encoding="utf-8")))


@cache
def loader() -> Any:
    """PyYAML's loader with YAML 1.2's scalars."""
    import yaml

    class Core(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Its own resolvers: the base class keeps its."""

        yaml_implicit_resolvers: dict[str, Any] = {}

    for tag, pattern, first in (
        ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
        ("tag:yaml.org,2002:int", r"^[-+]?[0-9]+$", "-+0123456789"),
        (
            "tag:yaml.org,2002:float",
            r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$",
            "-+.0123456789",
        ),
        ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ):
        Core.add_implicit_resolver(tag, re.compile(pattern), list(first))
    return Core


def schema_takes(text: str) -> bool:
    """Whether PyYAML parses a text and the published schema takes what it says."""
    import yaml

    try:
        return bool(validator().is_valid(yaml.load(text, loader())))
    except (yaml.YAMLError, ValueError, TypeError):
        return False


# --- names -----------------------------------------------------------------------------------------------------------


def names_are_wrong(text: str) -> bool:
    """A bottom or output that nothing before makes, or two layers of one name and phase, by a walk over the list of layers."""
    import yaml

    tree = yaml.load(text, yaml.BaseLoader)
    if not isinstance(tree, dict) or "base" in tree:
        return False
    made = set(tree.get("input") or {})
    named: Counter[str] = Counter()
    for body in tree.get("layers") or []:
        bottoms = body.get("bottom", [])
        for bottom in [bottoms] if isinstance(bottoms, str) else bottoms:
            if "$" not in bottom and bottom not in made and bottom.split(".")[0] not in made:
                return True
        tops = body.get("top", body.get("name", ""))
        made.update([tops] if isinstance(tops, str) else tops)
        if not body.keys() & {"include", "exclude", "phase", "when"}:
            named[body.get("name", "")] += 1
    outputs = tree.get("output", [])
    wanted = [outputs] if isinstance(outputs, str) else list(outputs)
    return max(named.values(), default=0) > 1 or any(
        name not in made and name.split(".")[0] not in made for name in wanted
    )


# --- torch on the meta device ----------------------------------------------------------------------------------------

Shapes = dict[str, tuple[int, ...]]


class Net:
    """A sound net: its layers, and the shapes that it is known to have at one size of its input."""

    def __init__(self, path: Path) -> None:
        typed = load(str(path)).graph("test")
        letters = sorted(
            {str(s) for i in typed.graph.inputs for s in typed.types[i.value].shape if isinstance(s, Dim)}
        )
        self.sizes = {letter: 2 if letter == "N" else 512 for letter in letters}
        self.open = [letter for letter in letters if letter != "N"]
        self.nodes = {node.name: node for node in typed.graph.nodes}
        self.tops = {
            n.name: [tuple(evaluate(s, self.sizes) for s in t.shape) for t in typed.tops(n)]
            for n in typed.graph.nodes
        }
        self.bottoms = {
            n.name: [tuple(evaluate(s, self.sizes) for s in t.shape) for t in typed.bottoms(n)]
            for n in typed.graph.nodes
        }

    def illegal(self, text: str, name: str) -> bool | None:
        """Whether torch refuses the net of a text; None where its layers cannot be listed."""
        graph = listed(text, name)
        return None if graph is None else all(walk(self, graph, sizes).refused for sizes in self.tries())

    def tries(self) -> Iterator[dict[str, int]]:
        yield self.sizes
        for more in range(1, SIZES_TRIED if self.open else 1):
            yield {
                letter: size + more if letter in self.open else size for letter, size in self.sizes.items()
            }
            yield {letter: more if letter in self.open else size for letter, size in self.sizes.items()}

    def shapes(self, text: str, name: str) -> Shapes | None:
        """Shape of each top that torch makes, in order of execution, up to the first that it has no operator for."""
        graph = listed(text, name)
        return None if graph is None else walk(self, graph, self.sizes).shapes


class Walk(NamedTuple):
    refused: bool
    shapes: Shapes


def listed(text: str, name: str) -> Graph | None:
    """The layers of a text, blocks, variables and defaults put in, wired by their names."""
    diagnostics = Diagnostics()
    resolved = resolve_source(Source(name, text), diagnostics)
    if resolved is None or diagnostics.failed:
        return None
    graph = wire(resolved, NetState("TEST", frozenset(), 0), diagnostics)
    return None if diagnostics.failed else with_file_types(graph)


def walk(net: Net, graph: Graph, sizes: dict[str, int]) -> Walk:
    """Run the layers on meta tensors. What torch has no operator for gives what it gave in the sound net, if its bottoms are as there."""
    import torch

    blobs: dict[Any, Any] = {}
    for given in graph.inputs:
        if given.type is not None:
            blobs[given.value] = torch.empty(
                [evaluate(s, {"N": 2, **sizes}) for s in given.type.shape], device="meta"
            )
    shapes: Shapes = {}
    for node in graph.nodes:
        xs = [blobs.get(v) for v in node.bottoms]
        if any(x is None for x in xs):
            continue
        try:
            tops = known(net, node, xs) if sizes == net.sizes else None
            tops = step(node, xs) if tops is None else tops
        except (RuntimeError, ZeroDivisionError, ValueError, IndexError):
            return Walk(True, shapes)
        for value, top in zip(node.tops, tops or (), strict=False):
            if top.numel() == 0:
                return Walk(True, shapes)
            blobs[value] = top
            shapes[value.name] = tuple(top.shape)
    return Walk(False, shapes)


def known(net: Net, node: Node, xs: list[Any]) -> list[Any] | None:
    """The tops of a layer that is what and where it is in the sound net."""
    import torch

    sound = net.nodes.get(node.name)
    if (
        sound is None
        or sound.layer.__dict__ != node.layer.__dict__
        or [tuple(x.shape) for x in xs] != net.bottoms[node.name]
    ):
        return None
    return [torch.empty(shape, device="meta") for shape in net.tops[node.name]]


SAME = (
    *(
        "ReLU",
        "ReLU6",
        "Dropout",
        "DropPath",
        "LRN",
        "BatchNorm",
        "Sigmoid",
        "TanH",
        "Softmax",
        "ELU",
        "GELU",
        "Swish",
        "Power",
    ),
    *("LayerNorm", "Reverse"),
)


def step(node: Node, xs: list[Any]) -> tuple[Any, ...] | None:
    """The tops of a layer, by torch's operator; None where there is no plain one. Raises RuntimeError, ZeroDivisionError, ValueError."""
    import torch

    own, x = node.layer.__dict__, xs[0]
    kind = node.layer.type
    if kind in SAME or (kind in ("Scale", "Bias") and len(xs) == 1):
        return (x,)
    if kind in ("Convolution", "DepthwiseConvolution", "Deconvolution"):
        return convolved(kind, own, x)
    if kind == "Pooling":
        return pooled(own, x)
    if kind == "InnerProduct" and own["axis"] == 1:
        return (torch.empty(x.shape[0], own["num_output"], device="meta"),)
    if kind == "Eltwise":
        if any(y.shape != x.shape for y in xs):
            raise ValueError("unlike")
        return (x,)
    if kind == "Concat":
        return (torch.cat(xs, own["axis"]),)
    if kind == "ShuffleChannel":
        return (
            x.reshape(x.shape[0], own["group"], x.shape[1] // own["group"], *x.shape[2:]).reshape(x.shape),
        )
    if kind == "Axpy":
        return (
            xs[0].reshape(*xs[0].shape[:2], 1, 1).expand(xs[1].shape) + xs[1] + xs[2].expand(xs[1].shape),
        )
    return None


def per_axis(value: Any, axes: int) -> list[int]:
    """A size per axis. Raises ValueError for a wrong number of them."""
    found = [value] * axes if isinstance(value, int) else list(value) * (axes if len(value) == 1 else 1)
    if len(found) != axes:
        raise ValueError("axes")
    return found


def padding(pad: Any, kernel: list[int], dilation: list[int]) -> list[int] | None:
    """Numbers for what is the same at both ends; None for the rest."""
    if isinstance(pad, str):
        return {
            "valid": [0] * len(kernel),
            "full": [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)],
        }.get(pad)
    if not isinstance(pad, int) and any(not isinstance(p, int) for p in pad):
        return None
    return per_axis(pad, len(kernel))


def convolved(kind: str, own: dict[str, Any], x: Any) -> tuple[Any, ...] | None:
    import torch
    from torch.nn import functional

    axes = x.dim() - 2
    if (
        own["axis"] != 1
        or axes not in (1, 2, 3)
        or own.get("pad_mode", "constant") != "constant"
        or own.get("round_mode") == "EXACT"
    ):
        return None
    kernel, stride, dilation = (per_axis(own[word], axes) for word in ("kernel_size", "stride", "dilation"))
    pad = padding(own["pad"], kernel, dilation)
    if pad is None or own.get("output_padding"):
        return None
    channels = x.shape[1]
    group = channels if kind == "DepthwiseConvolution" else own["group"]
    out = own["num_output"] or channels
    if channels % group or out % group:
        raise ValueError("group")
    if kind == "Deconvolution":
        weight = torch.empty(channels, out // group, *kernel, device="meta")
        return (
            getattr(functional, f"conv_transpose{axes}d")(x, weight, None, stride, pad, 0, group, dilation),
        )
    weight = torch.empty(out, channels // group, *kernel, device="meta")
    return (getattr(functional, f"conv{axes}d")(x, weight, None, stride, pad, dilation, group),)


def pooled(own: dict[str, Any], x: Any) -> tuple[Any, ...] | None:
    from torch.nn import functional

    axes = x.dim() - 2
    if axes not in (1, 2, 3):
        return None
    if own["global_pooling"]:
        return (x.new_empty([*x.shape[:2], *[1] * axes]),)
    if own["kernel_size"] is None:
        return None
    kernel, stride = per_axis(own["kernel_size"], axes), per_axis(own["stride"], axes)
    pad = padding(own["pad"], kernel, [1] * axes)
    if pad is None or any(2 * p > k for p, k in zip(pad, kernel, strict=True)) or own.get("dilation", 1) != 1:
        return None
    ceil = own["round_mode"] == "CEIL"
    return (getattr(functional, f"max_pool{axes}d")(x, kernel, stride, pad, 1, ceil),)
