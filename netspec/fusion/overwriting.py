"""A ReLU that writes over what the layer before it made: no memory of its own, nor a second pass
over memory that is new.
"""

from collections.abc import Iterator

from netspec.fusion.fusion import Chains, Example, Fusion, Pass

__all__ = ["OVERWRITING"]


def find(chains: Chains) -> Iterator[Fusion]:
    """Each ReLU behind a layer that can spare what it made."""
    for make in chains.nodes:
        if not (chains.free(make) and make.layer.overwritable(*chains.typed.bottoms(make))):
            continue
        relu = chains.next(make)
        if relu is not None and relu.layer.rectifies:
            yield Fusion(OVERWRITING.name, (make, relu), make.bottoms, "overwrite")


CONV = "{name: conv, type: Convolution, num_output: 4, kernel_size: 3, weight_filler: msra}"
RELU = "{name: relu, type: ReLU}"
OVERWRITING = Pass(
    "overwriting",
    "a ReLU writes over what the layer before it made",
    find,
    (
        Example(f"[{CONV}, {RELU}]", ("conv", "relu")),
        Example(
            "[{name: fc, type: InnerProduct, num_output: 5, weight_filler: msra}, {name: relu, type: ReLU}]",
            ("fc", "relu"),
        ),
        Example(
            "[{name: a, type: Sigmoid}, {name: sum, type: Eltwise, bottom: [a, data]}, {name: r, type: ReLU}]",
            ("sum", "r"),
        ),
        Example(
            "[{name: a, type: Sigmoid}, {name: m, type: Eltwise, operation: PROD, bottom: [a, data]},"
            " {name: r, type: ReLU}, {name: b, type: InnerProduct, num_output: 1, weight_filler: msra}]"
        ),  # a factor is read again
        Example("[{name: tanh, type: TanH}, {name: relu, type: ReLU}]"),  # its top is what it keeps
        Example("[{name: drop, type: Dropout}, {name: relu, type: ReLU}]", phase="test"),  # it is the bottom
        Example(f"[{CONV}, {RELU}, {{name: sum, type: Eltwise, bottom: [conv, relu]}}]"),  # read twice
    ),
)
