"""What a folder of images holds, as far as a first network needs to know it. In: the folder; out: a
Survey. Writes nothing.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.binding import refuse_one_class
from netspec.data.source import Source, spread
from netspec.data.sources.image_folder import ImageFolder, folder_roles, open_images
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection

__all__ = ["Survey", "survey"]

MOST = 100
"""Images that are looked at, spread evenly over the folder."""


class Survey(NamedTuple):
    """classes: the names of the folders, sorted; total: images in the training part; whole: in the
    folder, or its part for training.

    sizes: (height, width) of those looked at. gray: whether none of them has colour; mean: of each
    channel, 0 to 255, all images counting alike; deviation: of each channel. counts: images of each
    class. roles: the parts that the folder has.
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


def survey(folder: Path) -> Survey:
    """Look at a folder with a folder per class, or with such a part for training.

    Raises SpecError: NS643 (no such folder), NS647, NS648 (an image that cannot be read), NS649 (a
    class without images), NS650 (no classes), NS664 (one class, or folders that are none).
    """
    section, contract = DataSection(source="images", path=str(folder.absolute())), ImageContract(color="rgb")
    training = open_images(section, "train", folder.absolute(), contract)
    whole = files_of(training)
    classes = whole.classes or ()
    refuse_one_class(whole)
    open_images(section, "test", folder.absolute(), contract, classes)  # raises where its classes are others
    images = [whole.image(i) for i in spread(len(whole), MOST).tolist()]
    gray = all((image == image[:1]).all() for image in images)
    channels = 1 if gray else 3
    means = np.mean([image.mean((1, 2)) for image in images], 0)[:channels]
    squares = np.mean([(image.astype(np.float64) ** 2).mean((1, 2)) for image in images], 0)[:channels]
    deviations = np.sqrt(np.maximum(squares - means**2, 0))
    return Survey(
        classes,
        len(training),
        len(whole),
        tuple((image.shape[1], image.shape[2]) for image in images),
        gray,
        tuple(map(float, means)),
        tuple(map(float, deviations)),
        tuple(np.bincount(whole.marks, minlength=len(classes)).tolist()),
        folder_roles(section, folder.absolute()),
    )


def files_of(source: Source) -> ImageFolder:
    """The folder behind a part of it."""
    while not isinstance(source, ImageFolder):
        source = source.source  # type: ignore[attr-defined]
    return source
