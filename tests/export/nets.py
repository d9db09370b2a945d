"""Small networks for the tests of export: a spec becomes a typed deploy graph, a torch module with random weights, and a model."""

from typing import Any, NamedTuple

import torch

from netspec import compiled
from netspec.driver import Program, load_source
from netspec.emit.onnx_model import onnx_model
from netspec.ir.graph import TypedGraph
from netspec.source import Source

COLOURS = """
netspec: 1
name: colours
input:
  data: {shape: [N, 3, 12, 10], image: {color: bgr, mean_value: [104, 117, 123], scale: 0.02, background: 30}}
layers:
"""
"""A picture's whole contract, for a net of layers that follow."""


class Made(NamedTuple):
    program: Program
    typed: TypedGraph
    net: Any
    model: Any


def made(
    layers: str, inputs: str = "data: [N, 3, 9, 8]", more: str = "", seed: int = 0, fused: bool = True
) -> Made:
    """The network of these layers, one a line, its weights and statistics random."""
    lines = "".join(f"  - {line.strip()}\n" for line in layers.strip().splitlines())
    program = load_source(
        Source("small.yaml", f"netspec: 1\nname: small\ninput: {{{inputs}}}\nlayers:\n{lines}{more}")
    )
    typed = program.graph("deploy")
    net = compiled.compile(typed)
    torch.manual_seed(seed)
    with torch.no_grad():
        for tensor in [*net.parameters(), *net.buffers()]:
            tensor.copy_(torch.rand_like(tensor) - 0.3 if tensor.dim() > 1 else torch.rand_like(tensor) + 0.2)
    return Made(program, typed, net, onnx_model(typed, arrays(net, typed), fused=fused))


def arrays(net: Any, typed: TypedGraph) -> dict[str, Any]:
    return {
        r.name: net.layer_parameters(r.node.name)[r.index].detach().numpy()
        for r in typed.weight_refs()
        if not r.shared
    }
