"""Boxes that a detector lists for a sample, in pixels of the picture that was given. In: the rows
of an output; out: plain data, lines for a terminal, rows of a table.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from netspec.data.samples import Sample, Taken

    Array = np.ndarray[Any, Any]
    Size = tuple[int, int]

__all__ = ["box_lines", "box_rows", "describe_boxes", "find_window"]

COLUMNS = ("xmin", "ymin", "xmax", "ymax")


def find_window(
    sample: "Sample", name: str, taken: "Taken", crop: "Size | None"
) -> tuple[float, float, float, float]:
    """What the net saw of the picture that was given: left, top, width, height in its pixels; of a
    sample that is no file, in those of the input. crop: (height, width), cut from the middle.
    """
    from netspec.imaging.decode import fit_size

    contract = taken.contract
    if sample.frame is None or contract is None:
        height, width = sample.arrays[name].shape[-2:]
        return 0.0, 0.0, float(width), float(height)
    width, height = sample.frame
    wide, high = fit_size(sample.frame, contract.for_files(taken.shape))
    h, w = crop or contract.crop or (high, wide)
    x, y = width / wide, height / high  # pixels of the picture in one that was resized
    # floor((size - crop) / 2), where Caffe's centre crop begins
    return (wide - w) // 2 * x, (high - h) // 2 * y, w * x, h * y


def describe_boxes(
    rows: "Array",
    window: tuple[float, float, float, float],
    labels: Sequence[str],
    most: int | None,
) -> dict[str, Any]:
    """The boxes of rows (image, class, score, corners in shares of what the net saw), cut at its
    border, best first; a row of -1 is none.
    """
    import numpy as np

    rows = np.asarray(rows, np.float64).reshape(-1, 7)
    rows = rows[rows[:, 1] >= 0]
    left, top, width, height = window
    corners = rows[:, 3:].clip(0, 1) * (width, height, width, height) + (
        left,
        top,
        left,
        top,
    )
    order = np.argsort(-rows[:, 2], kind="stable")[:most].tolist()
    labelled = [int(rows[i, 1]) for i in order]
    return {
        "boxes": [
            {
                "class": labels[label] if label < len(labels) else str(label),
                "index": label,
                "score": float(rows[i, 2]),
                "box": [round(float(x), 2) for x in corners[i]],
            }
            for i, label in zip(order, labelled, strict=True)
        ]
    }


def box_lines(name: str, made: Mapping[str, Any]) -> Iterator[str]:
    """A line for each box."""
    boxes = made["boxes"]
    if not boxes:
        yield f"  {name}  nothing found"
    width = max((len(each["class"]) for each in boxes), default=0)
    for each in boxes:
        x0, y0, x1, y1 = each["box"]
        yield (
            f"  {name}  {each['class']:{width}}  {each['score']:.4f}"
            f"  x {x0:.0f} to {x1:.0f}, y {y0:.0f} to {y1:.0f}"
        )


def box_rows(row: Mapping[str, Any], name: str, made: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row of a table for each box, with the cells that all of a sample have; one without, where
    nothing was found.
    """
    heads = [f"{name}{end}" for end in ("", "_score", *(f"_{word}" for word in COLUMNS))]
    if not made["boxes"]:
        yield {**row, **dict.fromkeys(heads, "")}
    for each in made["boxes"]:
        cells = (
            each["class"],
            f"{each['score']:.6g}",
            *(f"{x:g}" for x in each["box"]),
        )
        yield {**row, **dict(zip(heads, cells, strict=True))}
