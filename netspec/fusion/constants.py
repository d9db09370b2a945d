"""Layers behind a value that is one number everywhere: what they make of it is one number, too,
worked out once instead of at every place.

The layers stay: of a number that is infinite or beyond float32 in between nothing is folded.
"""

from collections.abc import Iterator

from netspec.fusion.fusion import Chains, Example, Fusion, Pass
from netspec.ir.graph import Node
from netspec.kinds import is_not_finite

__all__ = ["CONSTANTS", "find_constant"]


def find(chains: Chains) -> Iterator[Fusion]:
    """Each layer that makes one number, with those behind it that go on with that alone."""
    for head in chains.nodes:
        value = first_of(head)
        if value is None or not chains.free(head):
            continue
        nodes, after = [head], chains.next(head)
        while after is not None and (value := go_on(after, value)) is not None:
            nodes.append(after)
            after = chains.next(after)
        if len(nodes) > 1:
            yield Fusion(CONSTANTS.name, tuple(nodes), head.bottoms, "fill", keeps=False)


def first_of(head: Node) -> float | None:
    """The number that a layer makes of whatever there is."""
    return bounded(head.layer.fixed_value)


def go_on(node: Node, value: float) -> float | None:
    """What a layer makes of a number, if that is all it reads."""
    if len(node.bottoms) != 1 or len(node.tops) != 1:
        return None
    try:
        return bounded(node.layer.maps(value))
    except (ArithmeticError, ValueError):
        return None


def bounded(value: float | None) -> float | None:
    """A number, where float32 holds it."""
    if value is None or is_not_finite(value):
        return None
    return value


def find_constant(fusion: Fusion) -> float | None:
    """The number that the last of the layers makes; None of another pass's."""
    if fusion.name != CONSTANTS.name:
        return None
    value = first_of(fusion.nodes[0])
    for node in fusion.nodes[1:]:
        assert value is not None
        value = go_on(node, value)
    return value


HALF = "{name: half, type: Power, scale: 0, shift: 0.5}"
CONSTANTS = Pass(
    "constants",
    "layers behind one number everywhere are that number",
    find,
    (
        Example(f"[{HALF}, {{name: log, type: Log}}]", ("half", "log")),
        Example(
            f"[{HALF}, {{name: exp, type: Exp, base: 2}}, {{name: relu, type: ReLU}},"
            " {name: clip, type: Clip, min: -1, max: 1.25}, {name: s, type: Sigmoid}]",
            ("half", "exp", "relu", "clip", "s"),
            shape="N,3,T",
        ),
        Example(
            "[{name: ones, type: Power, power: 0}, {name: tanh, type: TanH}]", ("ones", "tanh"), shape="N,5"
        ),
        Example(
            "[{name: low, type: Power, scale: 0, shift: -2}, {name: leaky, type: ReLU, negative_slope: 0.1},"
            " {name: abs, type: AbsVal}, {name: sum, type: Eltwise, bottom: [abs, data]}]",
            ("low", "leaky", "abs"),
        ),
        Example(
            "[{name: conv, type: Convolution, num_output: 4, kernel_size: 3, weight_filler: msra},"
            f" {HALF}, {{name: cube, type: Power, power: 3}}]",
            ("half", "cube"),
            phase="test",
        ),
        Example(
            f"[{HALF}, {{name: log, type: Log}}, {{name: sum, type: Eltwise, bottom: [half, log]}}]"
        ),  # read twice
        Example(f"[{HALF}, {{name: drop, type: Dropout}}]", phase="test"),
        Example(f"[{HALF}, {{name: prelu, type: PReLU}}]"),  # a number of each channel, which is trained
        Example("[{name: relu, type: ReLU}, {name: half, type: Power, scale: 0.5}]"),
    ),
)
