"""Specs against the same nets as plain functions of torch: what comes out, how many parameters, how many products."""

import math
from collections.abc import Callable
from typing import Any

import by_hand
import numpy as np
import pytest
import torch
from alike import image, numbers
from click.testing import CliRunner
from hand import Hand
from thin import width
from torch import Tensor
from zoo_nets import THIN, role, typed

from netspec.analysis.cost import cost
from netspec.cli import group
from netspec.compiled import compile as compiled
from netspec.ir.dims import evaluate, symbols

NETS: dict[str, tuple[Callable[[Hand, Tensor], Tensor], str]] = {
    "lenet": (by_hand.lenet, "ip2"),
    "lenet-1": (by_hand.lenet_1, "out"),
    "lenet-1989": (by_hand.lenet_1989, "out"),
    "lenet-5": (by_hand.lenet_5, "f6/squash"),
    "tdnn": (by_hand.tdnn, "output"),
    "ciresan-column": (by_hand.ciresan, "column.score"),
    "recurrent-resnet": (by_hand.recurrent_resnet, "fc10"),
    "alexnet-grouped": (by_hand.alexnet, "fc8"),
    "caffenet": (by_hand.caffenet, "fc8"),
    "nin": (by_hand.nin, "pool4"),
    "googlenet": (by_hand.googlenet, "classifier"),
    "u-net": (by_hand.u_net, "score"),
    "segnet": (by_hand.segnet, "score"),
    "fcn-8s": (by_hand.fcn_8s, "score"),
    "dilated-context": (by_hand.dilated_context, "score"),
    "wavenet": (by_hand.wavenet, "score"),
    "deepsea": (by_hand.deepsea, "fc5"),
    "deepbind": (by_hand.deepbind, "score"),
    "autoencoder": (by_hand.autoencoder, "decode1"),
    "conv-autoencoder": (by_hand.conv_autoencoder, "decode1"),
    "dcgan-discriminator": (by_hand.dcgan_discriminator, "score"),
    "dcgan-generator": (by_hand.dcgan_generator, "draw"),
}
"""The function, and the blob that it gives."""
LONG = {"u-net", "fcn-8s", "segnet", "alexnet-grouped", "caffenet", "deepsea", "googlenet", "nin"}
"""Run with an eighth of the channels by default, on both sides."""


@pytest.mark.parametrize("name", [THIN + name if name in LONG else name for name in NETS])
def test_net_is_the_one_written_by_hand(name: str) -> None:
    same_as_by_hand(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LONG))
def test_large_net_is_the_one_written_by_hand(name: str) -> None:
    same_as_by_hand(name)


@torch.no_grad()
def same_as_by_hand(name: str) -> None:
    graph, hand = typed(name), Hand(width if name.startswith(THIN) else int)
    (data,) = (i.value for i in graph.graph.inputs)
    open_sizes = {s: 64 for size in graph.types[data].shape for s in symbols(size) if s != "N"}
    x = torch.from_numpy(image([2, *(int(evaluate(s, open_sizes)) for s in graph.types[data].shape[1:])]))  # type: ignore[call-overload]
    function, blob = NETS[name.removeprefix(THIN)]
    theirs = function(hand, x).numpy()
    net: Any = compiled(graph).eval()
    for ref in graph.weight_refs():
        if not ref.shared and ref.kind != "fixed":
            tensor = net.layer_parameters(ref.node.name)[ref.index]
            tensor.copy_(torch.from_numpy(numbers(tensor.shape, role(ref))))
    ours = net.forward_blobs({data.name: x})[blob].numpy().reshape(theirs.shape)
    assert theirs.std() > 0
    apart = np.abs(ours - theirs) > 1e-4 * np.abs(theirs).max()
    # which of two maxima is the greater, rounding decides; of few channels each weighs more
    assert apart.mean() <= {"segnet": 0.01, f"{THIN}segnet": 0.1}.get(name, 0)
    found = cost(typed(name))
    assert found.parameters == sum(math.prod(shape) * n for shape, n in hand.tensors.items())
    assert evaluate(found.macs, open_sizes) == hand.macs


class Links(Hand):
    """Counts what the units of convolutions and dense layers read, a bias as one more."""

    links = 0

    def read(self, y: Tensor, inputs: int, bias: bool) -> Tensor:
        self.links += y[0].numel() * (inputs + bias)
        return y

    def conv(
        self, x: Tensor, n: int, k: Any, bias: bool = True, groups: int = 1, **settings: object
    ) -> Tensor:
        window = k ** (x.dim() - 2) if isinstance(k, int) else math.prod(k)
        return self.read(super().conv(x, n, k, bias, groups, **settings), x.shape[1] // groups * window, bias)

    def dense(self, x: Tensor, n: int, bias: bool = True) -> Tensor:
        return self.read(super().dense(x, n, bias), x[0].numel(), bias)


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "epochs", "examples"),
    [("lenet", 20, 60_000), ("tdnn", 7, 778), ("autoencoder", 0.5, 60_001), ("nin", 90, 1_281_167)],
)
def test_operations_of_a_training_are_those_counted_by_hand(name: str, epochs: float, examples: int) -> None:
    """`show --training` on specs without a section train: every link is used once for each example that is seen."""
    hand, function = Links(), NETS[name][0]
    function(hand, torch.zeros(1, *(int(size) for size in cost(typed(name)).inputs["data"][1:])))  # type: ignore[call-overload]
    words = ("show", f"zoo:{name}", "--training", "--epochs", str(epochs), "--examples", str(examples))
    last = CliRunner().invoke(group, words, catch_exceptions=False).output.splitlines()[-1]
    seen = round(epochs * examples)
    assert (
        last
        == f"training: {hand.links * seen:,} operations: {hand.links:,} connections x {seen:,} examples seen"
    )
