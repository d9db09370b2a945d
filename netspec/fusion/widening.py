"""Zeros that are laid beside a value only to widen it: padding, without a tensor of zeros that is
made and copied.
"""

from collections.abc import Iterator

from netspec.fusion.fusion import Chains, Example, Fusion, Pass
from netspec.ir.graph import Node

__all__ = ["WIDENING"]


def find(chains: Chains) -> Iterator[Fusion]:
    """Each layer that lays zeros before or behind its other bottom."""
    for zeros in chains.nodes:
        if zeros.layer.fixed_value != 0 or not chains.free(zeros):
            continue
        join = chains.next(zeros)
        if join is not None and "joins" in join.layer.traits and len(join.bottoms) == 2:
            yield widening(chains, zeros, join)


def widening(chains: Chains, zeros: Node, join: Node) -> Fusion:
    """The two as one: what is widened, what the zeros are shaped like, and whether they come
    first.
    """
    first = join.bottoms[0] is zeros.tops[0]
    (widened,) = (value for value in join.bottoms if value is not zeros.tops[0])
    axis = join.layer.along(chains.typed.bottoms(join)[0])
    return Fusion(WIDENING.name, (zeros, join), (widened, *zeros.bottoms), "widen", (axis, first))


ZEROS = "{name: zeros, type: Power, scale: 0, bottom: data}"
WIDENING = Pass(
    "widening",
    "zeros that only widen a value are padding",
    find,
    (
        Example(f"[{ZEROS}, {{name: wide, type: Concat, bottom: [data, zeros]}}]", ("zeros", "wide")),
        Example(f"[{ZEROS}, {{name: wide, type: Concat, bottom: [zeros, data]}}]", ("zeros", "wide")),
        Example(
            f"[{ZEROS}, {{name: wide, type: Concat, axis: -1, bottom: [data, zeros]}}]",
            ("zeros", "wide"),
            shape="N,3,T",
        ),
        Example(
            "[{name: half, type: Convolution, num_output: 2, kernel_size: 1, weight_filler: msra},"
            " {name: zeros, type: Power, power: 2, scale: 0, bottom: half},"
            " {name: wide, type: Concat, bottom: [zeros, data]}]",
            ("zeros", "wide"),
        ),
        Example(
            "[{name: ones, type: Power, scale: 0, shift: 1, bottom: data},"
            " {name: wide, type: Concat, bottom: [data, ones]}]"
        ),
        Example(
            f"[{ZEROS}, {{name: wide, type: Concat, bottom: [data, zeros]}},"
            " {name: more, type: Concat, bottom: [wide, zeros]}]"
        ),  # read twice
        Example(f"[{ZEROS}, {{name: wide, type: Concat, bottom: [data, zeros, data]}}]"),
    ),
)
