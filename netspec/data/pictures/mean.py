"""Mean images of Caffe's data sets. In: a .binaryproto or .npy file; out: its pixels."""

import os
from pathlib import Path

import numpy as np

from netspec.caffe.blobs import read_whole_blob
from netspec.data.paths import existing, reading_error
from netspec.data.source import Array
from netspec.diagnostics import fail
from netspec.file_reading import Roots, open_in, read_bytes

__all__ = ["read_mean"]


def read_mean(path: Path, roots: Roots = None) -> Array:
    """A mean image, (C, H, W) float32, from a .binaryproto or .npy file below `roots`. Raises
    SpecError NS643, NS645.
    """
    from netspec.data.sources.npz import read_npy

    existing(path)
    try:
        if path.suffix == ".npy":
            with open_in(path, roots) as file:
                mean = read_npy(file, os.fstat(file.fileno()).st_size, "mean", path).astype(np.float32)
        else:
            mean = read_whole_blob(read_bytes(path, roots))
    except ValueError as error:
        raise fail("NS645", f"not a mean image: {error}", path=str(path)) from error
    except OSError as error:
        raise reading_error(path, error) from error
    if mean.ndim == 4 and len(mean) == 1:  # as compute_image_mean writes it
        mean = mean[0]
    if mean.ndim != 3:
        raise fail(
            "NS645",
            f"a mean image has the axes C, H, W, this one is {list(mean.shape)}",
            path=str(path),
        )
    return mean
