"""Pictures with a mask for each, which says the class of every pixel. In: two folders whose files
have the same names; out: a Source whose label is a map of classes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
from PIL import Image

from netspec.data.folder_layout import choose_role, name_role
from netspec.data.paths import existing, reading_error, resolve_path, roots_of
from netspec.data.pictures.masked import key_of
from netspec.data.source import Array, Field, Rows, Source, split_source
from netspec.data.sources.image_folder import ImageFile, ImageFolder, image_files, length_of
from netspec.diagnostics import SpecError, fail
from netspec.diagnostics.words import list_briefly
from netspec.file_reading import HeldFolders
from netspec.imaging.decode import fit_size, resize, upright
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection
from netspec.syntax.located import Located, plain

__all__ = ["IGNORED", "Colors", "MaskedFolder", "mask_roles", "open_masked", "to_numbers"]

IGNORED = 255
"""What a pixel counts as whose colour is to be left out: PASCAL VOC's border, and ignore_label
mostly.
"""
SHOWN = 6
MOST = 256
"""Classes that a byte tells apart: masks with fewer are kept at an eighth of the labels' int64."""
Color = tuple[int, int, int]


class Colors(NamedTuple):
    """The class of each colour (r, g, b), or of each number that a gray or a palette mask holds."""

    numbers: Mapping[int, int]
    colors: Mapping[Color, int]


class MaskedFolder(ImageFolder):
    """Field image as of an ImageFolder, label (h, w) int64 in its size: read by the nearest pixel,
    so that no class comes between two others.
    """

    def __init__(
        self,
        name: str,
        files: Sequence[Path],
        masks: Sequence[Path],
        classes: tuple[str, ...] | None,
        colors: Colors | None,
        contract: ImageContract,
        roots: Sequence[Path],
        mask_roots: Sequence[Path],
    ) -> None:
        super().__init__(name, files, np.zeros(len(files), np.int64), classes, contract, roots)
        self.masks, self.colors, self.mask_roots = masks, colors, HeldFolders(mask_roots)
        self.drawn: list[Array | None] = [None] * len(files)
        self.words = f"{crc32(repr(colors).encode()):08x}"
        self.fields["label"] = Field(self.fields["image"].shape[1:], np.dtype(np.int64))

    def labels(self) -> None:
        return None

    def signatures(self) -> list[str]:
        pairs = zip(super().signatures(), self.masks, strict=True)
        return [f"{picture} {mask.name} {length_of(mask)}" for picture, mask in pairs]

    def batch(self, indices: Array) -> Rows:
        rows = dict(super().batch(indices))
        found = list(self.map(self.mask, indices.tolist()))
        ragged = isinstance(rows["image"], list)
        for image, mask, i in zip(rows["image"], found, indices.tolist(), strict=True):
            if image.shape[-2:] != mask.shape:
                raise unlike(self.masks[i], mask.shape[::-1], image.shape[:-3:-1])
        rows["label"] = found if ragged else np.stack(found)
        return rows

    def files_of(self, index: int) -> tuple[ImageFile, ...]:
        path = self.masks[index]
        mask = ImageFile(
            path,
            self.mask_roots,
            partial(self.decode_mask, path),
            partial(self.keep, self.drawn, index),
            always=True,
            words=self.words,
        )
        return (*super().files_of(index), mask)

    def compare(self, index: int, sizes: Sequence[tuple[int, int]]) -> None:
        (width, height), (wide, high) = sizes
        stretched = abs(width * high - wide * height) > max(*sizes[0], *sizes[1])  # by more than a pixel
        if stretched or fit_size(sizes[0], self.contract) != fit_size(sizes[1], self.contract):
            raise unlike(self.masks[index], (wide, high), (width, height))

    def mask(self, index: int) -> Array:
        """The classes of the pixels of one file, (h, w) int64."""
        drawn = self.drawn[index]
        if drawn is None:
            drawn = self.files_of(index)[1].read()
        return drawn.astype(np.int64)

    def read_classes(self, index: int) -> Array:
        """The same in the size that the file has, so that places are those of the file."""
        path = self.masks[index]
        decode = partial(self.decode_mask, path, whole=True)
        return ImageFile(path, self.mask_roots, decode, lambda values: None).read().astype(np.int64)

    def decode_mask(self, path: Path, image: Image.Image, whole: bool = False) -> Array:
        """The classes of an opened mask's pixels, as bytes where they are small. whole: in the
        file's size.
        """
        image = to_numbers(upright(image))
        if not whole:
            image = resize(image, self.contract.replace(interpolation="nearest"), str(path))
        found = classes_of(np.asarray(image), self.colors, path)
        small = found.size and found.min() >= 0 and found.max() < MOST
        return found.astype(np.uint8) if small else found


def unlike(path: Path, mask: tuple[int, ...], image: tuple[int, ...]) -> SpecError:
    """NS697 for a mask of another width and height than its picture has."""
    fact = f"the mask is {mask[0]} x {mask[1]}, its picture {image[0]} x {image[1]}"
    return fail("NS697", fact, path=str(path))


def to_numbers(image: Image.Image) -> Image.Image:
    """A mask with numbers, or with colours, but no other form: transparency is left out."""
    if image.mode == "1":
        return image.convert("L").point(lambda value: value // 255)
    if image.mode in ("LA", "La"):
        return image.convert("L")
    if image.mode in ("P", "L") or image.mode.startswith("I"):
        return image
    if image.mode == "PA":
        return image.convert("P")
    return image.convert("RGB")


def classes_of(pixels: Array, colors: Colors | None, path: Path) -> Array:
    """The classes of a mask's pixels, (h, w) int64. Raises SpecError NS697 for a colour that is
    none.
    """
    if pixels.ndim == 2 and colors is None:
        return pixels.astype(np.int64)
    if pixels.ndim == 2:
        return look_up(pixels.astype(np.int64), colors.numbers if colors else {}, path)
    if colors is None or not colors.colors:
        values, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
        most = [str(values[i].tolist()) for i in np.argsort(-counts)]
        raise fail(
            "NS697",
            f"it has colours, {list_briefly(most, SHOWN)}: `colors:` in the data section says their classes",
            path=str(path),
            notes=("such as `colors: {background: [0, 0, 0], road: [128, 64, 128]}`",),
        )
    wide = pixels.astype(np.int64)
    packed = (wide[..., 0] << 16) + (wide[..., 1] << 8) + wide[..., 2]
    table = {(r << 16) + (g << 8) + b: label for (r, g, b), label in colors.colors.items()}
    return look_up(packed, table, path, colored=True)


def look_up(values: Array, table: Mapping[int, int], path: Path, colored: bool = False) -> Array:
    """The class of each value. NS697: a value that the table has not."""
    keys = np.array(sorted(table), np.int64)
    labels = np.array([table[int(key)] for key in keys], np.int64)
    at = np.searchsorted(keys, values).clip(max=len(keys) - 1)
    strange = keys[at] != values
    if strange.any():
        counts = Counter(values[strange].tolist())
        value = counts.most_common(1)[0][0]
        shown = [value >> 16, value >> 8 & 255, value & 255] if colored else value
        row, column = np.argwhere(strange)[0].tolist()
        raise fail(
            "NS697",
            f"{shown} stands for no class, as at row {row}, column {column}; {int(strange.sum()):,} pixels of"
            f" {strange.size:,} have such colours",
            path=str(path),
            notes=("a mask is saved without loss (PNG): JPEG makes colours between those that were drawn",),
        )
    found: Array = labels[at]
    return found


def read_colors(section: DataSection) -> tuple[Colors | None, tuple[str, ...] | None]:
    """`colors:` and `ignore_color:` of a section, and the names of the classes in their order.
    Raises SpecError NS641.
    """
    given = {
        name: plain(value) if isinstance(value, Located) else value for name, value in section.colors.items()
    }
    if not given and section.ignore_color is None:
        return None, None
    if not given:
        raise fail("NS641", "ignore_color is one more beside `colors:`, which names those of the classes")
    if len(given) >= MOST:
        raise fail("NS641", f"colors has {len(given)} classes, a mask at most {MOST - 1}")
    numbers: dict[int, int] = {}
    colors: dict[Color, int] = {}
    ignored = section.ignore_color
    every = [*given.items(), *([("ignore_color", ignored)] if ignored is not None else [])]
    for label, (name, color) in enumerate(every):
        own = IGNORED if label == len(given) else label
        if isinstance(color, int) and not isinstance(color, bool):
            numbers[color] = own
            continue
        parts = list(color) if isinstance(color, (list, tuple)) else []
        if len(parts) != 3 or not all(type(part) is int and 0 <= part <= 255 for part in parts):
            raise fail(
                "NS641",
                f"{name} must be [red, green, blue], each from 0 to 255, or one number: {color!r}",
            )
        colors[parts[0], parts[1], parts[2]] = own
    if len(numbers) + len(colors) < len(every):
        raise fail("NS641", "colors has one colour for two classes")
    return Colors(numbers, colors), tuple(given)


def open_masked(
    section: DataSection,
    split: str | None,
    root: Path,
    contract: ImageContract,
    allow_outside: bool = False,
) -> Source:
    """The pictures below `path` with the masks of the same names below `masks`. Where both hold
    folders that are parts (train, val, test), split says which; else a test takes every fifth.

    Raises SpecError NS641 (section), NS643, NS650, NS697 (a picture without a mask, colours that
    are no classes, sizes that differ).
    """
    if section.path is None or section.masks is None:
        raise fail("NS641", "pictures with masks need `path:` and `masks:`, a folder of each")
    colors, classes = read_colors(section)
    tops = [
        existing(resolve_path(each, root, allow_outside), "folder") for each in (section.path, section.masks)
    ]
    roots = [roots_of(root, top, allow_outside) for top in tops]
    parts = [part_of(top, split) for top in tops]
    files = sorted(image_files(parts[0], roots[0]))
    masks = {key_of(path, parts[1]): path for path in sorted(image_files(parts[1], roots[1]))}
    if not files:
        raise fail("NS650", "holds no pictures", path=str(parts[0]))
    found = [masks.get(key_of(path, parts[0])) for path in files]
    lost = [path.name for path, mask in zip(files, found, strict=True) if mask is None]
    if lost:
        fact = f"{len(lost):,} of {len(files):,} pictures have no mask there: {list_briefly(lost, SHOWN)}"
        note = "a mask has the picture's name, whatever the ending (x.jpg: x.png, x_mask.png), in a folder of the same name"
        raise fail("NS697", fact, path=str(parts[1]), notes=(note,))
    paired = [mask for mask in found if mask is not None]
    source = MaskedFolder(str(parts[0]), files, paired, classes, colors, contract, *roots)
    return source if parts[0] != tops[0] else split_source(source, split)


def mask_roles(section: DataSection, root: Path, allow_outside: bool = False) -> tuple[str, ...]:
    """The parts that the folder of pictures has."""
    top = existing(resolve_path(section.path or "", root, allow_outside), "folder")
    return tuple(find_roles(top))


def find_roles(top: Path) -> dict[str, Path]:
    """The folders of a folder that are parts, by role."""
    try:
        inside = [path for path in sorted(top.iterdir()) if path.is_dir()]
    except OSError as error:
        raise reading_error(top, error) from error
    return {role: path for path in inside if (role := name_role(path.name)[0]) is not None}


def part_of(top: Path, split: str | None) -> Path:
    """The folder of a part, where some of a folder's own are parts."""
    roles = find_roles(top)
    if not roles or split == "all":
        return top
    role = choose_role(split, roles)
    if role not in roles:
        raise fail("NS643", f"has parts, but none called {role}", path=str(top))
    return roles[role]
