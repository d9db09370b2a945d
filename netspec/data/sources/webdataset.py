"""Shards of pictures and labels (webdataset): tar files larger than memory together. In: paths;
out: a Source that reads each sample where it lies.
"""

import math
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import BinaryIO

import numpy as np

from netspec.data.faulty import hint_skip
from netspec.data.paths import exists, reading_error, resolve_path, roots_of
from netspec.data.place import Place
from netspec.data.shards.braces import MOST, count_names, expand_names
from netspec.data.shards.index import ShardIndex, index_shard, name_at
from netspec.data.shards.kept import Key, find_kept
from netspec.data.source import Array, Field, Rows, Source, find_origin
from netspec.data.sources.csv import is_number
from netspec.data.sources.image_folder import DECODERS, picture_field
from netspec.data.splits import fifths_within
from netspec.diagnostics import Diagnostic, fail
from netspec.diagnostics.words import count_of, list_briefly, list_some
from netspec.file_reading import open_in, stat_in
from netspec.imaging.decode import decode
from netspec.imaging.remarks import Remarks
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection, find_missing

__all__ = ["Shards", "open_webdataset", "shards_behind"]

OPEN = 64
"""Shards that are held open: a process may have 1,024 files."""
SHOWN = 6
SKIP = hint_skip("samples")
KEPT = 4096
"""Indices that a process keeps: of more shards a second part reads some anew."""


class Shards(Source):
    """Field image as of a folder of pictures, label: a class, or a number. 44 bytes of memory a
    sample.

    Samples are read where they lie, in any order: epochs are shuffled whole, as those of files.
    kept: what a run may keep of the shards in which all can be read.
    """

    kept: Mapping[Key, ShardIndex] = MappingProxyType({})

    def __init__(
        self,
        name: str,
        files: Sequence[Path],
        indices: Sequence[ShardIndex],
        labels: Array | None,
        contract: ImageContract,
        roots: Sequence[Path],
    ) -> None:
        self.name, self.files, self.roots, self.contract = name, files, roots, contract
        self.shards = np.repeat(np.arange(len(files), dtype=np.int32), [len(each.heads) for each in indices])
        self.heads, self.begins, self.sizes = (
            np.concatenate([each[column] for each in indices]) for column in range(3)
        )
        self.marks, self.label = labels, None if labels is None else "label"
        self.fields = {"image": picture_field(contract)}
        if labels is not None:
            self.fields["label"] = Field((), labels.dtype)
        self.color = contract.color or "rgb"
        self.decoded = self.named = True
        self.held: OrderedDict[int, BinaryIO] = OrderedDict()
        self.lock = Lock()
        self.pool: ThreadPoolExecutor | None = None
        self.noticed = Remarks()

    def __len__(self) -> int:
        return len(self.heads)

    def labels(self) -> Array | None:
        return self.marks

    def remarks(self) -> tuple[Diagnostic, ...]:
        return self.noticed.tell(self.name)

    def where(self, index: int) -> str:
        with self.lock:
            shard = int(self.shards[index])
            return f"{self.files[shard]}, {name_at(self.file(shard), int(self.heads[index]))}"

    def signatures(self) -> list[str]:
        heads, sizes = self.heads.tolist(), self.sizes.tolist()
        names = [self.files[shard].name for shard in self.shards.tolist()]
        return [f"{name} {head} {size}" for name, head, size in zip(names, heads, sizes, strict=True)]

    def batch(self, indices: Array) -> Rows:
        if self.pool is None:
            self.pool = ThreadPoolExecutor(DECODERS, "decode")
        with self.lock:
            data = [self.read(i) for i in indices.tolist()]
        images = list(self.pool.map(self.decode, indices.tolist(), data))
        ragged = len({image.shape for image in images}) > 1 or None in self.fields["image"].shape
        found: Rows = {"image": images if ragged else np.stack(images)}
        return found if self.marks is None else {**found, "label": self.marks[indices]}

    def decode(self, index: int, data: bytes) -> Array:
        try:
            return decode(data, self.contract, f"sample {index}", self.noticed)
        except Exception as error:
            if hasattr(error, "diagnostics"):  # told by its name, which costs a look into the shard
                found = error.diagnostics[0]
                raise fail(found.code, found.fact, path=self.where(index), notes=found.notes) from error
            raise

    def read(self, index: int) -> bytes:
        """The bytes of a sample's picture."""
        shard = int(self.shards[index])
        try:
            file = self.file(shard)
            # at its place, without moving what threads share
            return os.pread(file.fileno(), int(self.sizes[index]), int(self.begins[index]))
        except OSError as error:
            raise reading_error(self.files[shard], error) from error

    def file(self, shard: int) -> BinaryIO:
        """An open shard; of those that are held the one that was asked for longest ago gives
        way.
        """
        if shard not in self.held:
            self.held[shard] = open_in(self.files[shard], self.roots)
            if len(self.held) > OPEN:
                self.held.popitem(last=False)[1].close()
        self.held.move_to_end(shard)
        return self.held[shard]


def open_webdataset(section: DataSection, split: str | None, place: Place) -> Source:
    """The samples of the shards that `path` names: a folder, one .tar, or names that count up,
    `shards/{0000..0009}.tar`.

    Labels are whole numbers, numbers, or names of classes, numbered in sorted order. Raises
    SpecError NS641, NS643 (shards that are not there, all of them), NS632 (what cannot be read, all
    of it; `on_error: skip` leaves it out), NS650, NS663.
    """
    if section.path is None:
        raise fail("NS641", find_missing(section))
    files, roots = find_shards(section.path, place)
    known = find_kept(place.runs)
    keys = [key_of(file, tuple(roots), section.label) for file in files]
    indices = [known.get(key) or index_file(key, tuple(roots)) for key in keys]
    bare = place.predicting and any(each.bare for each in indices)  # labels are what is to be found out
    if not bare:
        indices = [each.labelled() for each in indices]
    bad = [f"{file}, {fault}" for file, each in zip(files, indices, strict=True) for fault in each.faults]
    total = sum(len(each.heads) for each in indices)
    counted = count_of(total, "sample"), count_of(len(files), "shard")
    fact = f"{count_of(len(bad), 'fault')} beside {' in '.join(counted)}"
    if bad and section.on_error != "skip":
        raise fail("NS632", fact, path=section.path, notes=(*list_some(bad), SKIP))
    if not total:
        raise fail("NS650", "holds no samples that can be read", path=section.path)
    labels, names = (None, place.classes) if bare else number_labels(indices, place.classes, section.path)
    source = Shards(section.path, files, indices, labels, place.file_contract, roots)
    source.classes = None if names is None else tuple(names)
    source.left_out = tuple(bad)
    source.kept = {
        key: each for key, each in zip(keys, indices, strict=True) if not (each.faults or each.bare)
    }
    return fifths_within(source, split)


def find_shards(path: str, place: Place) -> tuple[list[Path], list[Path]]:
    """The shards that a path names, in order, and the folders that they may lie in. Raises
    SpecError NS641, NS642, NS643.
    """
    if count_names(path) > MOST:
        raise fail("NS641", f"{path} names {count_names(path):,} shards, more than {MOST:,}")
    found = [resolve_path(name, place.root, place.allow_outside) for name in expand_names(path)]
    if len(found) == 1 and found[0].is_dir():
        top = found[0]
        try:
            found = sorted(each for each in top.iterdir() if each.suffix.lower() == ".tar")
        except OSError as error:
            raise reading_error(top, error) from error
        if not found:
            raise fail("NS643", "no file *.tar in it", path=str(top))
    lost = [each.name for each in found if not exists(each)]
    if lost or not found:
        lie = "is" if len(lost) == 1 else "are"
        shards = count_of(len(found), "shard")
        fact = f"{len(lost):,} of {shards} {lie} not there: {list_briefly(lost, SHOWN)}"
        raise fail("NS643", fact, path=path)
    return found, roots_of(place.root, found[0].parent, place.allow_outside)


def shards_behind(sources: Iterable[Source]) -> dict[Key, ShardIndex]:
    """What a run may keep of the shards that some parts are taken from."""
    found: dict[Key, ShardIndex] = {}
    for source in sources:
        origin, _ = find_origin(source)
        if isinstance(origin, Shards):
            found |= origin.kept
    return found


def key_of(path: Path, roots: tuple[Path, ...], label: str | None) -> Key:
    """What the index of a shard holds for. Raises SpecError NS642, NS643."""
    try:
        found = stat_in(path, roots)
    except OSError as error:
        raise reading_error(path, error) from error
    return Key(str(path), found.st_size, found.st_mtime_ns, label)


@lru_cache(maxsize=KEPT)
def index_file(key: Key, roots: tuple[Path, ...]) -> ShardIndex:
    """The index of a shard, which training, test and validation share. Raises SpecError NS642,
    NS643.
    """
    path = Path(key.path)
    try:
        with open_in(path, roots) as file:
            return index_shard(file, key.label)
    except OSError as error:
        raise reading_error(path, error) from error


def number_labels(
    indices: Sequence[ShardIndex], classes: Sequence[str] | None, path: str
) -> tuple[Array, tuple[str, ...] | None]:
    """The label of each sample: whole numbers and numbers as they are, words by their place in
    sorted order. NS663: a class that training did not know.
    """
    words = sorted({word for each in indices for word in each.values})
    if classes is None and all(is_number(word) and math.isfinite(float(word)) for word in words):
        numbers = {word: float(word) for word in words}
        # past 2^53 a double does not hold each whole number
        whole = all(value == round(value) and abs(value) < 2**53 for value in numbers.values())
        return look_up(indices, numbers, np.dtype(np.int64 if whole else np.float32)), None
    names = tuple(words) if classes is None else tuple(classes)
    unknown = [word for word in words if word not in names]
    if unknown:
        fact = f"class {unknown[0]!r} was not there in training, which knew {', '.join(names)}"
        raise fail("NS663", fact, path=path)
    return look_up(indices, {name: number for number, name in enumerate(names)}, np.dtype(np.int64)), names


def look_up(
    indices: Sequence[ShardIndex], numbers: "dict[str, float] | dict[str, int]", kind: np.dtype
) -> Array:
    """The number of each sample's word."""
    parts = [
        np.array([numbers[word] for word in each.values], kind)[each.codes]
        for each in indices
        if len(each.codes)
    ]
    return np.concatenate(parts)
