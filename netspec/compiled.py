"""A spec as a torch module, and which program a module was compiled from. torch is imported by
compile alone.
"""

import os
from collections.abc import Iterable
from math import prod
from typing import TYPE_CHECKING, Any, Union
from weakref import WeakKeyDictionary

from netspec import driver
from netspec.diagnostics.model import fail
from netspec.emit.execute import execute, network_of
from netspec.emit.proof import prove
from netspec.emit.torch_source import torch_source
from netspec.ir.graph import TypedGraph
from netspec.read_options import Reading

if TYPE_CHECKING:
    from torch import nn

__all__ = ["compile", "load", "program_of"]


PHASES = ("test", "train", "deploy")


PROGRAMS: "WeakKeyDictionary[type[nn.Module], driver.Program]" = WeakKeyDictionary()
"""Which program a network's class was compiled from: copies and unpickled networks are of the same
class.
"""


def program_of(net: "nn.Module") -> driver.Program | None:
    """The program that a network was compiled from; None for a module that compile did not make, or
    made from a TypedGraph.
    """
    return PROGRAMS.get(type(net))


def load(
    path: str, stages: Iterable[str] = (), level: int = 0, *, allow_code: bool = False
) -> driver.Program:
    """Read a spec: every check is made, no tensor is.

    path: a file, or `zoo:NAME`. stages, level: what `include` and `exclude` of its layers ask for,
    as in Caffe. allow_code: plug-ins that it names may run. Answers a Program, which `compile`,
    `train`, `export` and `certify` take in place of the path. Raises SpecError where `netspec
    check` would report an error, and TypeError for what is no path.

    >>> program = netspec.load("zoo:lenet")
    >>> program.name, program.warnings
    ('LeNet', ())
    """
    return driver.load(os.fspath(path), Reading(frozenset(stages), level, allow_code=allow_code))


def compile(
    spec: Union[str, driver.Program, TypedGraph], phase: str = "test", *, fused: bool = True
) -> "nn.Module":
    """The network as a torch module, a Network: made by running the Python text that `netspec
    compile` writes.

    spec: a path, a Program or a TypedGraph. phase picks the layers: "test" (in eval mode), "train"
    (in train mode), or "deploy", what the outputs need (in eval mode). fused: layers that can run
    as one do, their names and weights as they are; a hook on one of them makes each run by itself.
    Weights are filled as the spec says, from torch's current random state. Data layers read what a
    call does not pass in; HDF5Output writes where a spec is given, not where a graph is. Called
    with a tensor for each input, by position or by name, in the shapes of the spec, it answers the
    tensor of its only output, or a dict of several by name. Raises SpecError as `load` does, NS505
    (weights beyond the memory), NS503 (what was built is not what the graph says), and ValueError
    for another phase.

    >>> net = netspec.compile("zoo:lenet")
    >>> net(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    if phase not in PHASES:
        raise ValueError(f"phase must be one of {', '.join(PHASES)}: it is {phase!r}")
    program = None
    if isinstance(spec, TypedGraph):
        typed = spec
    else:
        program = spec if isinstance(spec, driver.Program) else load(spec)
        typed = program.graph(phase)
    fits(typed)
    module = execute(torch_source(typed, fused=fused))
    net: Any = network_of(module)()
    prove(typed, net)
    if program is not None:
        PROGRAMS[type(net)] = program
    if any(node.layer.reads or node.layer.writes for node in (*typed.graph.sources, *typed.graph.nodes)):
        from netspec.data.data_layers.files import attach

        attach(net, typed, writing=not isinstance(spec, TypedGraph))
    return net.train(phase == "train")  # type: ignore[no-any-return]


def fits(typed: TypedGraph) -> None:
    """NS505: the weights alone take more memory than the machine has."""
    sizes = [
        (prod(size for size in ref.weight.shape if isinstance(size, int)), ref)
        for ref in typed.weight_refs()
        if not ref.shared
    ]
    needed = 4 * sum(size for size, _ in sizes)
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # a system that does not tell
        return
    if needed > there:
        size, most = max(sizes, key=lambda pair: pair[0])
        worked = f"{most.name} has {' * '.join(map(str, most.weight.shape))} = {size:,} of them"
        fact = f"{needed:,} bytes of weights, 4 for each, where the machine has {there:,}; {worked}"
        raise fail("NS505", fact, span=most.node.places["type"])
