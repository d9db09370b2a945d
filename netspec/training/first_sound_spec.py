"""A first spec for a folder of sounds: a small 1-D convolutional net that fits their length and
classes. In: the folder; out: YAML.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.binding import refuse_one_class
from netspec.data.pictures.survey import Survey
from netspec.data.place import Place
from netspec.data.registry import open_source
from netspec.data.sources.audio import SOUNDS, read_headers, refuse_damaged
from netspec.data.sources.image_folder import files_below, folder_roles
from netspec.resolve.sections.train import DataSection
from netspec.training.first_spec import DEFAULTS, Length, balance, data, quote, solver, trained_on

__all__ = ["SoundSurvey", "sound_spec_text", "survey_sounds"]

SHARE = 0.9
"""Of sounds of several lengths so many are kept whole; longer ones are cut."""
WINDOW, STEPS = 100, 2000
"""The first filters hear a hundredth of a second, and answer 2,000 times a second, as M5 does (Dai,
Dai, Qu, Li, Das 2017).
"""
WIDTHS = (32, 64, 128, 256)
"""Filters double where time is halved, as in VGG."""
LAST = 16
"""Poolings stop where a sound is so short."""
SEEN, FEWEST, MOST = 20_000, 4, 60
"""Sounds that a training hears, some minutes on two cores; epochs at least and at most."""


class SoundSurvey(NamedTuple):
    """counted: classes and parts, as of pictures. rate: that most files have, mixed: not all.
    lengths: of all files at that rate; length: of the net's input.
    """

    counted: Survey
    rate: int
    mixed: bool
    lengths: tuple[int, ...]
    length: int


def survey_sounds(folder: Path) -> SoundSurvey:
    """Look at a folder with a folder of WAV files per class, or with such parts. Raises SpecError
    as the source audio does.
    """
    top = folder.absolute()
    files = sorted(files_below(top, [top], SOUNDS))
    headers, bad = read_headers(files, [top])
    refuse_damaged(str(top), len(files), bad)
    waves = [wave for wave in headers if wave is not None]
    rates = Counter(wave.rate for wave in waves)
    rate = rates.most_common(1)[0][0]
    lengths = tuple(-(-wave.frames * rate // wave.rate) for wave in waves)
    section = DataSection(source="audio", path=str(top), rate=rate, resample=True)
    opened = {part: open_source(section, part, Place(top)) for part in ("train", "test")}
    whole = open_source(section, None, Place(top))
    refuse_one_class(whole)
    classes, marks = opened["train"].classes or (), whole.labels()
    counts = np.bincount(np.asarray(marks), minlength=len(classes))
    counted = Survey(
        classes,
        len(opened["train"]),
        len(whole),
        (),
        False,
        (),
        counts=tuple(counts.tolist()),
        roles=folder_roles(section, top),
    )
    length = int(np.quantile(lengths, SHARE, method="inverted_cdf"))
    return SoundSurvey(counted, rate, len(rates) > 1, lengths, length)


def sound_spec_text(found: SoundSurvey, name: str, path: str, labels: str) -> str:
    """The whole spec. path: the folder, labels: the file of class names, both as seen from the
    spec.
    """
    return "\n".join([*head(found, name), *layers(found), *tail(found, path, labels)]) + "\n"


def head(found: SoundSurvey, name: str) -> Iterator[str]:
    short, long = min(found.lengths), max(found.lengths)
    seen = f"{short:,} samples" if short == long else f"{short:,} to {long:,} samples"
    yield "netspec: 1"
    yield f"name: {quote(name)}"
    count = len(found.counted.classes)
    yield f"description: Tells {count} classes of sounds apart; begun by `netspec init`."
    yield "input:"
    yield f"  # {len(found.lengths):,} sounds of {seen} at {found.rate:,} Hz: {found.length / found.rate:.3g} s"
    if short != long:
        yield "  # longer ones are cut, shorter ones filled with silence: see length in the data section"
    yield f"  data: [N, 1, {found.length}]"
    yield DEFAULTS


def layers(found: SoundSurvey) -> Iterator[str]:
    window = max(3, min(found.rate // WINDOW, found.length // 2))
    stride = max(1, min(found.rate // STEPS, found.length // LAST))
    left = -(-found.length // stride)
    yield "layers:"
    yield f"  # filters of {1000 * window / found.rate:.3g} ms, the waves themselves: no spectrogram before"
    for number, width in enumerate(WIDTHS, 1):
        words = f", kernel_size: {window}, stride: {stride}" if number == 1 else ""
        yield f"  - {{name: conv{number}, type: Convolution, num_output: {width}{words}}}"
        if left >= LAST:
            yield f"  - {{name: pool{number}, type: Pooling, pool: MAX, kernel_size: 4, stride: 4}}"
        yield f"  - {{name: norm{number}, type: BatchNorm}}"
        yield f"  - {{name: scale{number}, type: Scale}}"
        yield f"  - {{name: relu{number}, type: ReLU}}"
        if left < LAST:
            break
        left = -(-left // 4)
    yield "  - {name: mean, type: Pooling, pool: AVE, global_pooling: true}"
    yield f"  - {{name: score, type: InnerProduct, num_output: {len(found.counted.classes)}}}"
    yield "  - {name: prob, type: Softmax}"


def tail(found: SoundSurvey, path: str, labels: str) -> Iterator[str]:
    counted = found.counted
    batch = max(1, min(32, counted.total // 4))
    more = ", resample: true" if found.mixed else ""
    words = f"source: audio, path: {quote(path)}, rate: {found.rate}{more}, batch_size: {batch}"
    yield from data(counted, labels, lambda part: f"{words}, split: {part}")
    yield "  augment: [{type: AudioNoise, probability: 0.5}, {type: TimeShift, share: 0.1}, {type: Speed}]"
    yield from balance(counted)
    yield from solver(trained_on(counted), batch, Length("sounds", SEEN, FEWEST, MOST))
