"""Whether a network that was built is the one that its graph describes. In: a TypedGraph and the
module; out: nothing, or NS503.

The emitted text has no part in it: each layer's module is built once more, by itself and without
memory, and compared.
"""

import math
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import Diagnostic, SpecError
from netspec.ir.graph import Node, TypedGraph
from netspec.ir.layer import ModuleText

if TYPE_CHECKING:
    from torch import nn

__all__ = ["prove"]

PLAIN = (bool, int, float, str, type(None))
HOOKED = frozenset(("reshaped", "read_as_real"))
OWN = HOOKED | {"training"}
"""What a module has beside what it was made with: its mode, views of weights that are another's,
and which bottoms it converts.
"""
CONVERTING = frozenset(("real_like",))
"""The buffer whose precision such bottoms are converted to."""
HOOKS = frozenset(("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_always_called", "_buffers"))
"""What these need while their module runs; buffers are compared one by one all the same."""


def prove(typed: TypedGraph, net: Any) -> None:
    """Raise NS503 unless at each layer's path stands a module of the layer's type, made with its
    arguments, with its weights.
    """
    import torch

    # making a module draws weights: the caller's draws go on as if none had been
    with torch.random.fork_rng(devices=[]):
        found = [
            Diagnostic("NS503", f"{node.name}: {fault}", node.places["name"])
            for node, fault in faults(typed, net)
        ]
    if found:
        raise SpecError(found)


def faults(typed: TypedGraph, net: Any) -> Iterator[tuple[Node, str]]:
    emitted = import_module(type(net).__module__)
    references: dict[str, Any] = {}
    places: dict[str, str] = {}
    for node in (*typed.graph.sources, *typed.graph.nodes):
        path = net.layers[node.name][0]
        if path in places:
            yield node, f"its module {path} is that of {places[path]}, too"
            continue
        places[path] = node.name
        text = node.layer.torch(*typed.bottoms(node))
        reference = references.get(repr(text))
        if reference is None:
            reference = references[repr(text)] = build_reference(text, emitted)
        try:
            module = net.get_submodule(path)
        except AttributeError:
            yield node, f"nothing stands at {path}"
            continue
        if vars(module).get("read_as_real", ()) != typed.find_converted(node):
            yield (
                node,
                f"its module {path} reads other bottoms as real numbers than {list(typed.find_converted(node))}",
            )
        shared = {
            typed.weights[node][index].name
            for index in range(len(typed.weights[node]))
            if (node, index) in typed.shared
        }
        yield from ((node, f"its module {path} {what}") for what in unlike(module, reference, shared))
        for weight in typed.weights[node]:
            if weight.name not in shared:
                shape = tuple(getattr(module, weight.name).shape)
            else:
                shape = weight.shape
            if shape != weight.shape:
                yield (
                    node,
                    f"its weight {weight.name} has shape {list(shape)}, not {list(weight.shape)}",
                )


def build_reference(text: ModuleText, emitted: ModuleType) -> "nn.Module":
    """The module of a layer, its weights without memory where it can be made so."""
    import torch

    make = class_of(text.target, emitted)
    try:
        with torch.device("meta"):
            return make(*text.arguments, **text.keywords)  # type: ignore[no-any-return]
    except (NotImplementedError, RuntimeError):  # it reads what it makes
        return make(*text.arguments, **text.keywords)  # type: ignore[no-any-return]


def class_of(target: str, emitted: ModuleType) -> Any:
    """torch's class, netspec's own, or, of a plug-in, the emitted one."""
    import torch

    head, dot, rest = target.partition(".")
    if dot:
        found: Any = {"nn": torch.nn, "torch": torch, "F": torch.nn.functional}.get(head) or getattr(
            emitted, head
        )
        for step in rest.split("."):
            found = getattr(found, step)
        return found
    return next((vars(each)[target] for each in blocks() if target in vars(each)), None) or getattr(
        emitted, target
    )


@cache
def blocks() -> tuple[ModuleType, ...]:
    """The files whose classes are inlined."""
    folder = Path(__file__).parent.parent / "torch_modules"
    return tuple(import_module(f"netspec.torch_modules.{path.stem}") for path in sorted(folder.glob("*.py")))


def unlike(module: "nn.Module", reference: "nn.Module", shared: set[str]) -> Iterator[str]:
    """In what a module differs from one that was made as the layer says."""
    mine, other = type(module), type(reference)
    if mine is not other and (
        mine.__name__ != other.__name__ or vars(mine).keys() - DIFFERS != vars(other).keys() - DIFFERS
    ):
        yield f"is a {mine.__name__}, not a {other.__name__}"
        return
    own = OWN | (HOOKS if vars(module).keys() & HOOKED else frozenset())
    for name in sorted((vars(module).keys() | vars(reference).keys()) - own):
        # torch's own bookkeeping
        if name.startswith("_") and not is_plain(vars(reference).get(name)):
            continue
        value, wanted = vars(module).get(name), vars(reference).get(name)
        if is_plain(wanted) if not is_plain(value) else not is_plain(wanted) or not same(value, wanted):
            yield f"has {name} = {value!r}, not {wanted!r}"
    for kind in ("_parameters", "_buffers"):
        tensors, wanted = vars(module)[kind], vars(reference)[kind]
        for name in sorted(
            (tensors.keys() | wanted.keys())
            - shared
            - (CONVERTING if "read_as_real" in vars(module) else set())
        ):
            one, two = (
                None if (t := side.get(name)) is None else tuple(t.shape) for side in (tensors, wanted)
            )
            if one != two:
                yield f"has {name} of shape {one}, not {two}"
    inner, expected = dict(module.named_children()), dict(reference.named_children())
    if inner.keys() != expected.keys():
        yield f"holds {', '.join(inner) or 'nothing'}, not {', '.join(expected) or 'nothing'}"
        return
    for name, child in inner.items():
        yield from (f"{name}: {what}" for what in unlike(child, expected[name], set()))


DIFFERS = frozenset(
    (
        "__module__",
        "__reduce__",
        "__firstlineno__",
        "__static_attributes__",
        "__doc__",
        "__annotations__",
        "__annotate_func__",
    )
)
"""What tells an inlined class from the file's own."""


def is_plain(value: Any) -> bool:
    """Numbers, texts, and tuples, lists and mappings of these."""
    if isinstance(value, dict):
        return all(is_plain(item) for item in value.values())
    if isinstance(value, (tuple, list)):
        return all(map(is_plain, value))
    return isinstance(value, PLAIN)


def same(one: Any, two: Any) -> bool:
    """Equal in value and kind; NaN equals NaN."""
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, (tuple, list)) and isinstance(two, (tuple, list)):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, float) and isinstance(two, float) and math.isnan(one) and math.isnan(two):
        return True
    return bool(one == two)
