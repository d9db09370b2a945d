"""What a layer says that it reads (`field`) against what its gradient reaches, element by element."""

import numpy as np
import pytest
import torch

import netspec
from netspec.driver import load_source
from netspec.ir.field import Reads
from netspec.source import Source

SIZES = [(7, 9), (3, 2), (1, 4), (8, 10)]
ROWS = [
    *[
        ("Interp", words, (1, 1, 6, 7))
        for words in ("size: [9, 5]", "zoom_factor: 3", "shrink_factor: 2", "size: [1, 1]")
    ],
    ("Interp", "zoom_factor: 3, shrink_factor: 2, pad_beg: -1, pad_end: -2", (1, 1, 9, 8)),
    *[
        ("Resize", f"size: [{a}, {b}], mode: {mode}", (1, 1, 4, 5))
        for a, b in SIZES
        for mode in ("NEAREST", "LINEAR", "CUBIC")
    ],
    *[
        ("Resize", f"size: [{a}, {b}], mode: {mode}, align_corners: true", (1, 1, 4, 5))
        for a, b in SIZES
        for mode in ("LINEAR", "CUBIC")
    ],
    *[
        ("Resize", f"scale: {s}, mode: {mode}", (1, 1, 6, 5))
        for s in (2, 1.5, 0.5)
        for mode in ("NEAREST", "LINEAR", "CUBIC")
    ],
    ("BatchNorm", "use_global_stats: false", (2, 2, 2, 3)),
    ("BatchNorm", "use_global_stats: true", (2, 2, 2, 3)),
    ("BN", "bn_mode: LEARN", (2, 2, 3)),
    ("BN", "bn_mode: INFERENCE", (2, 2, 3)),
    ("LRN", "local_size: 3", (2, 4, 2, 2)),
    ("LRN", "local_size: 3, norm_region: WITHIN_CHANNEL", (1, 2, 5, 5)),
    ("MVN", "across_channels: true", (2, 2, 3)),
    ("Pooling", "pool: AVE, kernel_size: 3, stride: 2, pad: 1", (1, 2, 6, 6)),
    ("Convolution", "num_output: 2, kernel_size: 3, axis: -1, weight_filler: xavier", (2, 2, 3)),
    ("Deconvolution", "num_output: 2, kernel_size: 3, stride: 2, weight_filler: xavier", (1, 2, 3, 3)),
    ("Upsample", "scale: 3", (1, 1, 2, 2)),
]


def claimed(reads: Reads, index: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Where the elements lie that the top's element `index` may read."""
    inside = np.ones(shape, bool)
    for place, step in zip(index, reads, strict=False):
        if step is not None:
            first, last = (step.stride * place + end for end in (step.first, step.last))
            own = [first - 1e-6 <= p <= last + 1e-6 for p in range(shape[step.axis])]
            inside &= np.reshape(own, [-1 if axis == step.axis else 1 for axis in range(len(shape))])
    return inside


@pytest.mark.parametrize(("type_", "words", "shape"), ROWS)
def test_no_gradient_outside_the_field(type_: str, words: str, shape: tuple[int, ...]) -> None:
    program = load_source(
        Source("net.yaml", f"input: {{x: {list(shape)}}}\nlayers:\n  - {{name: l, type: {type_}, {words}}}\n")
    )
    typed, net = program.graph("test"), netspec.compile(program)
    node = typed.graph.nodes[0]
    reads = node.layer.field(*typed.bottoms(node))[0]
    torch.manual_seed(1)
    slopes = (
        torch.autograd.functional.jacobian(net.double(), torch.rand(shape, dtype=torch.float64) + 0.1)
        .abs()
        .numpy()
    )
    for index in np.ndindex(*typed.types[node.tops[0]].shape):
        outside = slopes[index][~claimed(reads, index, shape)]
        assert not (outside > 1e-9).any(), f"element {index} reads more than {reads} says"
