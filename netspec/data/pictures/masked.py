"""Whether what looks like two classes is pictures and their masks. In: class folders and their
files; out: a finding.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from netspec.data.source import Array
from netspec.diagnostics import SpecError, fail
from netspec.file_reading import Roots, open_in
from netspec.imaging.decode import open_picture

__all__ = ["LOOKED", "has_few_colors", "is_called_so", "key_of", "match", "refuse_masks"]

MASKS = frozenset(
    (
        "mask",
        "label",
        "annotation",
        "annot",
        "gt",
        "groundtruth",
        "truth",
        "segmentation",
        "segmentationclass",
    )
)
"""What folders of masks are called in published data, in the singular."""
ENDINGS = (
    "_mask",
    "_masks",
    "_label",
    "_labels",
    "_labelids",
    "_gt",
    "_seg",
    "_segmentation",
    "-mask",
    "-label",
)
"""What stands behind a picture's name in that of its mask, in data that are published so."""
LOOKED = 8
"""Masks that are decoded: so many without one picture among them are no chance."""
COLORS = 64
"""Masks hold no more: one for each class, and photographs hold more, however small."""


def key_of(path: Path, top: Path) -> str:
    """What a picture and its mask have in common: their place and name, without endings."""
    key = path.relative_to(top).with_suffix("").as_posix().casefold()
    return next((key.removesuffix(end) for end in ENDINGS if key.endswith(end)), key)


def refuse_masks(
    classes: Mapping[str, tuple[Path, ...]], files: Sequence[Path], labels: Array, roots: Roots
) -> None:
    """Raises SpecError NS664 where one of two classes is called as masks are, holds a file for most
    of the other's, and these hold few colours: nobody wants to tell pictures from their masks.
    """
    if len(classes) != 2 or all(len(folders) > 1 for folders in classes.values()):
        return
    by_folder: dict[Path, dict[str, Path]] = {}
    for number, (first, *_) in enumerate(classes.values()):
        own = (path for path, label in zip(files, labels.tolist(), strict=True) if label == number)
        by_folder[first] = {key_of(path, first): path for path in own if first in path.parents}
    pair = match(by_folder, roots)
    if pair is not None:
        words = f"path: {pair[0]}, masks: {pair[1]}"
        note = f"to learn the class of each pixel: `data: {{source: images, {words}}}`, and a score for each"
        pictures, masks = (by_folder[folder] for folder in pair)
        lost = len(pictures.keys() - masks.keys())
        which = f"for all but {lost:,} of the pictures" if lost else "for each picture"
        fact = f"{pair[1].name} holds a file of few colours {which} of {pair[0].name}: masks, no class"
        raise fail("NS664", fact, path=str(pair[0].parent), notes=(note,))


def match(by_folder: Mapping[Path, Mapping[str, Path]], roots: Roots) -> tuple[Path, Path] | None:
    """Of two folders, with their files by key, that of pictures and that of their masks; None where
    they are others.
    """
    named = [folder for folder in by_folder if is_called_so(folder.name)]
    if len(by_folder) != 2 or len(named) != 1:
        return None
    (other,) = by_folder.keys() - set(named)
    masks = by_folder[named[0]]
    # some may be lost, which is told where they are read as masks
    if 2 * len(by_folder[other].keys() & masks.keys()) <= len(by_folder[other]):
        return None
    if not all(has_few_colors(path, roots) for path in islice(masks.values(), LOOKED)):
        return None
    return other, named[0]


def is_called_so(name: str) -> bool:
    """Whether a folder's name is a word for masks, or one behind another, as in SegmentationClass, x_gt."""
    words = re.findall(r"[a-z]+", name.casefold())
    known = bool(words) and not MASKS.isdisjoint((words[-1], words[-1].removesuffix("s")))
    return known and len(words) < 3


def has_few_colors(path: Path, roots: Roots) -> bool:
    """Whether a picture holds few colours; False where it cannot be read, which is told later."""
    try:
        with open_in(path, roots) as file:
            return open_picture(file, str(path)).getcolors(COLORS) is not None
    except (OSError, SpecError, ValueError, SyntaxError):
        return False
