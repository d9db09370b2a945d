"""CIFAR-10 in its binary format (Krizhevsky 2009): records of a label byte and 3 x 32 x 32 pixels;
or as class folders of images.
"""

import os
from pathlib import Path

import numpy as np

from netspec.data.paths import (
    existing,
    find_folder,
    judge_found_path,
    reading_error,
    resolve_path,
    roots_of,
)
from netspec.data.source import Array, ArraySource, Source
from netspec.data.sources.image_folder import open_images
from netspec.diagnostics import fail
from netspec.file_reading import Roots, open_in
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection

__all__ = ["open_cifar10", "read_records"]

RECORD = 1 + 3 * 32 * 32
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDERS = ("cifar10", "cifar-10-batches-bin", "cifar10-subset")
PATTERNS = {"train": "data_batch_*.bin", "test": "test_batch*.bin"}


def read_records(path: Path, roots: Roots = None) -> Array:
    """The records of one file, (N, 3073) uint8, memory-mapped. Raises SpecError NS644 (the file
    ends within a record), NS651 (a label).
    """
    existing(path)
    try:
        file = open_in(path, roots)
        size = os.fstat(file.fileno()).st_size
        if size == 0 or size % RECORD:
            raise fail(
                "NS644",
                f"a whole number of records of {RECORD} bytes is needed, "
                f"{size} bytes end {size % RECORD} bytes into record {size // RECORD}",
                path=str(path),
            )
        with file:
            records = np.memmap(file, dtype=np.uint8, mode="r").reshape(-1, RECORD)
    except OSError as error:
        raise reading_error(path, error) from error
    wrong = np.flatnonzero(records[:, 0] >= len(CLASSES))
    if len(wrong):
        raise fail(
            "NS651",
            f"labels go from 0 to 9, record {wrong[0]} has {records[wrong[0], 0]}",
            path=str(path),
        )
    return records


def open_cifar10(
    section: DataSection,
    split: str | None,
    root: Path,
    contract: ImageContract,
    allow_outside: bool = False,
) -> Source:
    """Fields image (3, 32, 32) uint8, rgb, and label, from data_batch_*.bin or test_batch.bin; or
    train/ and test/ with class folders.
    """
    if split == "all":
        raise fail("NS641", "cifar10 has the parts train and test, not all")
    if section.path is not None:
        folder = resolve_path(section.path, root, allow_outside)
        if (folder / "train").is_dir():
            return open_images(section, split, root, contract, allow_outside=allow_outside)
    pattern = PATTERNS[split or "train"]
    folder = find_folder(section.path, root, FOLDERS, pattern, allow_outside)
    paths = [judge_found_path(path, root, folder, allow_outside) for path in sorted(folder.glob(pattern))]
    records = np.concatenate([read_records(path, roots_of(root, folder, allow_outside)) for path in paths])
    pixels = records[:, 1:].reshape(-1, 3, 32, 32)
    return ArraySource(str(folder), {"image": pixels, "label": records[:, 0]}, "label", CLASSES, "rgb")
