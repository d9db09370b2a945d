"""Single samples to predict: image files, or one sample of a data source, made into what an input
takes. Knows numpy, no torch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.binding import check_shape
from netspec.data.decode import load_image, prepare
from netspec.data.registry import Place, open_source
from netspec.data.remarks import Remarks
from netspec.data.source import Array
from netspec.diagnostics import fail
from netspec.resolve.sections.image import ImageContract, Shape
from netspec.resolve.sections.train import DataSection

__all__ = ["Sample", "from_data", "from_files"]


class Sample(NamedTuple):
    """One sample as a batch of one, (1, ...) float32, by the whole contract; `label` is its true
    class, where the data know it.
    """

    name: str
    array: Array
    label: str | None = None


def from_files(
    paths: Sequence[str],
    contract: ImageContract | None,
    shape: Shape,
    remarks: Remarks | None = None,
) -> list[Sample]:
    """Image files for an input of sample shape (C, H, W). Raises SpecError NS643, NS647, NS648,
    NS652, NS653, NS660, NS685.
    """
    if len(shape) != 3:
        raise fail(
            "NS685", f"the input takes samples of {len(shape)} axes: an image has 3, [C, H, W]", path=paths[0]
        )
    words = contract or ImageContract()
    return [Sample(path, load_image(path, words, shape, remarks)) for path in paths]


def from_data(
    words: str,
    index: int,
    split: str | None,
    contract: ImageContract | None,
    shape: Shape,
    allow_code: bool = False,
) -> Sample:
    """Sample `index` of a source: `digits`, or with a place, `images:folder`.

    Raises SpecError NS685 (no such index), NS121 (a Python source without allow_code), NS640 to
    NS663.
    """
    kind, _, path = (words, "", "") if words.startswith("python:") else words.partition(":")
    section = DataSection(source=kind, path=path or None)
    source = open_source(
        section, split, Place(Path.cwd(), shape, contract, None, allow_outside=True, allow_code=allow_code)
    )
    if not 0 <= index < len(source):
        raise fail("NS685", f"index {index} of {len(source)} samples", path=source.name)
    rows = source.batch(np.array([index]))
    field = next(iter(source.fields))
    batch: Array = prepare(np.asarray(rows[field][0])[None], contract or ImageContract(), source.name)
    check_shape(source, "of the model", field, batch.shape[1:], shape)
    return Sample(
        f"{source.name}[{index}]",
        batch.astype(np.float32),
        label_of(rows.get(source.label or ""), source.classes),
    )


def label_of(values: Array | list[Array] | None, classes: tuple[str, ...] | None) -> str | None:
    """The label of the only row as its class is called; None for one that is no class."""
    if values is None or np.size(values[0]) != 1 or np.asarray(values[0]).dtype.kind not in "iu":
        return None
    number = int(np.asarray(values[0]).reshape(-1)[0])
    if classes and 0 <= number < len(classes):
        return classes[number]
    return str(number)
