"""Pictures for segmentation, drawn: discs and crosses of one brightness on a darker ground, in noise. Writes shapes.npz.

    python benchmarks/trained/shapes.py FOLDER [--seed 0]

data: (N, 1, 64, 64) uint8; label: (N, 64, 64) uint8, 0 ground, 1 disc, 2 cross; parts train (2,000) and test (400). A picture holds
two to four figures of radius 6 to 13, crosses turned by any angle; where figures overlap the later one lies on top. The brightness of
a pixel tells ground from figure, more or less, but not the two kinds of figure: for that a net has to see their outline.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

SIZE, NOISE, ARM = 64, 25.0, 0.35
COUNTS = {"train": 2000, "test": 400}
Array = NDArray[np.uint8]


def picture(rng: Generator) -> tuple[Array, Array]:
    """One picture and its classes, each (64, 64)."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    label = np.zeros((SIZE, SIZE), np.uint8)
    for _ in range(rng.integers(2, 5)):
        row, column, radius = *rng.uniform(8, SIZE - 8, 2), rng.uniform(6, 13)
        angle, kind = rng.uniform(0, np.pi / 2), rng.integers(1, 3)
        u = (x - column) * np.cos(angle) + (y - row) * np.sin(angle)
        v = (y - row) * np.cos(angle) - (x - column) * np.sin(angle)
        cross = np.maximum(abs(u), abs(v)) <= radius, np.minimum(abs(u), abs(v)) <= ARM * radius
        inside = u**2 + v**2 <= radius**2 if kind == 1 else cross[0] & cross[1]
        label[inside] = kind
    ground, figure = rng.uniform(60, 110), rng.uniform(40, 90)
    pixels = ground + figure * (label > 0) + rng.normal(0, NOISE, label.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8), label


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    arrays = {}
    for part, count in COUNTS.items():
        pixels, labels = zip(*(picture(rng) for _ in range(count)), strict=True)
        arrays |= {f"data_{part}": np.stack(pixels)[:, None], f"label_{part}": np.stack(labels)}
    given.folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(given.folder / "shapes.npz", **arrays)


if __name__ == "__main__":
    main()
