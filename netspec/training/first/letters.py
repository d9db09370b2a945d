"""A first spec for plain text: a char-RNN that reads it in streams. In: the file; out: YAML."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from netspec.data.inventory.parts import open_sections
from netspec.diagnostics import fail
from netspec.resolve.sections.train import DataSection
from netspec.training.first.draft import Draft, Length, Seen, begin, solver, words_of

__all__ = ["draft_letters"]

WINDOW, STREAMS = 64, 32
"""Letters that a gradient reaches back, and texts read side by side, as Karpathy's char-rnn has them."""
WIDTH = 128
TRAINED = Length("windows", 60_000, 5, 100)
"""Windows that a training reads, some minutes on two cores; epochs at least and at most."""


def draft_letters(sections: Mapping[str, DataSection], path: Path) -> Draft:
    """The draft for a text. Raises SpecError NS650 where it is too short for each stream and the test."""
    section = next(iter(sections.values())).replace(window=WINDOW)
    source = next(iter(open_sections({"all": section}, path).values()))
    count, letters = len(source), len(source.classes or ())
    streams = min(STREAMS, count // 10)
    if not streams:
        fact = f"{count * WINDOW:,} letters: a text to learn from has {10 * WINDOW:,} at least"
        raise fail("NS650", fact, path=str(path))
    learning = count - count // 5

    def text(name: str, seen: Seen, labels: str) -> str:
        where = f"{words_of(section, seen)}, window: {WINDOW}, streams: true"
        return "\n".join([*layers(name, letters), *tail(where, learning, streams)]) + "\n"

    return Draft(text, (), f"{letters} different letters, {learning * WINDOW:,} of them to train on")


def layers(name: str, letters: int) -> Iterator[str]:
    yield from begin(name, "Says of each letter of a text which comes next")
    yield "input:"
    yield "  # time first, then streams; cont is 0 where a text begins"
    yield "  data: [T, N]"
    yield "  cont: [T, N]"
    yield "defaults:"
    yield "  Embed: {bias_term: false, weight_filler: {type: uniform, min: -0.08, max: 0.08}}"
    yield "  LSTM: {weight_filler: {type: uniform, min: -0.08, max: 0.08}}"
    yield "  InnerProduct: {weight_filler: {type: uniform, min: -0.08, max: 0.08}}"
    yield "layers:"
    yield f"  - {{name: embed, type: Embed, bottom: data, input_dim: {letters}, num_output: {WIDTH}}}"
    for i, bottom in ((1, "embed"), (2, "lstm1")):
        yield f"  - {{name: lstm{i}, type: LSTM, bottom: [{bottom}, cont], num_output: {WIDTH}}}"
    yield f"  - {{name: score, type: InnerProduct, axis: 2, num_output: {letters}}}"
    yield "  - {name: prob, type: Softmax, axis: 2}"
    yield "output: prob"


def tail(where: str, learning: int, streams: int) -> Iterator[str]:
    batches = max(1, learning // streams)
    yield "train:"
    yield f"  data: {{{where}, split: train, batch_size: {streams}}}"
    yield "  # the last fifth of the text chooses the best weights, RUN/best.safetensors; another text is an honest measure"
    yield f"  val_data: {{{where}, split: test, batch_size: 1}}"
    yield from solver(batches * streams, streams, TRAINED, adam=0.004)
