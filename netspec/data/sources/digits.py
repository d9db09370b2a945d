"""scikit-learn's digits: 1,797 real 8x8 scans (Alpaydin, Kaynak 1998), embedded and offline; the
default data set.
"""

import numpy as np

from netspec.data.source import ArraySource, Source, split_source

__all__ = ["open_digits"]


def open_digits(split: str | None) -> Source:
    """Fields image (1, 8, 8) uint8, gray, and label 0..9. Test is every fifth sample (index % 5 ==
    0, 360), train the other 1,437.

    The scans count ink from 0 to 16; they come out as round(v 255 / 16), so that a file with the
    same picture has the same values and one contract, `image: {scale: 0.00392156862745098}`, serves
    both.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = np.rint(images * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    source = ArraySource(
        "digits", {"image": pixels, "label": labels}, "label", tuple(map(str, range(10))), "gray"
    )
    return split_source(source, split)
