"""Folders of WAV files, one for each class. Sounds come in at one rate, mixed to one channel or as
they are; a batch gives them one length.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from netspec.data.folder_layout import read_layout
from netspec.data.paths import reading_error
from netspec.data.place import Place
from netspec.data.sounds.wav import Wave, WaveError, read_frames, read_wave
from netspec.data.source import MEMORY, Array, Field, Rows, Source, as_labels
from netspec.data.sources.image_folder import (
    PICTURES,
    Kind,
    files_below,
    files_by_class,
    length_of,
    top_of,
)
from netspec.data.splits import fifths_within
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.diagnostics.words import list_briefly, list_some
from netspec.file_reading import Roots, open_in
from netspec.resolve.sections.image import Shape
from netspec.resolve.sections.train import DataSection

__all__ = [
    "SOUNDS",
    "AudioFolder",
    "Form",
    "form_of",
    "holds_sounds",
    "load_sound",
    "of_files",
    "open_audio",
    "read_headers",
    "refuse_damaged",
    "sound_of",
]

SOUNDS = Kind("sound", frozenset((".wav", ".wave")))
SHOWN = 4
"""Files in one message, whose paths are long."""
FULL, CLIPPED = 0.999, 0.001
"""From which share of the range on a value is at its end; from which share of the values on, in
runs of three and more of one value, a sound is called clipped.
"""


S = TypeVar("S", bound="AudioFolder")


class Form(NamedTuple):
    """What sounds are made to be. rate: samples a second, None for that of the files; resample:
    others are brought to it; mono: the channels mixed to one; length: samples, None for the files'
    own.
    """

    rate: int | None = None
    resample: bool = False
    mono: bool = True
    length: int | None = None

    def channels(self, wave: Wave) -> int:
        return 1 if self.mono else wave.channels

    def frames(self, wave: Wave) -> int:
        """Samples of a file at the rate."""
        if self.rate in (None, wave.rate):
            return wave.frames
        return -(-wave.frames * (self.rate or 1) // wave.rate)


def holds_sounds(folder: Path) -> bool:
    """Whether a folder holds WAV files somewhere, and no picture."""
    roots = [folder.absolute()]
    kinds = [next(files_below(folder.absolute(), roots, kind), None) for kind in (SOUNDS, PICTURES)]
    return kinds[0] is not None and kinds[1] is None


def form_of(section: DataSection, shape: Shape | None, facts: Mapping[str, Any]) -> Form:
    """What a section asks for; where it is silent, what the training data had and the input
    takes.
    """
    if section.resample and section.rate is None and "rate" not in facts:
        raise fail("NS641", "`resample: true` needs `rate:`, the rate that all sounds are brought to")
    length, mono = section.length, section.mono and facts.get("mono", True)
    if length is None and shape is not None and len(shape) == 2:
        length = shape[1]
    resample = section.resample or facts.get("resample", False)
    return Form(section.rate or facts.get("rate"), resample, mono, length)


class AudioFolder(Source):
    """Field data (C, t) float32, from -1 to 1, t as the files have it; label, where there is one.

    Sounds are kept while they fit in memory.
    """

    def __init__(
        self,
        name: str,
        files: Sequence[Path],
        waves: Sequence[Wave],
        labels: Array | None,
        form: Form,
        roots: Roots,
    ) -> None:
        self.name, self.files, self.waves, self.form, self.roots = name, files, waves, form, roots
        self.named, self.length = True, form.length
        self.facts = {"rate": form.rate, "mono": form.mono, "resample": form.resample}
        lengths = {form.frames(wave) for wave in waves}
        count = lengths.pop() if len(lengths) == 1 else None
        self.fields = {"data": Field((form.channels(waves[0]), count), np.dtype(np.float32))}
        self.marks = None if labels is None else as_labels(labels)
        if self.marks is not None:
            self.label = "label"
            self.fields["label"] = Field(self.marks.shape[1:], self.marks.dtype)
        self.kept: list[Array | None] = [None] * len(files)
        self.room = MEMORY
        self.stacked: Array | None = None
        self.silent: dict[str, None] = {}
        self.clipped: dict[str, None] = {}
        self.told: set[str] = set()

    def __len__(self) -> int:
        return len(self.files)

    def labels(self) -> Array | None:
        return self.marks

    def where(self, index: int) -> str:
        return str(self.files[index])

    def signatures(self) -> list[str]:
        top = Path(self.name)
        names = [file.relative_to(top) if file.is_relative_to(top) else file for file in self.files]
        return [f"{name.as_posix()} {length_of(file)}" for name, file in zip(names, self.files, strict=True)]

    def batch(self, indices: Array) -> Rows:
        sounds = [self.sound(i) for i in indices.tolist()]
        rows: dict[str, Any] = {"data": sounds}
        if None not in self.fields["data"].shape:
            rows["data"] = np.stack(sounds)
        if self.marks is not None:
            rows["label"] = self.marks[indices]
        return rows

    def whole(self) -> dict[str, Array] | None:
        channels, count = self.fields["data"].shape
        if count is None or len(self) * (channels or 1) * count * 4 > MEMORY:
            return None
        if self.stacked is None:
            self.room = 0  # kept here, all together
            self.stacked = np.stack([self.sound(i) for i in range(len(self))])
        if self.marks is None:
            return {"data": self.stacked}
        return {"data": self.stacked, "label": self.marks}

    def sound(self, index: int) -> Array:
        """One file, (C, t). Raises SpecError NS630 where it has become another since it was
        opened.
        """
        kept = self.kept[index]
        if kept is None and self.stacked is not None:
            return np.asarray(self.stacked[index])
        if kept is None:
            kept = sound_of(self.files[index], self.waves[index], self.form, self.roots)
            self.notice(str(self.files[index]), kept)
            if self.room > kept.nbytes:
                self.room -= kept.nbytes
                self.kept[index] = kept
        return kept

    def notice(self, name: str, sound: Array) -> None:
        """Keep the name of a file that is silent, or clipped."""
        if (sound == sound[:, :1]).all():
            self.silent[name] = None
        elif is_clipped(sound):
            self.clipped[name] = None

    def remarks(self) -> tuple[Diagnostic, ...]:
        kinds = (
            (
                self.silent,
                "all samples are one value",
                "such a sound teaches silence: is it empty?",
            ),
            (
                self.clipped,
                "the sound is clipped",
                "its loudest parts were cut off at the end of the range when it was recorded",
            ),
        )
        found = []
        for names, fact, note in kinds:
            short = sorted(name.removeprefix(f"{self.name}/") for name in names if name not in self.told)
            self.told |= {*names}
            if short:
                fact = f"{fact} in {list_briefly(short, SHOWN)}"
                found.append(Diagnostic("NS668", fact, path=self.name, notes=(note,)))
        return tuple(found)


def is_clipped(sound: Array) -> bool:
    """Whether a sound stays at an end of its range, three samples and more in a row."""
    end = (
        (np.abs(sound[:, 2:]) >= FULL) & (sound[:, 2:] == sound[:, 1:-1]) & (sound[:, 1:-1] == sound[:, :-2])
    )
    return bool(end.sum() > CLIPPED * sound.size)


def sound_of(path: Path, wave: Wave, form: Form, roots: Roots) -> Array:
    """The samples of a file as a form asks for them, (C, t) float32. Raises SpecError NS630, NS642,
    NS643.
    """
    try:
        with open_in(path, roots) as file:
            sound = read_frames(file, wave)
    except WaveError as error:
        raise fail("NS630", str(error), path=str(path)) from error
    except OSError as error:
        raise reading_error(path, error) from error
    if form.mono and len(sound) > 1:
        sound = sound.mean(0, keepdims=True, dtype=np.float32)
    if form.rate in (None, wave.rate):
        return sound
    return at_rate(sound, wave.rate, form.rate or wave.rate)


def load_sound(path: Path, form: Form) -> Array:
    """A file that its user named, as a form asks for it, (C, t). Raises SpecError NS630, NS631,
    NS643.
    """
    waves, bad = read_headers([path], None)
    wave = waves[0]
    if wave is None:
        raise fail("NS630", bad[0].removeprefix(f"{path}: "), path=str(path))
    if form.rate not in (None, wave.rate) and not form.resample:
        fact = f"it has {wave.rate:,} Hz, the training data had {form.rate:,} Hz"
        raise fail("NS631", fact, path=str(path))
    return sound_of(path, wave, form, None)


def at_rate(sound: Array, have: int, want: int) -> Array:
    """A sound at another rate: filtered by a Kaiser window of SciPy's, so that nothing folds
    back.
    """
    from math import gcd

    from scipy.signal import resample_poly

    common = gcd(have, want)
    return np.ascontiguousarray(resample_poly(sound, want // common, have // common, axis=1), np.float32)


def read_headers(files: Sequence[Path], roots: Roots) -> tuple[list[Wave | None], list[str]]:
    """The header of each file, None where it cannot be read; why these cannot."""
    waves: list[Wave | None] = []
    bad = []
    for path in files:
        wave: Wave | None = None
        try:
            with open_in(path, roots) as file:
                wave = read_wave(file)
        except WaveError as error:
            bad.append(f"{path}: {error}")
        except OSError as error:
            bad.append(f"{path}: {reading_error(path, error).diagnostics[0].fact}")
        waves.append(wave)
    return waves, bad


def open_audio(section: DataSection, split: str | None, place: Place) -> Source:
    """The sounds of `path`/CLASS/, parts and classes as a folder of pictures has them.

    Raises SpecError NS641, NS643, NS649, NS650, NS663, NS664 as open_images does, NS630 (files that
    cannot be read, all of them; `on_error: skip` leaves them out), NS631 (rates or channels that
    differ).
    """
    form = form_of(section, place.shape, place.facts)
    top, roots = top_of(section, place.root, place.allow_outside)
    layout = read_layout(top, roots)
    folder, found = layout.part(split)
    if not found:
        raise fail("NS650", "holds no folder per class", path=str(folder))
    files, labels, names = files_by_class(found, place.classes, roots, SOUNDS)
    skipping = section.on_error == "skip"
    source, _ = of_files(AudioFolder, str(folder), files, labels, form, roots, skipping)
    source.classes = names
    if layout.roles:
        return source
    return fifths_within(source, split)


def of_files(
    make: type[S],
    name: str,
    files: Sequence[Path],
    labels: Array | None,
    form: Form,
    roots: Roots,
    skipping: bool,
) -> tuple[S, list[int]]:
    """The source of some files, and which of them it has. Raises SpecError NS630, NS631, NS650."""
    waves, bad = read_headers(files, roots)
    kept = [i for i, wave in enumerate(waves) if wave is not None]
    refuse_damaged(name, len(files), [] if skipping else bad)
    if not kept:
        raise fail("NS650", f"none of {len(files):,} files can be read", path=name)
    if skipping:
        others = unlike([(i, waves[i]) for i in kept], form)
        bad += [f"{files[i]}: {why}" for i, why in others.items()]
        kept = [i for i in kept if i not in others]
    read = [wave for i in kept if (wave := waves[i]) is not None]
    chosen = [files[i] for i in kept]
    form = agree(name, chosen, read, form)
    source = make(name, chosen, read, None if labels is None else labels[kept], form, roots)
    source.left_out = tuple(bad)
    return source, kept


def refuse_damaged(name: str, total: int, bad: Sequence[str]) -> None:
    """Raises SpecError NS630 for all files that cannot be read."""
    if bad:
        raise fail("NS630", f"{len(bad):,} of {total:,} sounds", path=name, notes=list_some(bad))


def unlike(waves: Sequence[tuple[int, Wave | None]], form: Form) -> dict[int, str]:
    """The files that are not as most are, by number, in rate or channels, where nothing makes them
    alike.
    """
    there = [(i, wave) for i, wave in waves if wave is not None]
    rate = form.rate or Counter(wave.rate for _, wave in there).most_common(1)[0][0]
    channels = Counter(wave.channels for _, wave in there).most_common(1)[0][0]
    found = {}
    for i, wave in there:
        if wave.rate != rate and not form.resample:
            found[i] = f"{wave.rate:,} Hz, not {rate:,}"
        elif wave.channels != channels and not form.mono:
            found[i] = f"channels: {wave.channels}, not {channels}"
    return found


def agree(name: str, files: Sequence[Path], waves: Sequence[Wave], form: Form) -> Form:
    """The form with the rate that all files have or are brought to. NS631: they differ."""
    rates = Counter(wave.rate for wave in waves)
    wanted = form.rate or rates.most_common(1)[0][0]
    other = [i for i, wave in enumerate(waves) if wave.rate != wanted]
    if other and not form.resample:
        said = f"{wanted:,} Hz is wanted" if form.rate else f"most have {wanted:,} Hz"
        raise tell_others(
            name,
            files,
            other,
            f"{said}, {waves[other[0]].rate:,} Hz",
            f"rate: {wanted}, resample: true",
        )
    channels = Counter(wave.channels for wave in waves).most_common(1)[0][0]
    other = [i for i, wave in enumerate(waves) if wave.channels != channels]
    if other and not form.mono:
        have = f"most have {channels} channels, {waves[other[0]].channels}"
        raise tell_others(name, files, other, have, "mono: true")
    return form._replace(rate=wanted)


def tell_others(name: str, files: Sequence[Path], other: Sequence[int], fact: str, word: str) -> SpecError:
    """NS631 for the files that are not as the others."""
    short = [str(files[i]).removeprefix(f"{name}/") for i in other]
    return fail(
        "NS631",
        f"{fact} has {list_briefly(short, SHOWN)}"
        if len(other) == 1
        else f"{fact} or others have {len(other):,} of {len(files):,}: {list_briefly(short, SHOWN)}",
        path=name,
        notes=(f"`{word}` in the data section makes all alike",),
    )
