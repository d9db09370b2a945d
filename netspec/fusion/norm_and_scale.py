"""A normalisation, the factors behind it, and a ReLU behind these: one pass over the values in
place of three, forward and back.

The statistics are gathered as ever: they are those of what comes in.
"""

from collections.abc import Iterator

from netspec.fusion.fusion import Chains, Example, Fusion, Pass

__all__ = ["NORM_AND_SCALE"]

NORM = "{name: bn, type: BatchNorm}"
SCALE = "{name: scale, type: Scale, bias_term: true}"


def find(chains: Chains) -> Iterator[Fusion]:
    """Each normalisation that can take factors and is followed by some."""
    for norm in chains.nodes:
        if not (norm.layer.takes_factors and chains.free(norm)):
            continue
        scale = chains.next(norm)
        if scale is None or not scale.layer.scales_channels(*chains.typed.bottoms(scale)):
            continue
        relu = chains.next(scale)
        nodes = (norm, scale) if relu is None or not relu.layer.rectifies else (norm, scale, relu)
        yield Fusion(NORM_AND_SCALE.name, nodes, norm.bottoms, "norm_and_scale")


NORM_AND_SCALE = Pass(
    "norm-and-scale",
    "a normalisation, the factors behind it and a ReLU in one pass",
    find,
    (
        Example(f"[{NORM}, {SCALE}]", ("bn", "scale")),
        Example(f"[{NORM}, {SCALE}, {{name: relu, type: ReLU}}]", ("bn", "scale", "relu")),
        Example(f"[{NORM}, {{name: scale, type: Scale}}]", ("bn", "scale"), shape="N,4"),
        Example(
            f"[{{name: bn, type: BatchNorm, use_global_stats: true}}, {SCALE}]",
            ("bn", "scale"),
            shape="N,4,T",
        ),
        Example(
            f"[{{name: bn, type: BatchNorm, use_global_stats: false, moving_average_fraction: 0.9}}, {SCALE}]",
            ("bn", "scale"),
            shape="N,3,4,5,2",
        ),
        Example(f"[{NORM}, {SCALE}]", ("bn", "scale"), phase="test"),
        Example(
            f"[{NORM}, {SCALE}, {{name: leaky, type: ReLU, negative_slope: 0.1}}]",
            ("bn", "scale"),
        ),
        Example(f"[{NORM}, {{name: relu, type: ReLU}}, {SCALE}]"),  # something stands between
        Example(f"[{NORM}, {{name: scale, type: Scale, axis: 2}}]"),  # factors of rows, not of channels
        Example(f"[{NORM}, {{name: scale, type: Scale, num_axes: 2}}]"),
        Example(f"[{NORM}, {{name: scale, type: Scale, bottom: [bn, data], axis: 0}}]"),
        Example(f"[{NORM}, {SCALE}, {{name: sum, type: Eltwise, bottom: [bn, scale]}}]"),  # read twice
    ),
)
