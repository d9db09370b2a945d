"""Weights of a file put into a compiled network, by the spec's names. In: a module and a
safetensors file; out: the module, changed.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from netspec.compiled import program_of
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.driver import Program
from netspec.ir.graph import TypedGraph
from netspec.training.run.weights import read_tensors

__all__ = ["load_weights"]

Places = dict[tuple[str, int], tuple[str, ...]]
"""Where a weight stands (layer, number in it), and its names in weight files: a shared one may have
another owner in each phase.
"""


def load_weights(net: nn.Module, path: str | os.PathLike[str]) -> nn.Module:
    """Copy the weights of a safetensors file into a network that netspec.compile made, all or none;
    answers the network.

    A file may hold weights of the spec's other phase too. Raises SpecError: NS001, NS674 (damaged),
    NS676 for each tensor that is missing, of another shape, or of no layer of the spec; NS705 for a
    module that compile did not make from a spec.
    """
    program = program_of(net)
    if program is None:
        raise fail("NS705", f"{type(net).__name__} was not made by netspec.compile from a spec")
    tensors, _ = read_tensors(Path(path))
    places = places_of(program)
    targets = targets_of(net, places, tensors)
    facts = [
        f"{name} is in the file but not in the spec"
        for name in tensors
        if not any(name in names for names in places.values())
    ]
    for name, target in targets.items():
        if name not in tensors:
            facts.append(f"{name} is not in the file")
        elif tensors[name].shape != target.shape:
            facts.append(
                f"{name} is {list(tensors[name].shape)} in the file, {list(target.shape)} in the net"
            )
    if facts:
        raise SpecError([Diagnostic("NS676", fact, path=os.fspath(path)) for fact in facts])
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(tensors[name])
    return net


def places_of(program: Program) -> Places:
    """Every weight of the spec in either phase, those of layers that training adds too; owners
    before those that share.
    """
    found: dict[tuple[str, int], dict[str, None]] = {}
    for typed in (*program.graphs(), *list_trained_graphs(program)):
        for ref in sorted(typed.weight_refs(), key=lambda ref: ref.shared):
            found.setdefault((ref.node.name, ref.index), {})[ref.name] = None
    return {place: tuple(names) for place, names in found.items()}


def list_trained_graphs(program: Program) -> Iterator[TypedGraph]:
    """The graphs that training runs, of a spec that says how to train."""
    for phase in ("train", "test") if program.resolved.file.train is not None else ():
        with suppress(SpecError):
            yield program.training_graph(phase)


def targets_of(net: Any, places: Places, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network's tensors by the name that the file has for each, or else by the first of its
    names.
    """
    targets: dict[str, Tensor] = {}
    for (layer, index), names in places.items():
        if layer in net.layers:
            name = next((name for name in names if name in tensors), names[0])
            targets.setdefault(name, net.layer_parameters(layer)[index])
    return targets
