"""A shard, a tar file of samples, as an index: where each picture lies, and what its label says.
In: an open file; out: ShardIndex. Members are read where they lie; nothing is unpacked, no name is
a path.
"""

import os
import tarfile
from collections.abc import Iterator
from itertools import groupby
from typing import BinaryIO, NamedTuple

import numpy as np

from netspec.data.source import Array
from netspec.imaging.decode import MAX_BYTES
from netspec.strict_json import JsonError, read_object

__all__ = ["ShardIndex", "index_shard", "name_at"]

PICTURES = ("jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm")
LABELS = ("cls", "json", "txt")
"""Endings of a member that says the label; the first that a sample has counts."""
BEGINNINGS = (b"\xff\xd8", b"\x89PNG", b"RIFF", b"BM", b"GIF8", b"II*\0", b"MM\0*", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")  # fmt: skip
LONGEST = 1 << 16
"""Bytes of a label's member, and of what may be read at once while members are listed: longer names
are none."""
PACKED = b"\x1f\x8b"
TROUBLE = (
    tarfile.TarError,
    OSError,
    ValueError,
    ArithmeticError,
    LookupError,
    RecursionError,
    MemoryError,
)


TOGETHER = "the members of a sample follow one another, as `tar --sort=name` packs them"


class ShardIndex(NamedTuple):
    """For each sample: where its picture's header begins, where its bytes, how many there are, and
    which of `values` its label is, -1 where it has none that can be read: why, of each of these in
    order, says `bare`. faults: what cannot be read, and why.
    """

    heads: Array
    begins: Array
    sizes: Array
    codes: Array
    values: tuple[str, ...]
    faults: tuple[str, ...]
    bare: tuple[str, ...] = ()

    def labelled(self) -> "ShardIndex":
        """Without the samples that have no label, which are faults then."""
        if not self.bare:
            return self
        heads, begins, sizes, codes = (
            column[self.codes >= 0] for column in (self.heads, self.begins, self.sizes, self.codes)
        )
        return ShardIndex(heads, begins, sizes, codes, self.values, (*self.faults, *self.bare))


class Bounded:
    """A file of which little is read at once: a header may claim that a name has gigabytes."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LONGEST:
            raise ValueError(f"a header that claims {size:,} bytes")
        return self.file.read(size)


class Member(NamedTuple):
    """One file of a shard. key: what it has in common with the others of its sample; end: of its
    name.
    """

    key: str
    end: str
    head: int
    begin: int
    size: int


def index_shard(file: BinaryIO, label: str | None) -> ShardIndex:
    """The samples of a shard in their order: members in a row whose names are alike up to the first
    dot. label: the word of a .json member that is the label, by default `label`.
    """
    faults: list[str] = []
    bare: list[str] = []
    rows: list[tuple[int, int, int, int]] = []
    values: dict[str, int] = {}
    seen: set[int] = set()
    for key, members in groupby(members_of(file, faults), lambda member: member.key):
        by_end = {member.end: member for member in members}
        if hash(key) in seen:
            faults.append(f"{key}: its .{', .'.join(sorted(by_end))} stands apart: {TOGETHER}")
            continue
        seen.add(hash(key))
        picture = next((by_end[end] for end in PICTURES if end in by_end), None)
        said = next((by_end[end] for end in LABELS if end in by_end), None)
        have = ", ".join(sorted(by_end))
        if picture is None:
            faults.append(f"{key}: no picture, it has .{have}")
            continue
        if why := judge_picture(file, picture):
            faults.append(f"{key}: {why}")
            continue
        if said is None:
            word, wrong = "", f"no label (.{', .'.join(LABELS)}), it has .{have}"
        else:
            word, wrong = read_label(file, said, label)
        if wrong:
            bare.append(f"{key}: {wrong}")
        code = -1 if wrong else values.setdefault(word, len(values))
        rows.append((picture.head, picture.begin, picture.size, code))
    table = np.array(rows, np.int64).reshape(-1, 4)
    heads, begins, sizes, codes = (np.ascontiguousarray(column) for column in table.T)
    return ShardIndex(heads, begins, sizes, codes, tuple(values), tuple(faults), tuple(bare))


def members_of(file: BinaryIO, faults: list[str]) -> Iterator[Member]:
    """The files of a shard; what keeps from reading on, or is no file, goes to `faults`."""
    if file.read(2) == PACKED:
        faults.append("packed by gzip: its samples cannot be read in any order; unpack it, `gunzip`")
        return
    file.seek(0)
    last = "its beginning"
    try:
        with tarfile.open(fileobj=Bounded(file), mode="r:") as shard:  # type: ignore[call-overload]
            while (info := shard.next()) is not None:
                shard.members = []  # which would hold all of them
                last = info.name
                # webdataset's own notes are called so
                if info.isdir() or info.name.rpartition("/")[2].startswith("__"):
                    continue
                if not info.isreg() or info.issparse():
                    faults.append(f"{info.name}: a link, a device or full of holes: files alone are read")
                    continue
                yield member_of(info)
            file.seek(shard.offset)
            if fault := end_fault(file.read(tarfile.BLOCKSIZE), last):
                faults.append(fault)
    except TROUBLE as error:
        faults.append(f"after {last}: {str(error) or type(error).__name__}")


def member_of(info: tarfile.TarInfo) -> Member:
    folder, slash, name = info.name.rpartition("/")
    stem, _, end = name.partition(".")
    end = end.rpartition(".")[2].lower()
    return Member(f"{folder}{slash}{stem or name}", end, info.offset, info.offset_data, info.size)


def end_fault(tail: bytes, last: str) -> str:
    """What is wrong where the last member was found to end; empty where tar's mark of the end, a
    block of zeros, is there.
    """
    if tail == bytes(tarfile.BLOCKSIZE):
        return ""
    if tail:
        return f"after {last}: no header of a member, and not the end: it is damaged"
    return f"ends after {last}, without the mark of its end: it was cut short"


def judge_picture(file: BinaryIO, picture: Member) -> str:
    """Why a member can be no picture; empty where it may be one."""
    if not picture.size:
        return f"its .{picture.end} is empty"
    if picture.begin + picture.size > os.fstat(file.fileno()).st_size:
        return f"its .{picture.end} ends early: the shard was cut short"
    if picture.size > MAX_BYTES:
        return f"its .{picture.end} has {picture.size:,} bytes, more than {MAX_BYTES:,}"
    file.seek(picture.begin)
    head = file.read(8)
    if not head.startswith(BEGINNINGS):
        return f"its .{picture.end} is no picture: it begins with {head!r}"
    return ""


def read_label(file: BinaryIO, said: Member, word: str | None) -> tuple[str, str]:
    """What a member says of the label, and why it says none."""
    if said.size > LONGEST:
        return "", f"its .{said.end} has {said.size:,} bytes: no label is so long"
    file.seek(said.begin)
    data = file.read(said.size)
    try:
        if said.end == "json":
            value = read_object(data).get(word or "label")
            if type(value) not in (str, int, float):
                return "", f"its .json has no number and no text {word or 'label'}"
            text = str(value).strip()
        else:
            text = data.decode("utf-8-sig").strip()
    except (JsonError, UnicodeDecodeError) as error:
        return "", f"its .{said.end} cannot be read: {error}"
    return text, "" if text else f"its .{said.end} is empty"


def name_at(file: BinaryIO, head: int) -> str:
    """The name of the member whose header begins there."""
    file.seek(head)
    try:
        with tarfile.open(fileobj=Bounded(file), mode="r:") as shard:  # type: ignore[call-overload]
            info = shard.next()
    except TROUBLE:
        info = None
    return info.name if info is not None else f"byte {head}"
