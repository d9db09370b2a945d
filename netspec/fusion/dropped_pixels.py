"""A pooling whose windows are single places: it keeps every so-manieth and drops the rest, as a
slice does without reading any.
"""

from collections.abc import Iterator

from netspec.fusion.fusion import Chains, Example, Fusion, Pass

__all__ = ["DROPPED_PIXELS"]


def find(chains: Chains) -> Iterator[Fusion]:
    """Each layer that only drops places."""
    for node in chains.nodes:
        if chains.free(node):
            steps = node.layer.takes_every(*chains.typed.bottoms(node))
            if steps is not None:
                yield Fusion(DROPPED_PIXELS.name, (node,), node.bottoms, "take_every", (steps,), True)


DROPPED_PIXELS = Pass(
    "dropped-pixels",
    "a pooling that only drops places is a slice",
    find,
    (
        Example("[{name: p, type: Pooling, kernel_size: 1, stride: 2, round_mode: FLOOR}]", ("p",)),
        Example(
            "[{name: p, type: Pooling, pool: AVE, kernel_size: 1, stride: [3, 2], round_mode: FLOOR}]",
            ("p",),
            shape="N,2,7,8",
        ),
        Example(
            "[{name: p, type: Pooling, kernel_size: 1, stride: 2, round_mode: FLOOR}]",
            ("p",),
            shape="N,2,5",
        ),
        Example(
            "[{name: p, type: Pooling, kernel_size: 1, stride: 2}]"
        ),  # Caffe's last window is past the end
        Example("[{name: p, type: Pooling, kernel_size: 2, stride: 2}]"),
        Example("[{name: p, type: Pooling, pool: L2, kernel_size: 1, stride: 2, round_mode: FLOOR}]"),
    ),
)
