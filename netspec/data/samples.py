"""Samples to predict: image files, sounds, or samples of a data source, made into what inputs take.
What cannot be read is a sample too, with the reason. Knows numpy, no torch.
"""

import glob
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from netspec.data.binding import bind, check_shape
from netspec.data.paths import existing
from netspec.data.pictures.files import read_encoded
from netspec.data.registry import Place, open_source
from netspec.data.sounds.framing import frame
from netspec.data.source import Array, Source
from netspec.data.sources.audio import SOUNDS, Form, form_of, load_sound
from netspec.data.sources.image_folder import PICTURES, Kind, files_below
from netspec.data.sources.sequences import ENDS
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.imaging.decode import image_input, open_picture, picture_faults, prepare, upright
from netspec.imaging.remarks import Remarks
from netspec.ir.types import find_batch_axis
from netspec.resolve.sections.image import ImageContract, Shape
from netspec.resolve.sections.train import DataSection

__all__ = [
    "STDIN",
    "Sample",
    "Taken",
    "from_data",
    "from_files",
    "from_sounds",
    "from_words",
    "source_of",
    "taken_by",
    "takes_sounds",
]

STDIN = "-"
SQUEEZED = 0.05
"""A picture whose sides change their ratio by more than this share is said to be squeezed."""
OF_ENDING = {
    ".csv": "csv",
    ".parquet": "table",
    ".npz": "npz",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".tar": "webdataset",
    ".mdb": "lmdb",
    **dict.fromkeys(ENDS, "sequences"),
}
"""Files that are named as they are, by their ending, beside pictures: the source that reads
each.
"""
IDX = re.compile(r"[-.]idx\d+-ubyte$|\.idx$")
"""How files of MNIST's form are called."""
STORE = "data.mdb"
"""What the folder of an LMDB store holds."""


class Taken(NamedTuple):
    """What an input takes: the shape of a sample without N, its contract, and whether it wants
    whole numbers. axis: where it wants the samples; None: where the data have them.
    """

    shape: Shape
    contract: ImageContract | None = None
    integer: bool = False
    axis: int | None = None


def taken_by(shape: Sequence[object], contract: ImageContract | None, datatype: str) -> Taken:
    """What an input of an exported model takes. shape: as it declares it, open sizes by name;
    datatype: of the Open Inference Protocol.
    """
    axis = find_batch_axis(shape)
    sizes = [size if isinstance(size, int) else None for size in shape]
    del sizes[axis or 0 : (axis or 0) + 1]
    return Taken(tuple(sizes), contract, datatype.startswith("INT"), axis)


class Sample(NamedTuple):
    """One sample as a batch of one for each input, by the whole contract.

    label: its true class, where the data know it. note: what was done to it that may surprise.
    error: why there are no arrays. frame: width and height of a picture as it was given.
    """

    name: str
    arrays: Mapping[str, Array] = {}
    label: str | None = None
    note: str = ""
    error: Diagnostic | None = None
    frame: tuple[int, int] | None = None


def source_of(path: str, facts: Mapping[str, Any] = {}, axes: int = 1) -> str | None:
    """The words of a source for a file that is no picture, by its ending; None for anything else.
    facts: of the training data, which may have been a table with categories. axes: of a sample of
    the first input; a table for a net that takes no rows names files.
    """
    name = Path(path.removesuffix(".gz"))
    kind = OF_ENDING.get(name.suffix.lower()) or ("idx" if IDX.search(name.name) else None)
    if kind == "csv" and (axes > 1 or any("form" in each for each in facts.get("columns", ()))):
        kind = "table"
    if (Path(path) / STORE).is_file():
        return f"lmdb:{path}"
    return f"{kind}:{path}" if kind and Path(path).is_file() else None


def from_words(
    words: Sequence[str],
    taken: Mapping[str, Taken],
    facts: Mapping[str, Any] = {},
    read: bytes = b"",
    remarks: Remarks | None = None,
) -> Iterator[Sample]:
    """Samples that words of the command line name: pictures, sounds, files of samples, folders and
    patterns of them. read: what came by standard input, for the word -. Of several files, one that
    cannot be read at all is a sample with the reason.
    """
    axes = len(next(iter(taken.values()), Taken(())).shape)
    for word in words:
        source = source_of(word, facts, axes)
        if source is not None:
            try:
                yield from from_data(source, None, "all", taken, facts)
            except SpecError as error:
                if len(words) == 1:
                    raise
                yield Sample(word, error=error.diagnostics[0])
        elif takes_sounds(taken):
            yield from from_sounds([word], taken, facts)
        else:
            yield from from_files([word], taken, read, remarks)


def from_files(
    words: Sequence[str],
    taken: Mapping[str, Taken],
    read: bytes = b"",
    remarks: Remarks | None = None,
) -> Iterator[Sample]:
    """Image files for the only input, of sample shape (C, H, W). words: files, folders of them,
    patterns with * and ?, and - for the picture `read` that came by standard input.

    Raises SpecError NS685 where the inputs take no picture, NS643 where a folder or pattern holds
    none.
    """
    name, (shape, contract, *_) = next(iter(taken.items()), ("", Taken(())))
    if len(taken) != 1:
        raise fail(
            "NS685",
            f"the inputs are {', '.join(taken) or 'none'}: a picture feeds one",
            path=words[0],
        )
    if len(shape) != 3:
        fact = f"the input takes samples of {len(shape)} axes: an image has 3, [C, H, W]"
        raise fail("NS685", fact, path=words[0])
    contract = (contract or ImageContract()).check_against(shape)
    for path in (path for word in words for path in find_files(word)):
        try:
            data = read if path == STDIN else read_encoded(existing(Path(path)))
            array = image_input(data, contract, shape, path, remarks)
            frame = read_frame(data, path)
            yield Sample(path, {name: array}, note=tell_squeezed(frame, contract), frame=frame)
        except SpecError as error:
            yield Sample(path, error=error.diagnostics[0])


def find_files(word: str, kind: Kind = PICTURES) -> list[str]:
    """The files that a word of the command line names. Raises SpecError NS643."""
    if word == STDIN:
        return [STDIN]
    if Path(word).is_dir():
        found = sorted(map(str, files_below(Path(word), [Path(word)], kind)))
    elif glob.has_magic(word) and not Path(word).exists():  # a file may be called so
        found = sorted(glob.glob(word, recursive=True))
    else:
        return [word]
    if not found:
        raise fail("NS643", f"no {kind.word} file there", path=word)
    return found


def takes_sounds(taken: Mapping[str, Taken]) -> bool:
    """Whether the only input takes (C, T): sounds."""
    return len(taken) == 1 and len(next(iter(taken.values())).shape) == 2


def from_sounds(
    words: Sequence[str], taken: Mapping[str, Taken], facts: Mapping[str, Any]
) -> Iterator[Sample]:
    """WAV files, folders of them and patterns for the only input, (C, T). facts: the rate of the
    training data.

    Raises SpecError NS643 where a folder or pattern holds none; what is wrong with a file (NS630,
    NS631, NS643, NS652) is its sample's.
    """
    name, (shape, *_) = next(iter(taken.items()))
    form = form_of(DataSection(source="audio"), shape, {"mono": shape[0] == 1, **facts})
    for path in (path for word in words for path in find_files(word, SOUNDS)):
        try:
            yield Sample(path, {name: sound_input(existing(Path(path)), form, shape)})
        except SpecError as error:
            yield Sample(path, error=error.diagnostics[0])


def sound_input(path: Path, form: Form, shape: Shape) -> Array:
    """A file as the input of a net, (1, C, T) float32."""
    sound = load_sound(path, form)
    if form.length is not None:
        sound = frame(sound, form.length)
    if shape[0] not in (None, len(sound)):
        raise fail(
            "NS652",
            f"the input takes {shape[0]} channels, the file has {len(sound)}",
            path=str(path),
        )
    return sound[None]


def read_frame(data: bytes, name: str) -> tuple[int, int]:
    """Width and height of an encoded picture, upright."""
    with picture_faults(name, len(data)):
        return upright(open_picture(io.BytesIO(data), name)).size


def tell_squeezed(frame: tuple[int, int], contract: ImageContract) -> str:
    """`640x427 squeezed to 16x16`, where a resize does not keep the ratio of the sides; else
    empty.
    """
    if not isinstance(contract.resize, tuple) or len(contract.resize) != 2:
        return ""
    width, height = frame
    high, wide = contract.resize
    if abs(width * high - height * wide) <= SQUEEZED * height * wide:
        return ""
    return f"{width}x{height} squeezed to {wide}x{high}"


def from_data(
    words: str,
    number: int | None,
    split: str | None,
    taken: Mapping[str, Taken],
    facts: Mapping[str, Any] = {},
    allow_code: bool = False,
) -> Iterator[Sample]:
    """Sample `number` of a source, or all of them: `digits`, or with a place, `images:folder`. A
    net of several inputs takes the fields of their names. facts: what the training data fixed. Of
    all samples, those that cannot be taken have the reason in place of arrays.

    Raises SpecError NS685 (no such index), NS121 (a Python source without allow_code), NS640 to
    NS663.
    """
    # python:module:Class has colons of its own
    kind, _, path = (words, "", "") if words.startswith("python:") else words.partition(":")
    shape, contract, *_ = next(iter(taken.values()), Taken(()))
    section = DataSection(source=kind, path=path or None)
    place = Place(Path.cwd(), shape, contract, None, allow_outside=True, allow_code=allow_code, facts=facts)
    faults: list[Diagnostic] = []
    place = place._replace(predicting=True, faults=faults if number is None else None)
    source = open_source(section, split, place)
    if faults:
        reasons = source.left_out or [each.fact for each in faults]
        yield from (Sample(source.name, error=Diagnostic(faults[0].code, why)) for why in reasons)
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
        row = np.asarray(rows[field][0])
        if source.length is not None and field == next(iter(source.fields)):
            row = frame(row, source.length)
        batch: Array = prepare(row[None], contract, source.name)
        check_shape(source, "of the model", field, batch.shape[1:], taken[name].shape)
        batch = batch.astype(np.int64 if taken[name].integer else np.float32)
        axis = taken[name].axis
        arrays[name] = np.moveaxis(batch, 0, source.fields[field].batch_axis if axis is None else axis)
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
