"""What a folder of pictures with boxes holds, as far as a first detector needs to know it. In: the
folder's parts, opened; out: a BoxSurvey. Writes nothing.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from netspec.data.boxes.annotations import BoxedFolder, boxes_behind
from netspec.data.pictures.survey import look_at_colors
from netspec.data.source import Source
from netspec.diagnostics import Diagnostic

__all__ = ["BoxSurvey", "survey_boxes"]

SHARES = (0.1, 0.35, 0.65, 0.9)
"""Of the boxes by size: between the smallest and the largest, whose priors would seldom be
matched.
"""


class BoxSurvey(NamedTuple):
    """source: the word that reads the folder. classes: without the background; counts: boxes of
    each. pictures, boxes: of the training part; whole: pictures of it and what is drawn from it.
    sizes: (height, width) of its pictures. sides: of boxes, root of their share of the picture, at
    SHARES. ratio: width over height of the boxes, or its inverse where it is below 1, at nine
    tenths of them.
    """

    source: str
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    pictures: int
    boxes: int
    sizes: tuple[tuple[int, int], ...]
    sides: tuple[float, ...]
    ratio: float
    gray: bool
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    roles: tuple[str, ...]
    findings: tuple[Diagnostic, ...] = ()


def survey_boxes(parts: Mapping[str, Source], source: str) -> BoxSurvey:
    """Look at the parts of a folder with boxes; source: the word that reads it."""
    own = "train" if "train" in parts else next(iter(parts))
    behind = boxes_behind(parts[own])
    if behind is None:
        raise TypeError(f"{parts[own].name} holds no boxes")
    whole: BoxedFolder = behind[0]
    rows = whole.rows
    # a box that was cut may have no extent, and ratios divide by it
    width, height = (
        np.maximum(rows[:, 5] - rows[:, 3], 1e-6),
        np.maximum(rows[:, 6] - rows[:, 4], 1e-6),
    )
    sizes = whole.said[np.repeat(np.arange(len(whole)), np.diff(whole.first))]
    ratios = width * sizes[:, 0] / (height * sizes[:, 1])
    gray, mean, deviation = look_at_colors(whole)
    counts, _ = whole.count(np.arange(len(whole)))
    return BoxSurvey(
        source,
        (whole.classes or ())[1:],
        tuple(counts[1:].tolist()),
        len(whole),
        len(rows),
        tuple((int(h), int(w)) for w, h in whole.said),
        tuple(map(float, np.quantile(np.sqrt(width * height), SHARES)))
        if len(rows)
        else (0.3,) * len(SHARES),
        float(np.quantile(np.maximum(ratios, 1 / ratios), 0.9)) if len(rows) else 1.0,
        gray,
        mean,
        deviation,
        tuple(role for role in parts if role != "all"),
        whole.findings,
    )
