"""Samples to predict: image files, or samples of a data source, made into what inputs take. What cannot
be read is a sample too, with the reason. Knows numpy, no torch.
"""

import glob
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.binding import bind, check_shape
from netspec.data.decode import image_input, open_picture, picture_faults, prepare, read_encoded, upright
from netspec.data.paths import existing
from netspec.data.registry import Place, open_source
from netspec.data.remarks import Remarks
from netspec.data.source import Array, Source
from netspec.data.sources.image_folder import image_files
from netspec.data.sources.sequences import ENDS
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.resolve.sections.image import ImageContract, Shape
from netspec.resolve.sections.train import DataSection

__all__ = ["STDIN", "Sample", "Taken", "from_data", "from_files", "source_of"]

STDIN = "-"
SQUEEZED = 0.05
"""A picture whose sides change their ratio by more than this share is said to be squeezed."""
OF_ENDING = {".csv": "csv", ".npz": "npz", ".h5": "hdf5", ".hdf5": "hdf5", **dict.fromkeys(ENDS, "sequences")}
"""Files that are named as they are, by their ending, beside pictures: the source that reads each."""


class Taken(NamedTuple):
    """What an input takes: the shape of a sample without N, its contract, and whether it wants whole
    numbers.
    """

    shape: Shape
    contract: ImageContract | None = None
    integer: bool = False


class Sample(NamedTuple):
    """One sample as a batch of one for each input, by the whole contract.

    label: its true class, where the data know it. note: what was done to it that may surprise. error:
    why there are no arrays.
    """

    name: str
    arrays: Mapping[str, Array] = {}
    label: str | None = None
    note: str = ""
    error: Diagnostic | None = None


def source_of(path: str) -> str | None:
    """The words of a source for a file that is no picture, by its ending; None for anything else."""
    kind = OF_ENDING.get(Path(path.removesuffix(".gz")).suffix.lower())
    return f"{kind}:{path}" if kind and Path(path).is_file() else None


def from_files(
    words: Sequence[str], taken: Mapping[str, Taken], read: bytes = b"", remarks: Remarks | None = None
) -> Iterator[Sample]:
    """Image files for the only input, of sample shape (C, H, W). words: files, folders of them, patterns
    with * and ?, and - for the picture `read` that came by standard input.

    Raises SpecError NS685 where the inputs take no picture, NS643 where a folder or pattern holds none.
    """
    name, (shape, contract, _) = next(iter(taken.items()), ("", Taken(())))
    if len(taken) != 1:
        raise fail(
            "NS685", f"the inputs are {', '.join(taken) or 'none'}: a picture feeds one", path=words[0]
        )
    if len(shape) != 3:
        fact = f"the input takes samples of {len(shape)} axes: an image has 3, [C, H, W]"
        raise fail("NS685", fact, path=words[0])
    contract = (contract or ImageContract()).check_against(shape)
    for path in (path for word in words for path in find_files(word)):
        try:
            data = read if path == STDIN else read_encoded(existing(Path(path)))
            array = image_input(data, contract, shape, path, remarks)
            yield Sample(path, {name: array}, note=tell_squeezed(data, contract, path))
        except SpecError as error:
            yield Sample(path, error=error.diagnostics[0])


def find_files(word: str) -> list[str]:
    """The files that a word of the command line names. Raises SpecError NS643."""
    if word == STDIN:
        return [STDIN]
    if Path(word).is_dir():
        found = sorted(map(str, image_files(Path(word), [Path(word)])))
    elif glob.has_magic(word) and not Path(word).exists():
        found = sorted(glob.glob(word, recursive=True))
    else:
        return [word]
    if not found:
        raise fail("NS643", "no image file there", path=word)
    return found


def tell_squeezed(data: bytes, contract: ImageContract, name: str) -> str:
    """`640x427 squeezed to 16x16`, where a resize does not keep the ratio of the sides; else empty."""
    if not isinstance(contract.resize, tuple) or len(contract.resize) != 2:
        return ""
    with picture_faults(name, len(data)):
        width, height = upright(open_picture(io.BytesIO(data), name)).size
    high, wide = contract.resize
    if abs(width * high - height * wide) <= SQUEEZED * height * wide:
        return ""
    return f"{width}x{height} squeezed to {wide}x{high}"


def from_data(
    words: str,
    number: int | None,
    split: str | None,
    taken: Mapping[str, Taken],
    allow_code: bool = False,
) -> Iterator[Sample]:
    """Sample `number` of a source, or all of them: `digits`, or with a place, `images:folder`. A net of
    several inputs takes the fields of their names.

    Raises SpecError NS685 (no such index), NS121 (a Python source without allow_code), NS640 to
    NS663.
    """
    kind, _, path = (words, "", "") if words.startswith("python:") else words.partition(":")
    shape, contract, _ = next(iter(taken.values()), Taken(()))
    section = DataSection(source=kind, path=path or None)
    source = open_source(
        section, split, Place(Path.cwd(), shape, contract, None, allow_outside=True, allow_code=allow_code)
    )
    if number is not None and not 0 <= number < len(source):
        raise fail("NS685", f"index {number} of {len(source)} samples", path=source.name)
    fields = bind(source, taken, {})
    for index in [number] if number is not None else range(len(source)):
        try:
            yield read_sample(source, index, fields, taken)
        except SpecError as error:
            yield Sample(f"{source.name}[{index}]", error=error.diagnostics[0])


def read_sample(source: Source, index: int, fields: Mapping[str, str], taken: Mapping[str, Taken]) -> Sample:
    """One sample of a source. fields: what feeds each input."""
    rows = source.batch(np.array([index]))
    arrays = {}
    for name, field in fields.items():
        contract = taken[name].contract or ImageContract()
        batch: Array = prepare(np.asarray(rows[field][0])[None], contract, source.name)
        check_shape(source, "of the model", field, batch.shape[1:], taken[name].shape)
        batch = batch.astype(np.int64 if taken[name].integer else np.float32)
        arrays[name] = np.moveaxis(batch, 0, source.fields[field].batch_axis)
    name = source.where(index) if source.named else f"{source.name}[{index}]"
    return Sample(name, arrays, label_of(rows.get(source.label or ""), source.classes))


def label_of(values: Array | list[Array] | None, classes: tuple[str, ...] | None) -> str | None:
    """The label of the only row as its class is called; None for one that is no class."""
    if values is None or np.size(values[0]) != 1 or np.asarray(values[0]).dtype.kind not in "iu":
        return None
    number = int(np.asarray(values[0]).reshape(-1)[0])
    if classes and 0 <= number < len(classes):
        return classes[number]
    return str(number)
