"""Caffe's HDF5 weights (data/LAYER/0, 1, ...) -> numpy arrays by layer name. Needs h5py (extra
`data`).
"""

from os import fspath, stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import SpecError, fail
from netspec.file_reading import open_file

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import NDArray

    Weights = dict[str, list[NDArray[np.float32]]]

__all__ = ["read_hdf5"]

MAX_GROUPS = 20_000
"""Groups of a file, each counted under every name that it has: ten times those of the largest
nets.
"""


def read_hdf5(path: str | Path) -> "Weights":
    """The blobs of each layer that has any, in Caffe's order. Raises NS026 for damaged files, NS027
    for other ones, NS657 without h5py.
    """
    try:
        import h5py
    except ImportError:
        raise fail(
            "NS657",
            "reading HDF5 weights needs h5py: pip install 'netspec[data]'",
            path=fspath(path),
        ) from None
    try:
        with open_file(path) as plain, h5py.File(plain, "r") as file:
            return Walk(fspath(path), stat(path).st_size).layers(file)
    except SpecError:
        raise
    except Exception as error:  # h5py raises whatever fits the broken byte: OSError, KeyError, RuntimeError, ValueError, UnicodeDecodeError
        raise fail("NS026", str(error) or type(error).__name__, path=fspath(path)) from None


def place_of(group: "h5py.Group") -> int:
    """Where a group lies in its file: the same under each of its names."""
    import h5py

    return int(h5py.h5o.get_info(group.id).addr)


class Walk:
    """Walks over the groups of one file; all arrays together may not exceed the file's own size."""

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        self.size = size
        self.room = size

    def layers(self, file: "h5py.File") -> "Weights":
        """The datasets of each group below `data`; a layer named a/b is a group inside a group."""
        import h5py

        top = self.member(file, "data")
        if not isinstance(top, h5py.Group):
            raise fail(
                "NS027",
                "the HDF5 file has no group 'data', as Caffe's weights have",
                path=self.path,
            )
        weights: Weights = {}
        waiting = [("", top, frozenset([place_of(top)]))]
        for count in range(MAX_GROUPS):
            if not waiting:
                return weights
            name, group, inside = waiting.pop()
            blobs = {}
            for key in group:
                item = self.member(group, key)
                if isinstance(item, h5py.Group):
                    if (place := place_of(item)) in inside:
                        raise fail("NS026", f"group '{name}/{key}' holds itself", path=self.path)
                    waiting.append((f"{name}/{key}" if count else key, item, inside | {place}))
                elif isinstance(item, h5py.Dataset) and key.isdecimal():
                    blobs[int(key)] = self.array(item, f"{name}/{key}")
            if blobs:
                weights[name] = [blobs[index] for index in sorted(blobs)]
        raise fail("NS026", f"more than {MAX_GROUPS:,} groups", path=self.path)

    def member(self, group: "h5py.Group", key: str) -> Any:
        """What lies under a name in this very file; links that lead elsewhere are refused."""
        import h5py

        link = group.get(key, getlink=True)
        if link is not None and not isinstance(link, h5py.HardLink):
            raise fail("NS026", f"'{key}' is a link that leads elsewhere", path=self.path)
        return group.get(key)

    def array(self, dataset: "h5py.Dataset", name: str) -> "NDArray[np.float32]":
        """The values of a dataset that is stored plainly, within the file's size."""
        import numpy as np

        # virtual and external data lie in other files
        if (
            dataset.is_virtual
            or dataset.external
            or dataset.dtype.kind != "f"
            or dataset.dtype.itemsize not in (4, 8)  # Caffe writes float and double
        ):
            raise fail("NS026", f"'{name}' is not a plain array of floating numbers", path=self.path)
        self.room -= dataset.nbytes
        # more than is stored is compressed: a small file could fill the memory
        if dataset.nbytes > dataset.id.get_storage_size() or self.room < 0:
            raise fail(
                "NS026",
                f"'{name}' claims {dataset.nbytes:,} bytes in a file of {self.size:,}",
                path=self.path,
            )
        return np.asarray(dataset[()], np.float32)
