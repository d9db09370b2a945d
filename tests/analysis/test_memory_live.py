"""Activation memory against the storages that the compiled module really holds, and counts against what torch counts."""

import random

import pytest
import torch
from analysis_specs import net, typed
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from netspec.analysis.cost import cost
from netspec.compiled import compile

CONV = "type: Convolution, num_output: 4, kernel_size: 3"


class Live(TorchDispatchMode):
    """The most bytes of storages alive at the same time, those known beforehand apart."""

    def __init__(self, known: set[int]) -> None:
        super().__init__()
        self.known, self.alive, self.most = known, {}, 0

    def __torch_dispatch__(self, call, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        made = call(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if (
                isinstance(tensor, torch.Tensor)
                and (key := tensor.untyped_storage()._cdata) not in self.known
            ):
                self.alive[key] = (
                    StorageWeakRef(tensor.untyped_storage()),
                    tensor.untyped_storage().nbytes(),
                )
        self.alive = {key: kept for key, kept in self.alive.items() if not kept[0].expired()}
        self.most = max(self.most, sum(size for _, size in self.alive.values()))
        return made


def step(draw: random.Random, name: str, last: str) -> str:
    return draw.choice(
        [
            f"name: {name}, {CONV}, pad: 1, bottom: {last}",
            f"name: {name}q, type: ReLU, bottom: {last}, top: {last}\nname: {name}, type: TanH, bottom: {last}",
            f"name: {name}, type: Dropout, bottom: {last}",
            f"name: {name}a, type: Slice, slice_point: 1, bottom: {last}, top: [{name}a, {name}b]\n"
            f"name: {name}, type: Concat, bottom: [{name}b, {name}a]",
            f"name: {name}f, type: Flatten, bottom: {last}\nname: {name}r, type: ReLU\n"
            f"name: {name}, type: Reshape, shape: [0, 4, -1, 16], bottom: {name}r",
            f"name: {name}c, {CONV}, bottom: {last}\nname: {name}d, type: Crop, offset: 1, bottom: [{last}, {name}c]\n"
            f"name: {name}e, type: Eltwise, bottom: [{name}c, {name}d]\n"
            f"name: {name}, type: Deconvolution, num_output: 4, kernel_size: 3, bottom: {name}e",
        ]
    )


@pytest.mark.torch
@pytest.mark.parametrize("seed", range(40))
def test_memory_is_what_the_module_holds(seed: int) -> None:
    draw, lines, last = (
        random.Random(seed),
        ["name: l, type: Convolution, num_output: 4, kernel_size: 1"],
        "l",
    )
    for i in range(draw.randint(1, 5)):
        lines.append(step(draw, f"l{i}", last))
        last = f"l{i}"
    graph = typed(net("[1, 4, 16, 16]", "\n".join(lines), f"output: {last}\n"))
    module, x = compile(graph), torch.rand(1, 4, 16, 16)
    held = [x, *module.parameters(), *module.buffers()]
    with torch.no_grad(), Live({tensor.untyped_storage()._cdata for tensor in held}) as live:
        module(x)
    said = cost(graph).memory["inference"]
    assert said is not None
    # The input, 4096 bytes, is held by the caller; a value called h in `forward` lives until the name is bound anew.
    assert said - 4096 <= live.most <= said + 4096
    assert live.most <= said or "Crop" in "".join(lines)


ROWS = [
    (
        "[1, 6, 9, 8]",
        f"{CONV.replace('3', '[3, 2]')}, group: 2, stride: [2, 1], dilation: [1, 3], pad: [[0, 1], [2, 0]]",
    ),
    (
        "[1, 6, 9, 8]",
        "type: Deconvolution, num_output: 4, group: 2, kernel_size: [3, 2], stride: [2, 1], output_padding: [1, 0]",
    ),
    ("[1, 6, 9]", "type: DepthwiseConvolution, num_output: 12, kernel_size: 3, bias_term: false"),
    ("[1, 3, 9, 7]", "type: LocallyConnected, num_output: 3, kernel_size: [3, 2], stride: 2"),
    ("[1, 5, 4, 3]", "type: InnerProduct, num_output: 7, axis: 2"),
    ("[1, 5, 4, 3]", "type: InnerProduct, num_output: 7, axis: -1, transpose: true, bias_term: false"),
    ("[1, 2, 6, 5, 4]", "type: Convolution, num_output: 4, kernel_size: [2, 3, 1], stride: [1, 2, 3]"),
    ("[1, 5, 8]", "type: MultiHeadAttention, num_heads: 2"),
]


@pytest.mark.torch
@pytest.mark.parametrize(("shape", "layer"), ROWS)
def test_macs_are_what_torch_counts(shape: str, layer: str) -> None:
    graph = typed(net(shape, f"name: a, {layer}"))
    sizes = graph.types[graph.graph.inputs[0].value].shape
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        compile(graph)(torch.rand(*map(int, sizes)))  # type: ignore[arg-type]
    assert cost(graph).macs == counter.get_total_flops() // 2


LINEAR = [
    ("[1, 4, 9]", "type: Convolution, num_output: 4, kernel_size: 3, group: 2, dilation: 2"),
    ("[1, 4, 9]", "type: Deconvolution, num_output: 4, kernel_size: 3, stride: 2, bias_term: false"),
    ("[1, 3, 9]", "type: MappedConvolution, num_output: 3, kernel_size: 3, table: [[0], [0, 1], [0, 1, 2]]"),
    ("[1, 3, 9, 7]", "type: LocallyConnected, num_output: 3, kernel_size: [3, 2], stride: 2"),
    ("[1, 4, 8, 8]", "type: Subsampling, kernel_size: 2, stride: 2"),
    ("[1, 4, 8]", "type: RBF, num_output: 5"),
    ("[1, 4, 8]", "type: Scale, bias_term: true"),
    ("[1, 5, 4, 3]", "type: InnerProduct, num_output: 7, axis: 2"),
]


@pytest.mark.torch
@pytest.mark.parametrize(("shape", "layer"), LINEAR)
def test_connections_are_the_inputs_that_units_read(shape: str, layer: str) -> None:
    graph = typed(net(shape, f"name: a, {layer}"))
    module = compile(graph).double()
    for weight in module.parameters():
        torch.nn.init.uniform_(weight, 0.5, 1.5)
    x = torch.rand(*map(int, graph.types[graph.graph.inputs[0].value].shape), dtype=torch.float64) + 2  # type: ignore[arg-type]
    read = int((torch.autograd.functional.jacobian(module, x).abs() > 1e-12).sum())
    found = cost(graph)
    biases = module(x).numel() if any(name.endswith("bias") for name, _ in module.named_parameters()) else 0
    assert (found.connections, found.units["output"]) == (read + biases, module(x).numel())
