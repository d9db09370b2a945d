"""scikit-learn's digits: 1,797 real 8x8 scans (Alpaydin, Kaynak 1998), embedded and offline; the
default data set.
"""

import gzip
import io
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from netspec.data.source import Array, ArraySource, Source, split_source
from netspec.file_reading import read_bytes

__all__ = ["open_digits"]

FILE = "datasets/data/digits.csv.gz"
"""Where scikit-learn keeps them. Read as a file: `import sklearn.datasets` takes a second of CPU."""


def open_digits(split: str | None) -> Source:
    """Fields image (1, 8, 8) uint8, gray, and label 0..9. Test is every fifth sample (index % 5 ==
    0, 360), train the other 1,437.

    The scans count ink from 0 to 16; they come out as round(v 255 / 16), so that a file with the
    same picture has the same values and one contract, `image: {scale: 0.00392156862745098}`, serves
    both.
    """
    images, labels = read_digits()
    pixels = np.rint(images * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    source = ArraySource(
        "digits", {"image": pixels, "label": labels.copy()}, "label", tuple(map(str, range(10))), "gray"
    )
    return split_source(source, split)


@cache
def read_digits() -> tuple[Array, Array]:
    """Ink (1797, 64) and labels. Raises ModuleNotFoundError without scikit-learn."""
    found = find_spec("sklearn")
    places = [Path(folder) / FILE for folder in (found and found.submodule_search_locations) or ()]
    path = next(filter(Path.is_file, places), None)
    if path is None:  # not there, or kept elsewhere
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        return images, labels
    packed = read_bytes(path, None)  # a package's own file: no spec names it, so no folder bounds it
    rows = np.loadtxt(io.BytesIO(gzip.decompress(packed)), delimiter=",")
    return rows[:, :-1], rows[:, -1].astype(np.int64)
