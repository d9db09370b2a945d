"""MNIST's digits of 16x16 pixels, as many as the zip codes of LeCun et al. 1989: 7,291 to learn from, 2,007 to be tested on.

    python benchmarks/trained/small_digits.py DATA/mnist DATA/mnist-16

Drawn from MNIST's training and test images by NumPy's RandomState(1337), made small between pixels (bilinear), as Karpathy's rerun of
2022 does: https://github.com/karpathy/lecun1989-repro.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from holdout import write_idx
from torch.nn.functional import interpolate

from netspec.data.sources.idx import find_file, read_idx

COUNTS = {"train": 7291, "t10k": 2007}
SEED = 1337
SIDE = 16


def make_small(images: np.ndarray) -> np.ndarray:
    """Pictures of bytes, [N, H, W], with SIDE pixels a side."""
    values = torch.from_numpy(images.astype(np.float32))[:, None]
    return interpolate(values, (SIDE, SIDE), mode="bilinear")[:, 0].round().byte().numpy()


def draw(folder: Path, output: Path) -> None:
    """Write the four files."""
    output.mkdir(parents=True, exist_ok=True)
    state = np.random.RandomState(SEED)
    for part, count in COUNTS.items():
        images = read_idx(find_file(folder, f"{part}-images-idx3-ubyte"))
        labels = read_idx(find_file(folder, f"{part}-labels-idx1-ubyte"))
        chosen = state.permutation(len(images))[:count]
        write_idx(output / f"{part}-images-idx3-ubyte", make_small(images[chosen]))
        write_idx(output / f"{part}-labels-idx1-ubyte", labels[chosen])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    draw(given.folder, given.output)


if __name__ == "__main__":
    main()
