"""A char-RNN on text that it has not seen, through its exported ONNX file, beside counted n-grams; and a text drawn from it.

    python benchmarks/trained/char_rnn.py MODEL.onnx RUN FOLDER [--letters 400] [--temperature 0.7]

FOLDER holds the texts that text.py wrote, RUN the alphabet (classes.json). Bits per character = mean of -log2 p(next character). The
n-grams are counted on the training text and interpolated with the shorter ones (Witten and Bell 1991). The model's state goes out of
one call and into the next: once over the whole test text, and once forgetting every 256 characters, the first 64 of which only warm
it up.
"""

import argparse
import json
import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import onnxruntime

CHUNK, WARM, SPAN = 500, 64, 256


class Reader:
    """An exported recurrent net: answers the distribution of the next character, and remembers."""

    def __init__(self, path: str) -> None:
        self.session = onnxruntime.InferenceSession(path)
        states = [given for given in self.session.get_inputs() if given.name not in ("data", "cont")]
        self.sizes = {given.name: given.shape[1] for given in states}
        self.forget()

    def forget(self) -> None:
        """Begin a new text."""
        self.state = {name: np.zeros((1, size), np.float32) for name, size in self.sizes.items()}
        self.begun = False

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Characters (T,) in, probabilities (T, letters) out."""
        cont = np.ones((len(numbers), 1), np.float32)
        cont[0] = self.begun
        names = ["prob", *(f"{name}.next" for name in self.state)]
        prob, *after = self.session.run(
            names, {"data": numbers[:, None].astype(np.float32), "cont": cont, **self.state}
        )
        self.state, self.begun = dict(zip(self.state, after, strict=True)), True
        return prob[:, 0]


def streamed(path: str, numbers: np.ndarray) -> float:
    """Bits per character of a text read as one stream."""
    reader, bits = Reader(path), 0.0
    for start in range(0, len(numbers) - 1, CHUNK):
        part = numbers[start : start + CHUNK + 1]
        prob = reader.read(part[:-1])
        bits -= float(np.log2(prob[np.arange(len(prob)), part[1:]]).sum())
    return bits / (len(numbers) - 1)


def forgetting(path: str, numbers: np.ndarray) -> float:
    """Bits per character where the state never grows older than SPAN characters; none is judged with fewer than WARM before it."""
    reader, bits = Reader(path), []
    for start in range(0, len(numbers) - SPAN, SPAN - WARM):
        reader.forget()
        prob = reader.read(numbers[start : start + SPAN])
        bits.append(-np.log2(prob[np.arange(SPAN), numbers[start + 1 : start + SPAN + 1]])[WARM:])
    return float(np.concatenate(bits).mean())


def counted(train: str, test: str, order: int) -> float:
    """Bits per character of an n-gram of that order: p_n(c|h) = (count(hc) + kinds(h) p_{n-1}(c|h')) / (count(h) + kinds(h))."""
    follow = [defaultdict(Counter) for _ in range(order)]
    for i, letter in enumerate(train):
        for n in range(min(order, i + 1)):
            follow[n][train[i - n : i]][letter] += 1
    totals = [{history: sum(after.values()) for history, after in table.items()} for table in follow]
    uniform, bits = 1 / len(set(train)), 0.0
    for i in range(1, len(test)):
        p = uniform
        for n in range(min(order, i + 1)):
            history = test[i - n : i]
            after = follow[n].get(history)
            if after is not None:
                p = (after[test[i]] + len(after) * p) / (totals[n][history] + len(after))
        bits -= math.log2(p)
    return bits / (len(test) - 1)


def drawn(path: str, letters: list[str], start: str, count: int, temperature: float) -> str:
    """A text that begins with `start`; p^(1/temperature) is drawn from."""
    reader, rng, text = Reader(path), np.random.default_rng(1), start
    prob = reader.read(np.array([letters.index(c) for c in start]))[-1]
    for _ in range(count):
        weight = prob.astype(np.float64) ** (1 / temperature)
        number = int(rng.choice(len(letters), p=weight / weight.sum()))
        text += letters[number]
        prob = reader.read(np.array([number]))[-1]
    return text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--letters", type=int, default=250)
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--start", default="The ")
    given = parser.parse_args()
    train, test = (
        (given.folder / f"python-topics-{part}.txt").read_text("utf-8") for part in ("train", "test")
    )
    numbers = json.loads((given.run / "classes.json").read_text("utf-8"))
    for order, name in ((1, "unigram"), (2, "bigram"), (3, "trigram"), (5, "5-gram"), (8, "8-gram")):
        print(f"{name:10} {counted(train, test, order):.3f} bits per character")
    text = np.array([numbers[c] for c in test])
    bits = forgetting(given.model, text)
    print(
        f"char-RNN   {bits:.3f} bits per character, perplexity {2**bits:.2f}; as one stream {streamed(given.model, text):.3f}"
    )
    print(
        f"\n{drawn(given.model, sorted(numbers, key=numbers.__getitem__), given.start, given.letters, given.temperature)}"
    )


if __name__ == "__main__":
    main()
