"""A first spec for a folder of sounds: a small 1-D convolutional net that fits their length and
classes. In: the folder; out: YAML.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.place import Place
from netspec.data.registry import open_source
from netspec.data.sources.audio import SOUNDS, read_headers, refuse_damaged
from netspec.data.sources.image_folder import files_below
from netspec.resolve.sections.train import DataSection
from netspec.training.first.draft import (
    Counted,
    Draft,
    Length,
    Seen,
    begin,
    data,
    solver,
    trained_on,
    words_of,
)
from netspec.training.first.pictures import CONVOLUTIONAL
from netspec.training.first.tasks import Classes, task_of

__all__ = ["draft_sounds"]

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
TRAINED = Length("sounds", 20_000, 4, 60)
"""Sounds that a training hears, some minutes on two cores; epochs at least and at most."""


class SoundSurvey(NamedTuple):
    """rate: that most files have, mixed: not all. lengths: of all files at that rate; length: of the
    net's input. total: sounds of the training part, as it is without further words.
    """

    task: Classes
    counted: Counted
    total: int
    rate: int
    mixed: bool
    lengths: tuple[int, ...]
    length: int


def draft_sounds(sections: Mapping[str, DataSection], path: Path) -> Draft:
    """The draft for a folder with a folder of WAV files per class, or with such parts."""
    found = survey_sounds(sections, path)
    section = next(iter(sections.values()))

    def text(name: str, seen: Seen, labels: str) -> str:
        lines = [*head(found, name), *layers(found), *found.task.scores()]
        return "\n".join([*lines, *tail(found, words_of(section, seen), labels)]) + "\n"

    said = f"{found.task.tally()}, {trained_on(found.counted):,} sounds to train on"
    return Draft(text, found.task.file_names(), said)


def survey_sounds(sections: Mapping[str, DataSection], folder: Path) -> SoundSurvey:
    """Look at such a folder. Raises SpecError as the source audio does."""
    top = folder.absolute()
    files = sorted(files_below(top, [top], SOUNDS))
    headers, bad = read_headers(files, [top])
    refuse_damaged(str(top), len(files), bad)
    waves = [wave for wave in headers if wave is not None]
    rates = Counter(wave.rate for wave in waves)
    rate = rates.most_common(1)[0][0]
    lengths = tuple(-(-wave.frames * rate // wave.rate) for wave in waves)
    section = next(iter(sections.values())).replace(rate=rate, resample=True)
    total = len(open_source(section, "train", Place(top)))
    whole = open_source(section, None, Place(top))
    task = task_of(whole, "sounds")
    if not isinstance(task, Classes):
        raise TypeError(f"{whole.name} holds no folders of classes")
    counted = Counted(len(whole), tuple(role for role in sections if role != "all"), max(task.counts))
    length = int(np.quantile(lengths, SHARE, method="inverted_cdf"))
    return SoundSurvey(task, counted, total, rate, len(rates) > 1, lengths, length)


def head(found: SoundSurvey, name: str) -> Iterator[str]:
    short, long = min(found.lengths), max(found.lengths)
    seen = f"{short:,} samples" if short == long else f"{short:,} to {long:,} samples"
    yield from begin(name, found.task.say("sounds"))
    yield "input:"
    yield f"  # {len(found.lengths):,} sounds of {seen} at {found.rate:,} Hz: {found.length / found.rate:.3g} s"
    if short != long:
        yield "  # longer ones are cut, shorter ones filled with silence: see length in the data section"
    yield f"  data: [N, 1, {found.length}]"
    yield CONVOLUTIONAL


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


def tail(found: SoundSurvey, where: str, labels: str) -> Iterator[str]:
    batch = max(1, min(32, found.total // 4))
    more = ", resample: true" if found.mixed else ""
    words = f"{where}, rate: {found.rate}{more}, batch_size: {batch}"
    yield from data(found.task, found.counted, labels, lambda part: f"{words}, split: {part}")
    yield "  augment: [{type: AudioNoise, probability: 0.5}, {type: TimeShift, share: 0.1}, {type: Speed}]"
    yield from found.task.losses()
    yield from solver(trained_on(found.counted), batch, TRAINED)
