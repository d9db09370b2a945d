"""A folder of images with one subfolder per class. Files of any size come in; the input contract's
arriving half gives them one form.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from netspec.allowed_paths import reachable
from netspec.data.decode import decode, read_encoded
from netspec.data.paths import OUTSIDE, existing, reading_error, resolve_path, roots_of
from netspec.data.source import MEMORY, Array, Field, Rows, Source, split_source
from netspec.diagnostics import fail
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection

__all__ = ["ImageFolder", "open_images"]

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
)
PARTS = {"train": ("train", "training"), "test": ("test", "testing", "val", "valid", "validation")}
DECODERS = 8


class ImageFolder(Source):
    """Image files and their labels. Field image is (C, h, w) uint8, its size None where the
    contract does not fix one.

    Decoded files are kept while they fit in memory.
    """

    def __init__(
        self,
        name: str,
        files: Sequence[Path],
        labels: Array,
        classes: tuple[str, ...],
        contract: ImageContract,
        roots: Sequence[Path],
    ) -> None:
        self.name = name
        self.files = files
        self.roots = roots
        self.marks = labels.astype(np.int64)
        self.classes = classes
        self.label = "label"
        self.decoded = True
        self.contract = contract
        self.color = contract.color or "rgb"
        exact = (
            contract.resize
            if isinstance(contract.resize, tuple) and len(contract.resize) == 2
            else (None, None)
        )
        shape = (1 if self.color == "gray" else 3, *exact)
        self.fields = {"image": Field(shape, np.dtype(np.uint8)), "label": Field((), np.dtype(np.int64))}
        self.kept: list[Array | None] = [None] * len(files)
        self.room = MEMORY
        self.pool: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return len(self.files)

    def labels(self) -> Array | None:
        return self.marks

    def where(self, index: int) -> str:
        return str(self.files[index])

    def batch(self, indices: Array) -> Rows:
        if self.pool is None:
            self.pool = ThreadPoolExecutor(DECODERS, "decode")
        images = list(self.pool.map(self.image, indices.tolist()))
        ragged = len({image.shape for image in images}) > 1 or None in self.fields["image"].shape
        return {"image": images if ragged else np.stack(images), "label": self.marks[indices]}

    def image(self, index: int) -> Array:
        """One decoded file, (C, h, w)."""
        kept = self.kept[index]
        if kept is None:
            path = self.files[index]
            kept = decode(read_encoded(path, self.roots), self.contract, str(path))
            if self.room > kept.nbytes:
                self.room -= kept.nbytes
                self.kept[index] = kept
        return kept


def open_images(
    section: DataSection,
    split: str | None,
    root: Path,
    contract: ImageContract,
    classes: Sequence[str] | None = None,
    allow_outside: bool = False,
) -> Source:
    """The images of `path`/CLASS/, or of `path`/train/CLASS/ and `path`/test/CLASS/ where there are
    such parts.

    Labels number the sorted class names, or `classes` as training knew them. Without parts, split
    takes every fifth file for the test. Raises SpecError NS643, NS649 (a class folder without
    images), NS650 (no classes at all), NS663 (a class that training did not know).
    """
    if section.path is None:
        raise fail("NS641", "source images needs `path:`, a folder with a folder per class")
    top = existing(resolve_path(section.path, root, allow_outside), "folder")
    roots = roots_of(root, top, allow_outside)
    folder = part_of(top, split)
    found = sorted(p.name for p in listing(folder) if p.is_dir() and not p.name.startswith("."))
    for path in (folder, *(folder / name for name in found)):
        check_link(path, roots)
    if not found:
        raise fail("NS650", "holds no folder per class", path=str(folder))
    names = tuple(classes) if classes is not None else tuple(found)
    files, labels = [], []
    for name in found:
        if name not in names:
            raise fail(
                "NS663",
                f"class {name} was not there in training, which knew {', '.join(names)}",
                path=str(folder / name),
            )
        own = sorted(image_files(folder / name, roots))
        if not own:
            raise fail(
                "NS649",
                f"no image among its {sum(1 for _ in listing(folder / name))} entries",
                path=str(folder / name),
            )
        files += own
        labels += [names.index(name)] * len(own)
    source = ImageFolder(str(folder), files, np.array(labels), names, contract, roots)
    if folder != top:
        return source
    return split_source(source, split)


def part_of(top: Path, split: str | None) -> Path:
    """The folder of a part, where the top folder has parts; a folder with parts but no part asked
    for is its training part.
    """
    train, test = (
        next((top / name for name in PARTS[part] if (top / name).is_dir()), None)
        for part in ("train", "test")
    )
    if train is None or split == "all":
        return top
    if split == "test" and test is None:
        raise fail("NS643", "has a folder train but none called test or val", path=str(top))
    if split == "test" and test is not None:
        return test
    return train


def image_files(folder: Path, roots: Sequence[Path], above: tuple[str, ...] = ()) -> Iterator[Path]:
    """Image files anywhere below a class folder. Raises SpecError NS642 for a file or folder that a
    link leads to elsewhere.
    """
    full = os.path.realpath(folder)
    if full in above:
        raise fail("NS642", "a link that leads back to a folder it lies in", path=str(folder))
    for path in listing(folder):
        if path.is_symlink():
            check_link(path, roots)
        if path.is_dir():
            yield from image_files(path, roots, (*above, full))
        elif path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            yield path


def check_link(path: Path, roots: Sequence[Path]) -> None:
    """Raises SpecError NS642 for a link that leads out of the folders that a spec may read."""
    if not any(reachable(str(path), str(root)) for root in roots):
        raise fail(
            "NS642", f"a link that leads to {os.path.realpath(path)}", path=str(path), notes=(OUTSIDE,)
        )


def listing(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise reading_error(folder, error) from error
