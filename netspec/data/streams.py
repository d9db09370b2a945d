"""Windows of one long sequence as parallel streams: which window each sample is, so that a batch
goes on where the one before ended.
"""

import numpy as np

from netspec.data.source import Array

__all__ = ["in_streams", "stretch"]


def stretch(count: int, split: str | None) -> range:
    """The windows of a part, in one piece, since a stream has no gaps: train is the first four
    fifths, test the last fifth, else all.
    """
    border = count - count // 5
    return {"train": range(border), "test": range(border, count)}.get(split or "all", range(count))


def in_streams(windows: range, streams: int) -> Array:
    """The window of each sample, (samples,): the part is cut into `streams` equal lengths of L
    windows, and batch k holds window k of each.

    sample k streams + j = window j L + k. Up to streams - 1 windows at the end of the part are left
    out.
    """
    length = len(windows) // streams
    return windows.start + np.arange(streams * length).reshape(streams, length).T.reshape(-1)
