"""Plain text as samples for a character model: windows of T characters and the same windows one
character on, alone or in streams.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netspec.data.paths import existing, reading_error, resolve_path, roots_for
from netspec.data.source import ArraySource, Source, split_source
from netspec.data.streams import in_streams, stretch
from netspec.diagnostics import fail
from netspec.file_reading import read_text
from netspec.resolve.sections.train import DataSection, find_missing

__all__ = ["open_text"]


def open_text(
    section: DataSection,
    split: str | None,
    root: Path,
    classes: Sequence[str] | None = None,
    allow_outside: bool = False,
) -> Source:
    """Fields data and label (T,) int64, the numbers of the characters and of those that follow
    them, and cont (T,) float32.

    Batches are (T, N), time first, unless `time_major: false`. cont is 0 at the first step and 1
    after it: windows stand for themselves, so a recurrent layer begins each anew. With `streams:
    true` the N samples of a batch go on where those of the batch before ended, and cont is 0 only
    where the text begins for a stream, at the first step of an epoch: what a layer carries reaches
    over the batches, its gradient does not (truncated backpropagation through time, Williams and
    Peng 1990). Characters are numbered in code point order, or as `classes` of the training says.
    Raises SpecError NS643, NS645 (not UTF-8), NS650 (shorter than a window, or than one for each
    stream), NS663 (a character unknown to the training).
    """
    if section.path is None:
        raise fail("NS641", find_missing(section))
    path = existing(resolve_path(section.path, root, allow_outside))
    try:
        text = read_text(path, roots_for(root, allow_outside)).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise fail("NS645", f"byte {error.start} is not UTF-8 text", path=str(path)) from error
    except OSError as error:
        raise reading_error(path, error) from error
    count, steps = (len(text) - 1) // section.window, section.window
    if count < 1:
        raise fail(
            "NS650",
            f"{len(text)} characters, a window of {steps} needs {steps + 1}",
            path=str(path),
        )
    # a number for each character, those past 2^16 too
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    if classes is not None:
        known = np.array([ord(c) for c in classes], np.uint32)
    else:
        known = np.unique(codes)
    order = np.argsort(known)
    at = np.searchsorted(known[order], codes).clip(max=len(known) - 1)
    if (known[order][at] != codes).any():
        wrong = int(np.flatnonzero(known[order][at] != codes)[0])
        raise fail(
            "NS663",
            f"character {text[wrong]!r} at {wrong} was not there in training, which knew {len(known)}",
            path=str(path),
        )
    numbers = order[at].astype(np.int64)
    cont = np.ones((count, steps), np.float32)
    cont[:, 0] = 0
    data, after = (numbers[start : count * steps + start].reshape(count, steps) for start in (0, 1))
    arrays = {"data": data, "cont": cont, "label": after}
    axes = dict.fromkeys(arrays, 1) if section.time_major else None
    names = tuple(map(chr, known))
    if not section.streams:
        return split_source(ArraySource(str(path), arrays, "label", names, axes=axes), split)
    streams, part = section.batch_size, stretch(count, split)
    at = in_streams(part, streams)
    if not len(at):
        raise fail(
            "NS650",
            f"{len(part)} windows of {steps} characters, {streams} streams need {streams}",
            path=str(path),
        )
    arrays = {key: array[at] for key, array in arrays.items()}
    arrays["cont"][streams:, 0] = 1
    source = ArraySource(str(path), arrays, "label", names, axes=axes)
    source.streams = streams
    return source
