"""The class of each place, where an output has scores of classes for all of them: as a picture with
a palette, and in words. In: a prediction as plain data; out: the same with the picture's name.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["draw_masks", "mask_line"]

BITS = 8
MOST = 256  # colours of a palette
SHOWN = 4


def draw_masks(
    found: Iterable[dict[str, Any]], folder: Path, labels: Mapping[str, Sequence[str]]
) -> Iterator[dict[str, Any]]:
    """Predictions, each when its masks are written: NAME.png for a sample of that name, numbered
    where there was one before; with the output's name where there are several. Raises SpecError
    NS501.
    """
    taken: set[str] = set()
    for each in found:
        maps = {name: made for name, made in each.get("outputs", {}).items() if is_map(made)}
        for name, made in maps.items():
            stem = Path(each["sample"]).stem + (f"-{name}" if len(maps) > 1 else "")
            path = folder / f"{find_free(stem, taken)}.png"
            made["mask"] = str(path)
            made["places"] = write_mask(path, made["values"], labels.get(name, ()))
        yield each


def is_map(made: Mapping[str, Any]) -> bool:
    """Whether an output has scores of several classes for each of several places."""
    classes, *places = made.get("shape", (0,))
    # scores of a single place are those of the sample
    return len(places) == 2 and 1 < classes <= MOST and places != [1, 1]


def find_free(stem: str, taken: set[str]) -> str:
    """A name that no file before has."""
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name)
    return name


def write_mask(path: Path, values: Any, labels: Sequence[str]) -> dict[str, int]:
    """Write the classes of the best scores as a PNG; how many places each class has, the most
    first.
    """
    import numpy as np
    from PIL import Image

    from netspec.file_writing import replacing

    classes = np.asarray(values).argmax(0).astype(np.uint8)
    image = Image.fromarray(classes, "P")
    image.putpalette([part for label in range(MOST) for part in color_of(label)])
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as draft:
        image.save(draft, "PNG")
    found, counts = np.unique(classes, return_counts=True)
    names = [labels[i] if i < len(labels) else str(i) for i in found.tolist()]
    return dict(sorted(zip(names, counts.tolist(), strict=True), key=lambda each: -each[1]))


def color_of(label: int) -> tuple[int, int, int]:
    """The colour of a class as PASCAL VOC's masks have it: its bits, three by three, from the
    top down.
    """
    red = green = blue = 0
    for bit in range(BITS):
        red |= (label >> 3 * bit & 1) << (BITS - 1 - bit)
        green |= (label >> 3 * bit + 1 & 1) << (BITS - 1 - bit)
        blue |= (label >> 3 * bit + 2 & 1) << (BITS - 1 - bit)
    return red, green, blue


def mask_line(name: str, made: Mapping[str, Any]) -> str:
    """`score  masks/000.png: ground 72 %, cell 28 %`."""
    total = sum(made["places"].values())
    shares = [f"{label} {100 * count / total:.0f} %" for label, count in made["places"].items()]
    more = f" and {len(shares) - SHOWN} more classes" if len(shares) > SHOWN else ""
    return f"  {name}  {made['mask']}: {', '.join(shares[:SHOWN])}{more}"
