"""A first spec for sequences of letters: DeepBind's net for their length and labels. In: a FASTA
file, or a folder of them; out: YAML.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from netspec.data.inventory.parts import open_sections
from netspec.data.sources.sequences import find_files, read_fasta
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
from netspec.training.first.tasks import Task, task_of

__all__ = ["draft_sequences"]

DNA, RNA, PROTEINS = "ACGT", "ACGU", "ACDEFGHIKLMNPQRSTVWY"
MOTIF = 24
"""Letters of a motif detector, as DeepBind has for motifs of up to 16."""
DETECTORS = 16
OWN = 0.9
"""Of the letters so many are an alphabet's, if the sequences are written in it; the rest is N and gaps."""
TRAINED = Length("sequences", 100_000, 5, 60)
"""Sequences that a training sees, some minutes; epochs at least and at most."""
NOTES = (
    "a label is `label=WORD` in each header, or a row of the table that `labels: TABLE.csv` (id, label) in the data"
    " section names",
    "a folder with a FASTA file for each class needs none",
)


def draft_sequences(sections: Mapping[str, DataSection], path: Path) -> Draft:
    """The draft for such data. Raises SpecError NS736 where there are no labels."""
    section = next(iter(sections.values()))
    alphabet = find_alphabet(path.absolute())
    section = section.replace(alphabet=PROTEINS if alphabet == PROTEINS else DNA)
    source = next(iter(open_sections({"all": section}, path).values()))
    task = task_of(source, "sequences", NOTES)
    counted = Counted(len(source), (), task.most or len(source))
    length = next(iter(source.fields.values())).shape[1] or 0

    def text(name: str, seen: Seen, labels: str) -> str:
        lines = [*head(name, task, counted, length, section.alphabet), *layers(task)]
        return "\n".join([*lines, *tail(task, counted, words_of(section, seen), labels, alphabet)]) + "\n"

    said = f"{task.tally()}, {trained_on(counted):,} sequences to train on"
    return Draft(text, task.file_names(), said)


def find_alphabet(path: Path) -> str:
    """The alphabet that the sequences are written in."""
    files = find_files(path) if path.is_dir() else [path]
    letters: Counter[str] = Counter()
    for file in files:
        for entry in read_fasta(file, [path.parent], []):
            letters.update(entry.letters)
    whole = sum(letters.values())
    if sum(letters[letter] for letter in "ACGTU") < OWN * whole:
        return PROTEINS
    return RNA if letters["U"] > letters["T"] else DNA


def head(name: str, task: Task, counted: Counted, length: int, alphabet: str) -> Iterator[str]:
    yield from begin(name, task.say("sequences"))
    yield "input:"
    yield f"  # {counted.whole:,} sequences of up to {length:,} letters, a channel for each of {alphabet}; any length goes"
    yield f"  data: [N, {len(alphabet)}, L]"
    yield "defaults:"
    yield "  InnerProduct: {weight_filler: xavier}"


def layers(task: Task) -> Iterator[str]:
    yield "layers:"
    yield "  # motif detectors slide over the sequence, any letter may stand outside; the best match of each is what"
    yield "  # counts, wherever it lies (DeepBind, Alipanahi, Delong, Weirauch, Frey 2015)"
    yield f"  - {{name: motif, type: Convolution, num_output: {DETECTORS}, kernel_size: {MOTIF}, pad: full,"
    yield "     pad_value: 0.25, weight_filler: {type: gaussian, std: 0.1}}"
    yield "  - {name: rectify, type: ReLU}   # the bias of a motif is its threshold"
    yield "  - {name: best, type: Pooling, pool: MAX, global_pooling: true}"
    yield "  - {name: hidden, type: InnerProduct, num_output: 32}"
    yield "  - {name: relu, type: ReLU}"
    yield "  - {name: drop, type: Dropout, dropout_ratio: 0.5}"
    yield from task.scores()


def tail(task: Task, counted: Counted, where: str, labels: str, alphabet: str) -> Iterator[str]:
    batch = max(1, min(64, trained_on(counted) // 4))
    words = where + (f", alphabet: {alphabet}" if alphabet == PROTEINS else "")
    yield from data(task, counted, labels, lambda part: f"{words}, split: {part}, batch_size: {batch}")
    if alphabet == DNA:
        yield "  # what binds to a strand binds to the other one read backwards"
        yield "  augment: [{type: ReverseComplement}]"
    elif alphabet == RNA:
        yield "  # no {type: ReverseComplement}: RNA has one strand"
    yield from task.losses()
    yield from solver(trained_on(counted), batch, TRAINED, adam=0.003)
