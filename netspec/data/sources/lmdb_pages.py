"""Reads the pages of an LMDB file (version 1, little-endian, 64 bit): keys in order, and where
their values lie. Knows no Caffe.

liblmdb trusts its file: a damaged page ends the process. Here every offset is checked against the
file before it is followed. Layout (Chu, LMDB's mdb.c): a page has a header of 16 bytes (number,
flags, lower and upper bound) and 16-bit pointers to its nodes; a branch node leads to a page, a
leaf node holds a value or the number of the overflow page where it lies.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from netspec.file_reading import Roots, open_in

__all__ = ["DamagedStoreError", "Place", "TruncatedStoreError", "entries", "map_file"]

MAGIC, VERSION, NOWHERE = 0xBEEFC0DE, 1, 2**64 - 1
BRANCH, LEAF, OVERFLOW, META = 0x01, 0x02, 0x04, 0x08
BIG = 0x01
HEADER, NODE, MAIN = 16, 8, 88
DEPTH = 32  # liblmdb's CURSOR_STACK


class DamagedStoreError(Exception):
    """The pages contradict themselves."""


class TruncatedStoreError(DamagedStoreError):
    """The file ends before its last page."""


class Place(NamedTuple):
    """Where a value lies in the file."""

    start: int
    size: int


class Tree(NamedTuple):
    """The newest state of the main table: page size, pages in use, root page, number of entries."""

    page: int
    pages: int
    root: int
    size: int


def map_file(path: Path, roots: Roots = None) -> mmap.mmap | bytes:
    """The file's bytes, not read before they are used."""
    with open_in(path, roots) as file:
        if os.fstat(file.fileno()).st_size:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return b""


def entries(data: mmap.mmap | bytes) -> Iterator[tuple[bytes, Place]]:
    """Keys in order with the places of their values. Raises TruncatedStoreError or
    DamagedStoreError.
    """
    tree = newest(data)
    if len(data) < tree.pages * tree.page:
        raise TruncatedStoreError(
            f"its header counts {tree.pages} pages, {tree.pages * tree.page} bytes, here are {len(data)}"
        )
    found = 0
    for key, place in leaves(data, tree) if tree.root != NOWHERE else ():
        found += 1
        yield key, place
    if found != tree.size:
        raise DamagedStoreError(f"its header counts {tree.size} entries, its pages {found}")


def newest(data: mmap.mmap | bytes) -> Tree:
    """The state that the newer of the two header pages describes."""
    first = header(data, 0)
    if first is None:
        raise DamagedStoreError("it does not begin with a header page of version 1")
    second = header(data, first[1].page)
    return max(each for each in (first, second) if each is not None)[1]


def header(data: mmap.mmap | bytes, at: int) -> tuple[int, Tree] | None:
    """Transaction number and state of the header page at an offset, if there is a sound one."""
    # 152: 16 bytes of page header, 136 of MDB_meta
    if len(data) < at + 152 or struct.unpack_from("<II", data, at + HEADER) != (MAGIC, VERSION):
        return None
    (page,) = struct.unpack_from("<I", data, at + 40)
    count, root, last, transaction = struct.unpack_from("<4Q", data, at + MAIN + 32)
    # pages of 512 bytes to 64 KiB; a page's number has 48 bits
    if page not in (1 << n for n in range(9, 17)) or last > 2**48:
        return None
    return transaction, Tree(page, last + 1, root, count)


def leaves(data: mmap.mmap | bytes, tree: Tree) -> Iterator[tuple[bytes, Place]]:
    """Nodes of all leaf pages from left to right. Each page is entered once at most: a ring of
    pages cannot hold it up.
    """
    stack = [(tree.root, 1)]
    seen: set[int] = set()
    while stack:
        number, depth = stack.pop()
        if number in seen or number >= tree.pages or depth > DEPTH:
            raise DamagedStoreError(f"page {number} of {tree.pages} is reached twice or does not exist")
        seen.add(number)
        flags, nodes = nodes_of(data, number, tree.page)
        if flags & BRANCH:
            stack += [(child(data, at), depth + 1) for at in reversed(nodes)]
        else:
            for at in nodes:
                yield leaf(data, at, number, tree)


def nodes_of(data: mmap.mmap | bytes, number: int, page: int) -> tuple[int, list[int]]:
    """Flags of a branch or leaf page and the offsets of its nodes in the file."""
    start = number * page
    flags, lower = struct.unpack_from("<HH", data, start + 10)
    count = (lower - HEADER) // 2
    # 0x10: P_DIRTY
    if flags & ~0x10 not in (BRANCH, LEAF) or not 0 <= count <= (page - HEADER) // 2:
        raise DamagedStoreError(f"page {number} is neither branch nor leaf")
    pointers = struct.unpack_from(f"<{count}H", data, start + HEADER)
    if any(not HEADER <= p <= page - NODE for p in pointers):
        raise DamagedStoreError(f"page {number} points outside itself")
    return flags, [start + p for p in pointers]


def child(data: mmap.mmap | bytes, at: int) -> int:
    """The page that a branch node leads to."""
    # what is flags in a leaf holds the upper bits here
    low, high, top = struct.unpack_from("<HHH", data, at)
    return int(low | high << 16 | top << 32)


def leaf(data: mmap.mmap | bytes, at: int, number: int, tree: Tree) -> tuple[bytes, Place]:
    """Key and place of the value of a leaf node."""
    low, high, flags, length = struct.unpack_from("<4H", data, at)
    size, start = low | high << 16, at + NODE + length
    end = (number + 1) * tree.page
    # a big value has pages of its own: here stands the number of the first
    if flags & ~BIG or start + (8 if flags else size) > end:
        raise DamagedStoreError(f"a node of page {number} reaches beyond it, or is no plain value")
    key = data[at + NODE : start]
    if flags:
        (overflow,) = struct.unpack_from("<Q", data, start)
        start = overflow * tree.page + HEADER
        if (
            start + size > tree.pages * tree.page
            or not struct.unpack_from("<H", data, start - 6)[0] & OVERFLOW  # the page's flags
        ):
            raise DamagedStoreError(
                f"a value of page {number} lies on page {overflow}, which does not hold it"
            )
    return key, Place(start, size)
