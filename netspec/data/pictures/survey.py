"""What a folder of images holds, as far as a first network needs to know it. In: the folder; out: a
Survey. Writes nothing.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.binding import refuse_one_class
from netspec.data.inventory.oddities import judge_classes_of
from netspec.data.inventory.take import Inventory, folder_behind, judge, take_inventory
from netspec.data.source import Source, spread
from netspec.data.sources.image_folder import ImageFolder, open_images
from netspec.data.splits import fifths_within
from netspec.diagnostics import Diagnostic, SpecError
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection

__all__ = ["Showing", "Survey", "folder_of", "look_at_colors", "survey"]

MOST = 100
"""Images that are decoded, spread evenly over the folder; of the others the headers tell enough."""
Showing = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Shows how far a look is, of so many images."""


class Survey(NamedTuple):
    """classes: the names of the folders, sorted; total: images in the training part; whole: in the
    folder, or its part for training.

    sizes: (height, width) of them. gray: whether none of those decoded has colour; mean: of each
    channel, 0 to 255, all images counting alike; deviation: of each channel. counts: images of each
    class. roles: the parts that the folder has. copies: images of all parts that are there before.
    findings: what speaks against some of them.
    """

    classes: tuple[str, ...]
    total: int
    whole: int
    sizes: tuple[tuple[int, int], ...]
    gray: bool
    mean: tuple[float, ...]
    deviation: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    roles: tuple[str, ...] = ()
    copies: int = 0
    findings: tuple[Diagnostic, ...] = ()


def survey(
    opened: Mapping[str, Source],
    folder: Path,
    showing: Showing = lambda total: nullcontext(lambda count: None),
) -> Survey:
    """Look at the parts of a folder with a folder per class, or of a table of pictures.

    Raises SpecError: NS643 (no such folder), NS647, NS648 (all images that cannot be read), NS649
    (a class without images), NS650 (no classes), NS664 (one class, or folders that are none).
    """
    parts = dict(opened)
    own = next((name for name in ("train", "all") if name in parts), None)
    if own is None:
        own = "train"
        parts[own] = open_training(folder)
    whole = folder_of(parts[own])
    refuse_one_class(whole)
    with showing(sum(map(len, parts.values()))) as tick:
        found = take_inventory(parts, tick=tick)
    said = judge(found)
    if errors := [each for each in said if each.severity == "error"]:
        raise SpecError(errors)
    pictures = next(part for part in found.parts if part.name == own).pictures.values()
    gray, mean, deviation = look_at_colors(whole)
    classes = whole.classes or ()
    return Survey(
        classes,
        len(whole if own == "train" else fifths_within(whole, "train")),
        len(whole),
        tuple((picture.height, picture.width) for picture in pictures),
        gray,
        mean,
        deviation,
        count_labels(whole),
        tuple(role for role in parts if role != "all"),
        count_copies(found),
        (*said, *judge_classes_of(parts)),
    )


def count_labels(whole: ImageFolder) -> tuple[int, ...]:
    """Images of each class, or of each number that is none below 0; empty where labels are others."""
    labels = whole.labels()
    if labels is None or labels.ndim != 1 or labels.dtype.kind not in "iu" or labels.min() < 0:
        return ()
    return tuple(np.bincount(labels, minlength=len(whole.classes or ())).tolist())


def open_training(folder: Path) -> Source:
    """The part that a training takes of a folder that has none of that name. Raises as
    open_images does.
    """
    section = DataSection(source="images", path=str(folder.absolute()))
    return open_images(section, "train", folder.absolute(), ImageContract(color="rgb"))


def folder_of(source: Source) -> ImageFolder:
    """The folder of images that a source is."""
    behind = folder_behind(source)
    if behind is None:
        raise TypeError(f"{source.name} holds other samples than images")
    return behind[0]


def look_at_colors(whole: ImageFolder) -> tuple[bool, tuple[float, ...], tuple[float, ...]]:
    """Whether images are gray, and mean and deviation of each channel, by some that are decoded."""
    images = [whole.image(i) for i in spread(len(whole), MOST).tolist()]
    gray = all((image == image[:1]).all() for image in images)
    channels = 1 if gray else 3
    means = np.mean([image.mean((1, 2)) for image in images], 0)[:channels]
    squares = np.mean([(image.astype(np.float64) ** 2).mean((1, 2)) for image in images], 0)[:channels]
    # rounding may bring the difference below 0
    deviations = np.sqrt(np.maximum(squares - means**2, 0))
    return gray, tuple(map(float, means)), tuple(map(float, deviations))


def count_copies(found: Inventory) -> int:
    """Images that are the same as one before them."""
    return sum(len(group) - 1 for group in found.copies)
