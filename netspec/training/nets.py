"""A net in torch and its tensors by the spec's names: the net to train, its twin for tests, and
nets filled from files.

In: TypedGraphs and safetensors files; out: modules. Knows no solver and no data.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from netspec import compiled
from netspec.diagnostics import Diagnostic, SpecError
from netspec.ir.graph import TypedGraph, WeightRef
from netspec.training.optim.solver import ParameterSpec
from netspec.training.run.weights import Facts, read_tensors

__all__ = ["Twins", "copy_all", "fill", "hold", "join_nets", "tensors_of", "twins"]

Aliases = Mapping[tuple[str, int], str]
"""Name of a tensor by layer and number of the weight in it: where a net lacks a tensor's owner, the
tensor still has its name.
"""


@dataclass(frozen=True, eq=False)
class Twins:
    """The net to train and the one to test, which hold the same tensors; every tensor of both under
    the spec's name.
    """

    train: nn.Module
    test: nn.Module
    parameters: list[ParameterSpec]


def twins(train: TypedGraph, test: TypedGraph) -> Twins:
    """Compile both phases. A weight belongs together by its layer's name, as in Caffe; what only
    the test net has is kept, not trained.
    """
    net, other = compiled.compile(train, "train"), compiled.compile(test, "test")
    specs = [
        ParameterSpec(ref.name, tensor, rate(ref), ref.settings.decay_mult)
        for ref, tensor in list_owned(net, train)
    ]
    for ref, tensor in join_nets(other, test, net, train):
        if not ref.shared:
            specs.append(ParameterSpec(ref.name, tensor, 0.0))
    return Twins(net, other, specs)


def join_nets(
    net: nn.Module, typed: TypedGraph, other: nn.Module, known: TypedGraph
) -> list[tuple[WeightRef, Tensor]]:
    """Give a net the tensors of another for the layers that both have; the weights of layers that
    the other has not.
    """
    own = {(ref.node.name, ref.index): tensor for ref, tensor in list_held(other, known)}
    alone = []
    for ref, tensor in list_held(net, typed):
        twin = own.get((ref.node.name, ref.index))
        if twin is not None and twin.shape == tensor.shape:
            module, name = place(net, ref)
            setattr(module, name, twin)
        elif twin is None:
            alone.append((ref, tensor))
    return alone


def hold(net: Any, typed: TypedGraph) -> None:
    """Let the layers that a training holds behave as in a test: they use the statistics that they
    have, and leave them.
    """
    paths = {net.layers[node.name][0]: False for node in typed.held if node.name in net.layers}
    if paths:
        net.modes = {**net.modes, **paths}
        net.train(net.training)


def rate(ref: WeightRef) -> float:
    """lr_mult; 0 for what training does not move."""
    if ref.kind == "parameter":
        return ref.settings.lr_mult
    return 0.0


def list_held(net: nn.Module, typed: TypedGraph) -> Iterator[tuple[WeightRef, Tensor]]:
    """Every weight with its tensor; those that are views of another's (share_mode PERMISSIVE) have
    none.
    """
    for ref in typed.weight_refs():
        module, name = place(net, ref)
        tensor = module._parameters.get(name, module._buffers.get(name))
        if tensor is not None:
            yield ref, tensor


def list_owned(net: nn.Module, typed: TypedGraph) -> Iterator[tuple[WeightRef, Tensor]]:
    """Each tensor once, at its owner."""
    return ((ref, tensor) for ref, tensor in list_held(net, typed) if not ref.shared)


def place(net: Any, ref: WeightRef) -> tuple[nn.Module, str]:
    """The module that holds a weight, and its attribute there."""
    path, *names = net.layers[ref.node.name]
    return net.get_submodule(path), names[ref.index]


def tensors_of(net: nn.Module, typed: TypedGraph) -> dict[str, Tensor]:
    """Each tensor of a compiled net by the spec's name."""
    return {ref.name: tensor for ref, tensor in list_owned(net, typed)}


def aliases(typed: TypedGraph) -> Aliases:
    return {(ref.node.name, ref.index): ref.name for ref in typed.weight_refs()}


def fill(net: nn.Module, typed: TypedGraph, path: Path, known: TypedGraph | None = None) -> Facts:
    """Copy a file's tensors into a net, which may be a part of what was trained; the file's facts.

    known: the graph that was trained, whose names the file has. NS676: a tensor is missing or of
    another shape; then none is copied.
    """
    tensors, facts = read_tensors(path)
    names = aliases(known) if known is not None else {}
    wanted = {
        names.get((ref.node.name, ref.index), ref.name): tensor for ref, tensor in list_owned(net, typed)
    }
    copy_all({name: tensors.get(name) for name in wanted}, wanted, path)
    return facts


def copy_all(values: Mapping[str, Tensor | None], targets: Mapping[str, Tensor], path: Path) -> None:
    """Copy values into targets of the same name and shape, all or none."""
    facts = []
    for name, value in values.items():
        if value is None:
            facts.append(f"{name} is not in the file")
        elif value.shape != targets[name].shape:
            facts.append(f"{name} is {list(value.shape)} in the file, {list(targets[name].shape)} in the net")
    if facts:
        raise SpecError([Diagnostic("NS676", fact, path=str(path)) for fact in facts])
    with torch.no_grad():
        for name, value in values.items():
            targets[name].copy_(value if value is not None else targets[name])
