"""Sequences of letters (DNA, RNA, proteins) in FASTA files as one-hot maps, a channel per letter.
In: a file, or a folder with a file per class; out: a Source.
"""

import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from netspec.data.faulty import Faulty, hint_skip
from netspec.data.paths import existing, reading_error, resolve_path, roots_for
from netspec.data.place import Place
from netspec.data.source import MEMORY, Array, Field, Rows, Source, split_source
from netspec.data.sources.csv import is_number, labels_of, odd_labels, read_rows, tell_odd
from netspec.data.tables.columns import is_finite
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.diagnostics.words import list_some
from netspec.file_reading import Roots, read_bytes
from netspec.resolve.sections.train import DataSection, find_missing

__all__ = ["ENDS", "Sequences", "find_files", "open_sequences", "read_fasta"]

ENDS = (".fa", ".fasta", ".fna", ".faa", ".ffn", ".frn", ".fas")
MOST = 1 << 30
"""Bytes of a file, unpacked: a short one must not become any number of them, and the longest human
chromosome has a quarter of that.
"""
SKIP = hint_skip("sequences")


class Entry(NamedTuple):
    """One sequence: its line, its name, what its header says behind it, its letters."""

    line: int
    name: str
    words: tuple[str, ...]
    letters: str


class Marks(NamedTuple):
    """What stands for the label of each entry: one word, or several numbers, of a line of a file.
    odd: which entries have none, and why.
    """

    path: Path
    cells: Sequence[Sequence[str]]
    lines: Sequence[int]
    odd: dict[int, str]


class Sequences(Source):
    """Field data (K, L) float32: 1 in the channel of the letter at each place, in all of them 1 / K
    where the letter is another one or none (Alipanahi et al. 2015, supplementary note 10.1).

    codes: (n, L), the channel of each letter, K for others.
    """

    def __init__(self, name: str, codes: Array, alphabet: str, labels: Array | None) -> None:
        self.name, self.codes, self.marks = name, codes, labels
        self.named = True
        k = len(alphabet)
        self.letters = np.vstack([np.eye(k), np.full((1, k), 1 / k)]).astype(np.float32)
        self.fields = {"data": Field((k, codes.shape[1]), np.dtype(np.float32))}
        if labels is not None:
            self.fields["label"] = Field(labels.shape[1:], labels.dtype)
            self.label = "label"
        self.places: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.codes)

    def labels(self) -> Array | None:
        return self.marks

    def where(self, index: int) -> str:
        return self.places[index]

    def batch(self, indices: Array) -> Rows:
        rows: dict[str, Array] = {
            "data": np.ascontiguousarray(self.letters[self.codes[indices]].transpose(0, 2, 1))
        }
        if self.marks is not None:
            rows["label"] = self.marks[indices]
        return rows

    def whole(self) -> dict[str, Array] | None:
        if self.codes.size * len(self.letters) * 4 > MEMORY:
            return None
        return {key: np.asarray(values) for key, values in self.batch(np.arange(len(self))).items()}


def open_sequences(section: DataSection, split: str | None, place: Place) -> Source:
    """The sequences of a FASTA file, or of all of a folder, whose names without their ending are
    then the classes. Files may be packed (.gz). `on_error: skip` leaves out what cannot be read,
    or has no label.

    Of one file labels are, by id, the other columns of the table `labels:`, else in each header
    what stands behind `label=`, or behind the word that `label:` names, else its last word. Without
    any there is no label, as to predict. The alphabet and `length:` of the training data hold for
    all other data; without `length:` sequences are made as long as the input takes, or as the
    longest. Raises SpecError NS641 (section), NS643, NS645 (no FASTA), NS650, NS652 (one to predict
    is longer than the input takes), NS654 (labels that are not there, or no numbers, all of them),
    NS663.
    """
    root, allow_outside, classes = place.root, place.allow_outside, place.classes
    section = as_trained(section, place.facts)
    if section.path is None:
        raise fail("NS641", find_missing(section))
    path = resolve_path(section.path, root, allow_outside)
    roots = roots_for(root, allow_outside)
    check_alphabet(section)
    files = find_files(path) if path.is_dir() else [existing(path)]
    faults: list[Diagnostic] = []
    parts = [list(read_fasta(file, roots, faults)) for file in files]
    entries = [entry for part in parts for entry in part]
    left_out = tuple(f"{each.path}, {each.fact}" for each in faults)
    if faults and (section.on_error != "skip" or not entries):
        raise SpecError(faults if len(faults) == 1 else [tell_faults(faults, left_out, str(path))])
    if not entries:
        raise fail("NS650", "holds no sequences", path=str(path))
    labels: Array | None
    if path.is_dir():
        words = [stem_of(file) for file, part in zip(files, parts, strict=True) for _ in part]
        labels, names = labels_of(
            words, classes or tuple(map(stem_of, files)), path, [entry.line for entry in entries]
        )
    else:
        labels, names = None, None
        marks = find_marks(entries, section, path, root, allow_outside)
        if marks is not None and not (place.predicting and marks.odd):  # some are to be found out
            kept, lost = sift_marks(marks, section.on_error == "skip")
            labels, names = labels_of_marks(marks, kept, classes)
            entries, left_out = [entries[n] for n in kept], (*left_out, *lost)
    most = section.length or room_of(place)
    faults_of = {} if section.length or not place.predicting else judge_lengths(entries, most, str(path))
    longest = max(len(entry.letters) for entry in entries)
    side = most if most and (section.length or place.predicting) else max(most or 0, longest)
    source = Sequences(str(path), encode(entries, section.alphabet, side), section.alphabet, labels)
    source.classes, source.left_out = names, left_out
    source.places = [f"{entry.name}, line {entry.line}" for entry in entries]
    source.facts = {"alphabet": section.alphabet, "length": section.length}
    return split_source(Faulty(source, faults_of) if faults_of else source, split)


def as_trained(section: DataSection, facts: Mapping[str, Any]) -> DataSection:
    """A section with the alphabet and the length of the training data, where these are known."""
    known = {word: facts[word] for word in ("alphabet", "length") if facts.get(word) is not None}
    return section.replace(**known)


def room_of(place: Place) -> int | None:
    """How many letters the input takes, where it says that."""
    return place.shape[-1] if place.shape and len(place.shape) == 2 else None


def judge_lengths(entries: Sequence[Entry], most: int | None, path: str) -> dict[int, SpecError]:
    """NS652 for each sequence that is longer than the input takes."""
    return {
        n: fail("NS652", f"the input takes {most} letters, {each.name} has {len(each.letters)}", path=path)
        for n, each in enumerate(entries)
        if most and len(each.letters) > most
    }


def check_alphabet(section: DataSection) -> None:
    """NS641 where letters stand twice, or are none."""
    letters = section.alphabet
    if len(set(letters)) < len(letters) or letters != letters.upper() or not letters.isalpha():
        raise fail("NS641", f"an alphabet is capital letters, each once: {letters!r}")


def find_files(folder: Path) -> list[Path]:
    """The FASTA files of a folder, sorted. NS650: none."""
    try:
        found = sorted(
            path for path in folder.iterdir() if Path(path.name.removesuffix(".gz")).suffix in ENDS
        )
    except OSError as error:
        raise reading_error(folder, error) from error
    if not found:
        raise fail("NS650", f"holds no file that ends in {', '.join(ENDS)}", path=str(folder))
    return found


def stem_of(file: Path) -> str:
    """bound.fa.gz: bound."""
    return Path(file.name.removesuffix(".gz")).stem


def tell_faults(faults: Sequence[Diagnostic], lines: Sequence[str], path: str) -> Diagnostic:
    """NS645 for several sequences or files that cannot be read."""
    return Diagnostic(faults[0].code, f"{len(faults):,} places", path=path, notes=list_some(lines))


def read_fasta(path: Path, roots: Roots, faults: list[Diagnostic]) -> Iterator[Entry]:
    """The entries of a file, in order; those that cannot be read go to `faults`, as does a file
    (NS643, NS645).
    """
    try:
        yield from entries_of(read_lines(path, roots), str(path), faults)
    except SpecError as error:
        faults += error.diagnostics


def entries_of(lines: Iterator[str], path: str, faults: list[Diagnostic]) -> Iterator[Entry]:
    line, name, sound = 0, "", False
    words: tuple[str, ...] = ()
    letters: list[str] = []
    for number, text in enumerate(lines, 1):
        if text.startswith(">"):
            if sound:
                yield Entry(line, name, words, "".join(letters))
            name, *rest = text[1:].split() or [""]
            line, words, letters, sound = number, tuple(rest), [], True
        elif text.strip() and not text.startswith(";") and (sound or not line):
            part = text.strip().upper()
            if fault := judge_line(part, line > 0):
                faults.append(Diagnostic("NS645", f"line {number}: {fault}", path=path))
                sound, line = False, line or number
            letters.append(part)
    if sound:
        yield Entry(line, name, words, "".join(letters))


def judge_line(part: str, named: bool) -> str:
    """Why a line is no part of a sequence; empty where it is."""
    if not named:
        return "a FASTA file begins with a header, > and a name"
    if not re.fullmatch(r"[A-Z*.\-]+", part):
        return f"{part[:20]!r} is no sequence of letters"
    return ""


def read_lines(path: Path, roots: Roots) -> Iterator[str]:
    """The lines of a file, unpacked where it is packed."""
    try:
        data = read_bytes(path, roots, MOST + 1)
        if data[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
                data = packed.read(MOST + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise fail("NS645", f"damaged: {error}", path=str(path)) from error
    except OSError as error:
        raise reading_error(path, error) from error
    if len(data) > MOST:
        raise fail("NS645", f"more than {MOST:,} bytes", path=str(path))
    try:
        yield from data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise fail("NS645", f"byte {error.start} is not UTF-8 text", path=str(path)) from error


def find_marks(
    entries: Sequence[Entry], section: DataSection, path: Path, root: Path, allow_outside: bool
) -> Marks | None:
    """What stands for the labels of a file's entries; None where nothing does, as to predict."""
    if section.labels is not None:
        table = existing(resolve_path(section.labels, root, allow_outside))
        return marks_by_id(entries, table, roots_for(root, allow_outside))
    key = f"{section.label or 'label'}="
    said = [next((w.removeprefix(key) for w in e.words if w.startswith(key)), None) for e in entries]
    if all(each is None for each in said):
        if section.label is not None:
            raise fail("NS654", f"no header has {key}", path=str(path))
        said = [entry.words[-1] if entry.words else None for entry in entries]
        if not all(each is not None and is_number(each) for each in said):
            return None  # words behind a name mostly describe it
    odd = {
        n: f"line {entry.line}: the header of {entry.name or 'a sequence without a name'} has no {key}"
        for n, (entry, word) in enumerate(zip(entries, said, strict=True))
        if word is None
    }
    return Marks(path, [[word or ""] for word in said], [entry.line for entry in entries], odd)


def marks_by_id(entries: Sequence[Entry], table: Path, roots: Roots) -> Marks:
    """Those of a table of ids and one label, or several numbers, each. NS654: it has no two columns."""
    _, lines, rows = read_rows(table, roots)
    if rows and len(rows[0]) < 2:
        raise fail("NS654", "a table of labels needs a column of ids and one of labels", path=str(table))
    by_id = {row[0].strip(): (line, row[1:]) for line, row in zip(lines, rows, strict=True)}
    odd = {n: f"no row for {each.name}" for n, each in enumerate(entries) if each.name not in by_id}
    found = [by_id.get(entry.name, (0, [])) for entry in entries]
    return Marks(table, [cells for _, cells in found], [line for line, _ in found], odd)


def sift_marks(marks: Marks, skipping: bool) -> tuple[list[int], tuple[str, ...]]:
    """Which entries have a label, and why the others are left out. NS654: some have none, and are not
    to be left out, or none has one.
    """
    total = len(marks.cells)
    rest = [n for n in range(total) if n not in marks.odd]
    odd = dict(marks.odd)
    if rest and len(marks.cells[rest[0]]) == 1:
        faults = odd_labels([marks.cells[n][0] for n in rest])
        odd |= {rest[at]: f"line {marks.lines[rest[at]]}: {why}" for at, why in faults.items()}
    else:
        wrong = {n: next((c for c in marks.cells[n] if not is_finite(c)), None) for n in rest}
        odd |= {
            n: f"line {marks.lines[n]}: {cell!r:.60} is not a finite number"
            for n, cell in wrong.items()
            if cell is not None
        }
    said = tuple(odd[n] for n in sorted(odd))
    if odd and (not skipping or len(odd) == total):
        raise tell_odd(said, total, str(marks.path), (SKIP,))
    return [n for n in rest if n not in odd], said


def labels_of_marks(
    marks: Marks, kept: Sequence[int], classes: Sequence[str] | None
) -> tuple[Array, tuple[str, ...] | None]:
    """Labels, (n,) or (n, columns), and the names of classes where they have some."""
    cells = [marks.cells[n] for n in kept]
    if len(cells[0]) == 1:
        return labels_of([row[0] for row in cells], classes, marks.path, [marks.lines[n] for n in kept])
    return np.array(cells, np.float32), None


def encode(entries: Sequence[Entry], alphabet: str, side: int) -> Array:
    """The channel of each letter, (n, L) uint8; len(alphabet) for others and outside. Longer ones
    lose both ends alike, shorter ones are filled at both.
    """
    k = len(alphabet)
    channel = np.full(256, k, np.uint8)
    for number, letter in enumerate(alphabet):
        channel[ord(letter)] = number
    if "T" in alphabet and "U" not in alphabet:
        channel[ord("U")] = alphabet.index("T")  # RNA written for DNA, and the other way
    elif "U" in alphabet and "T" not in alphabet:
        channel[ord("T")] = alphabet.index("U")
    codes = np.full((len(entries), max(side, 1)), k, np.uint8)
    for row, entry in zip(codes, entries, strict=True):
        own = channel[np.frombuffer(entry.letters.encode("ascii"), np.uint8)]
        own = own[max(0, (len(own) - side) // 2) :][:side]
        begin = (side - len(own)) // 2
        row[begin : begin + len(own)] = own
    return codes
