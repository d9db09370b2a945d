"""The two torch answers to a case: the emitted module in float64, which is the truth, and in
float32, which says how much rounding matters.

In: a net (emitted module, float32) and numpy arrays; out: numpy arrays by value. torch is imported
inside.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netspec.exporters.certification.compare import EPS
from netspec.ir.graph import Input, Node, TypedGraph, Value

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    Array = np.ndarray[Any, Any]

__all__ = ["Reference", "apply_contract", "prepare", "rounding", "stages", "twin"]


class Reference:
    """A net that runs on numpy arrays and answers chosen values, in one precision: in float64 a
    copy of it, in float32 the net itself.
    """

    def __init__(self, net: "nn.Module", typed: TypedGraph, device: str, *, double: bool) -> None:
        self.typed = typed
        self.double = double
        self.device = device
        self.net: Any = twin(net).to(device).double().eval() if double else net
        self.reset()

    def take(self, net: "nn.Module") -> None:
        """The weights of another network of the same class."""
        self.net.load_state_dict(net.state_dict())

    def reset(self) -> None:
        """Forget recurrent state."""
        self.net.reset_state()

    def run(
        self,
        feed: "Mapping[str, Array]",
        wanted: Sequence[Value],
        prepared: "Mapping[str, Array] | None" = None,
    ) -> "dict[Value, Array]":
        """Feed the inputs as callers of the model do (contract included), answer the wanted values.
        Raises what torch raises.

        prepared: the inputs behind their contracts, where somebody else has seen to these.
        """
        import numpy as np
        import torch

        from netspec.training.device import exact_float32

        dtype = np.float64 if self.double else np.float32
        tensors = []
        for given in self.typed.graph.inputs:
            name = given.value.name
            if prepared is None:
                data = prepare(feed[name], given, dtype)
            else:
                data = real(prepared[name], dtype)
            tensors.append(torch.from_numpy(np.ascontiguousarray(data)).to(self.device))
        found: dict[Value, Any] = {}
        nodes = {v.node for v in wanted if v.node is not None}
        hooks = [
            self.module(n).register_forward_hook(lambda m, x, y, node=n: keep(found, node, y)) for n in nodes
        ]
        try:
            with torch.no_grad(), exact_float32():
                self.net(*tensors)
        finally:
            for hook in hooks:
                hook.remove()
        for given, tensor in zip(self.typed.graph.inputs, tensors, strict=True):
            found[given.value] = tensor
        return {v: found[v].detach().cpu().numpy() for v in wanted}

    def module(self, node: Node) -> Any:
        return self.net.get_submodule(self.net.layers[node.name][0])

    def unit(self, nodes: Sequence[Node], bottoms: "Sequence[Array]") -> "list[Array]":
        """What layers make of these bottoms, one after the other."""
        for node in nodes:
            bottoms = self.layer(node, bottoms)
        return list(bottoms)

    def layer(self, node: Node, bottoms: "Sequence[Array]") -> "list[Array]":
        """What one layer alone makes of these bottoms."""
        import numpy as np
        import torch

        from netspec.training.device import exact_float32

        dtype = np.float64 if self.double else np.float32
        with torch.no_grad(), exact_float32():
            made = self.module(node)(*(torch.from_numpy(real(b, dtype)).to(self.device) for b in bottoms))
        return [t.detach().cpu().numpy() for t in (made if isinstance(made, tuple) else (made,))]


STEPS = (2.0**-30, 2.0**-34)
"""Far above the rounding of float64 and far below that of float32: what is moved by so little
moves in a straight line, or jumps.
"""
DRAWS = 2
"""Each element has its own draw: two are enough for their greatest to be seldom near zero."""
LISTS = 16
"""A list that rounding may turn over turns in about half the draws: sixteen miss one in 65,000."""
NEAR = 1e-4
"""Rows of a list move by a rounding and no more; a turned list is off by whole values."""
JUMP = 4.0
"""What a layer jumps by does not shrink with the step; then it tells nothing of rounding."""


def rounding(layer: "Callable[[Sequence[Array]], list[Array]]", bottoms: "Sequence[Array]") -> "list[Array]":
    """What float32's last bit in the bottoms costs at each element of the tops of a layer in
    float64, as far as the layer does not jump.
    """
    import numpy as np

    exact = [b.astype(np.float64) if b.dtype.kind == "f" else b for b in bottoms]
    base, found = layer(exact), []
    for seed in range(DRAWS):
        large, small = (
            [np.abs(y - z) * (EPS / step) for y, z in zip(layer(nudge(exact, step, seed)), base, strict=True)]
            for step in STEPS
        )
        found.append([np.where(s > JUMP * l, 0.0, l) for l, s in zip(large, small, strict=True)])
    return [np.max(each, axis=0) for each in zip(*found, strict=True)]


def hangs_on_rounding(
    layer: "Callable[[Sequence[Array]], list[Array]]",
    bottoms: "Sequence[Array]",
    base: "list[Array]",
) -> bool:
    """Whether float32's last bit in the bottoms decides how many rows a layer lists, or in which
    order: its comparison then tells nothing.
    """
    import numpy as np

    exact = [b.astype(np.float64) if b.dtype.kind == "f" else b for b in bottoms]
    for seed in range(LISTS):
        made = layer(nudge(exact, EPS, seed))
        for y, z in zip(made, base, strict=True):
            if y.shape != z.shape or not np.allclose(y, z, rtol=NEAR, atol=NEAR):
                return True
    return False


def nudge(bottoms: "Sequence[Array]", step: float, seed: int) -> "list[Array]":
    """Each real number moved by `step` of itself, up or down; the same way for every step."""
    import numpy as np

    rngs = [np.random.default_rng((seed, i)) for i in range(len(bottoms))]
    signs = (r.choice((-1.0, 1.0), b.shape) for b, r in zip(bottoms, rngs, strict=True))
    return [
        np.asarray(b * (1 + step * sign)) if b.dtype.kind == "f" else b
        for b, sign in zip(bottoms, signs, strict=True)
    ]


def twin(net: "nn.Module") -> "nn.Module":
    """A network of the same class with the same weights. No deepcopy: weights that are views of
    others' (share_mode) would stay behind.
    """
    import torch

    # making it draws weights: the caller's stream is not to move
    with torch.random.fork_rng(devices=[]):
        made = type(net)()
    made.load_state_dict(net.state_dict())
    return made


def keep(found: dict[Value, Any], node: Node, made: Any) -> None:
    found.update(zip(node.tops, made if isinstance(made, tuple) else (made,), strict=False))


def real(data: "Array", dtype: Any) -> "Array":
    """Floats in the precision of the run; whole numbers as they are."""
    if data.dtype.kind == "f":
        return data.astype(dtype)
    return data


def prepare(data: "Array", given: Input, dtype: Any) -> "Array":
    """What a caller feeds as the net's input."""
    if given.rows is not None:
        return real([*given.rows.stages(data).values()][-1], dtype)
    return apply_contract(data, given.contract, dtype)


def apply_contract(data: "Array", contract: Any, dtype: Any) -> "Array":
    """Pixels as the net's input: what emit.onnx_contract builds into the model, written a second
    time, in numpy.
    """
    return [*stages(data, contract, dtype).values()][-1]


def stages(data: "Array", contract: Any, dtype: Any) -> "dict[str, Array]":
    """The pixels, and what the contract makes of them step by step, by the names of
    emit.onnx_contract's STAGES.
    """
    import numpy as np

    data = real(data, dtype)
    found = {"pixels": data}
    if contract is None:
        return found
    if contract.crop is not None:
        (height, width), (h, w) = data.shape[-2:], contract.crop
        top, left = (height - h) // 2, (width - w) // 2
        found["crop"] = data = data[..., top : top + h, left : left + w]
    if contract.color == "bgr":
        found["color"] = data = data[:, ::-1]
    if any(contract.mean_value):
        found["mean"] = data = data - np.asarray(contract.mean_value, dtype).reshape(-1, 1, 1)
    if contract.std_value:
        found["std"] = data = data / np.asarray(contract.std_value, dtype).reshape(-1, 1, 1)
    found["scale"] = data * dtype(contract.scale)
    return found
