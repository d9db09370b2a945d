"""LMDB stores of Caffe's Datum messages, in the order of their keys. A store is only read, and never locked."""

from pathlib import Path
from typing import ClassVar
from weakref import WeakValueDictionary

import numpy as np

from netspec.diagnostics import SpecError, fail
from netspec.resolve.image_contract import ImageContract
from netspec.resolve.train_section import DataSection
from netspec.training.data.datum import Datum, read_datum
from netspec.training.data.paths import exists, resolve_path
from netspec.training.data.source import Array, ArraySource, Field, Rows, Source, divided
from netspec.training.images import decode

__all__ = ["Store", "open_lmdb"]

SMALL = 1 << 28
"""Stores of raw pixels up to so many bytes are read into memory."""


class Store(Source):
    """Samples of an LMDB. Fields image (uint8, or float32 for float_data) and label.

    Encoded images go through the contract's arriving half, bgr where it names no order, since that is what Caffe decodes to.
    """

    def __init__(self, name: str, opened: "Opened", contract: ImageContract) -> None:
        self.name = name
        self.opened = opened
        self.contract = contract.changed(color=contract.color or "bgr")
        self.keys = opened.keys()
        if not self.keys:
            raise fail("NS650", "an empty store", path=name)
        first = self.datum(0)
        pixels = self.pixels(first, 0)
        exact = self.contract.resize if isinstance(self.contract.resize, tuple) and len(self.contract.resize) == 2 else (None, None)
        self.decoded = first.encoded is not None
        self.color = self.contract.color if self.decoded else None
        self.label = "label"
        shape = (pixels.shape[0], *exact) if self.decoded else pixels.shape
        self.fields = {"image": Field(shape, pixels.dtype), "label": Field((), np.dtype(np.int64))}

    def __len__(self) -> int:
        return len(self.keys)

    def batch(self, indices: Array) -> Rows:
        data = [self.datum(i) for i in indices.tolist()]
        images = [self.pixels(datum, int(i)) for datum, i in zip(data, indices, strict=True)]
        labels = np.array([datum.label for datum in data], np.int64)
        if len({image.shape for image in images}) > 1 or None in self.fields["image"].shape:
            return {"image": images, "label": labels}
        return {"image": np.stack(images), "label": labels}

    def datum(self, index: int) -> Datum:
        key = self.keys[index]
        try:
            return read_datum(self.opened.value(key))
        except ValueError as error:
            raise fail("NS645", f"key {key.decode('latin-1')!r} holds no Datum: {error}", path=self.name) from error

    def pixels(self, datum: Datum, index: int) -> Array:
        if datum.encoded is None:
            assert datum.pixels is not None
            return datum.pixels
        return decode(datum.encoded, self.contract, f"{self.name}: {self.keys[index].decode('latin-1')}")


def open_lmdb(section: DataSection, split: str | None, root: Path, contract: ImageContract, allow_outside: bool = False) -> Source:
    """The store in the folder `path`. Raises SpecError NS643 (none there), NS644 (cut short), NS645 (damaged), NS650, NS657."""
    if section.path is None:
        raise fail("NS641", "source lmdb needs `path:`, the folder of a store")
    path = resolve_path(section.path, root, allow_outside)
    data = path / "data.mdb" if path.is_dir() else path
    if not data.is_file():
        raise fail("NS643", "no such store" if not exists(path) else "holds no data.mdb", path=str(path))
    store = Store(str(path), Opened.at(path, data), contract)
    size = data.stat().st_size
    if store.decoded or size > SMALL:
        return divided(store, split)
    rows = store.batch(np.arange(len(store)))
    if isinstance(rows["image"], list):
        return divided(store, split)
    return divided(ArraySource(store.name, {"image": rows["image"], "label": np.asarray(rows["label"])}, "label"), split)


class Opened:
    """A store that is open. A process may open each only once, so training and test share it; it closes with its last user."""

    now: ClassVar[WeakValueDictionary[Path, "Opened"]] = WeakValueDictionary()

    def __init__(self, path: Path, data: Path) -> None:
        try:
            import lmdb
        except ImportError as error:
            raise fail("NS657", "source lmdb needs lmdb: pip install 'netspec[data]'", path=str(path)) from error
        size = data.stat().st_size
        self.path, self.failure = path, lmdb.Error
        try:
            self.environment = lmdb.open(str(path), readonly=True, lock=False, subdir=path.is_dir(), readahead=False)
            needed = (self.environment.info()["last_pgno"] + 1) * self.environment.stat()["psize"]
        except lmdb.Error as error:
            raise damaged(path, size, str(error)) from error
        if needed > size:  # a map shorter than its pages would end the process when it is read
            raise fail("NS644", f"its header counts {needed} bytes of pages, here are {size}", path=str(data))

    def keys(self) -> list[bytes]:
        """All keys, in order."""
        try:
            with self.environment.begin() as look:
                return list(look.cursor().iternext(keys=True, values=False))
        except self.failure as error:
            raise fail("NS645", f"damaged LMDB store: {error}", path=str(self.path)) from error

    def value(self, key: bytes) -> bytes:
        """The value of a key; empty if it has gone."""
        try:
            with self.environment.begin() as look:
                return look.get(key) or b""
        except self.failure as error:
            raise fail("NS645", f"damaged LMDB store: {error}", path=str(self.path)) from error

    def __del__(self) -> None:
        if hasattr(self, "environment"):
            self.environment.close()

    @classmethod
    def at(cls, path: Path, data: Path) -> "Opened":
        """The store at a place, opened now or before."""
        opened = cls.now.get(path.resolve()) or cls(path, data)
        cls.now[path.resolve()] = opened
        return opened


def damaged(path: Path, size: int, why: str) -> SpecError:
    return fail("NS645", f"not an LMDB store ({size} bytes): {why}", path=str(path))
