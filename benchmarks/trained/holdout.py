"""MNIST's training set alone, as a training and a test part: for choosing rates and schedules without a look at the test set.

    python benchmarks/trained/holdout.py DATA/mnist DATA/mnist-holdout [--count 10000]

The last COUNT of the 60,000 training images become the test part of the new folder, the others its training part. Then
`netspec train SPEC --set train.data.path=DATA/mnist-holdout --set train.test_data.path=DATA/mnist-holdout`.
"""

import argparse
import struct
from pathlib import Path

import numpy as np

from netspec.data.sources.idx import find_file, read_idx


def write_idx(path: Path, array: np.ndarray) -> None:
    """An array of bytes as an IDX file: 0, 0, type 8, number of axes, the length of each, the bytes."""
    path.write_bytes(struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes())


def divide(folder: Path, output: Path, count: int) -> None:
    """Write the four files."""
    output.mkdir(parents=True, exist_ok=True)
    for name in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        array = read_idx(find_file(folder, f"train-{name}"))
        write_idx(output / f"train-{name}", array[:-count])
        write_idx(output / f"t10k-{name}", array[-count:])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=int, default=10000)
    given = parser.parse_args()
    divide(given.folder, given.output, given.count)


if __name__ == "__main__":
    main()
