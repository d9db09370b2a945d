"""One change in a sound spec at a time: the ways people get sizes, names, wiring, scalars and layout wrong. Judges nothing."""

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from netspec.diagnostics.model import Diagnostics
from netspec.source import Source, Span
from netspec.syntax.located import Located
from netspec.syntax.reader import read

__all__ = ["KINDS", "Mutant", "Seeded"]

KINDS = ("key", "type", "scalar", "indentation", "name", "wiring", "size")
OFTEN = {"size": 5, "wiring": 2}
"""Kinds that are made so many times as often: most of them are legal nets."""
SIZES = (
    *(
        "kernel_size",
        "kernel_h",
        "kernel_w",
        "stride",
        "stride_h",
        "stride_w",
        "pad",
        "pad_h",
        "pad_w",
        "dilation",
        "group",
        "num_output",
    ),
    *("axis", "slice_point", "dim", "shape", "offset", "crop_size"),
)
EXPECT = re.compile(r"^expect:.*\n(?:[ #].*\n|\n)*", re.MULTILINE)
FREE = ("vars", "input", "output", "shapes", "receptive_field", "fields", "options", "blocks", "override")


class Mutant(NamedTuple):
    """A changed text and the line that was changed."""

    kind: str
    text: str
    line: int


class Seeded:
    """A spec to make mutants of; bare: without what it expects of itself, unless it has a base, whose expectations it replaces."""

    def __init__(self, path: Path, bare: bool = False) -> None:
        self.path = path
        whole = path.read_text(encoding="utf-8")
        self.text = EXPECT.sub("", whole) if bare and "\nbase:" not in whole else whole
        self.source = Source(str(path), self.text)
        tree = read(self.source, Diagnostics())
        assert tree is not None
        self.tree = tree
        self.layers = [
            body for body in (tree.get("layers") or Located([])).items if isinstance(body.value, dict)
        ]
        blocks = tree.get("blocks") or Located({})
        inner = [e for block in blocks.mapping.values() for e in (block.get("layers") or Located([])).items]
        self.every = [*self.layers, *(body for body in inner if isinstance(body.value, dict))]
        self.sizes = list(self.size_nodes())

    def size_nodes(self) -> Iterator[Located]:
        """Whole numbers that stand for sizes: parameters of layers and defaults, variables, sizes of inputs."""
        ahead: list[tuple[str, Located]] = [
            (key, body)
            for key in ("layers", "blocks", "vars", "defaults", "input")
            if (body := self.tree.get(key)) is not None
        ]
        while ahead:
            key, node = ahead.pop()
            if isinstance(node.value, dict):
                ahead += [
                    (word if key != "vars" else "num_output", body) for word, body in node.mapping.items()
                ]
            elif isinstance(node.value, list):
                ahead += [(key, item) for item in node.items]
            elif type(node.value) is int and node.span is not None and not node.used and key in SIZES:
                yield node

    def replaced(self, kind: str, span: Any, new: str) -> Mutant:
        return Mutant(kind, self.text[: span.start] + new + self.text[span.end :], span.begin[0])

    def mutants(self, count: int, seed: int) -> Iterator[Mutant]:
        """So many, of each kind in turn, without repetitions."""
        rng = random.Random(f"{self.path.name} {seed}")
        makers: list[Callable[[random.Random], Mutant | None]] = [
            make for kind in KINDS for make in [getattr(self, kind)] * OFTEN.get(kind, 1)
        ]
        seen: set[str] = {self.text}
        for i in range(count * 6):
            mutant = makers[i % len(makers)](rng)
            if mutant is not None and mutant.text not in seen:
                seen.add(mutant.text)
                yield mutant
            if len(seen) > count:
                return

    def key(self, rng: random.Random) -> Mutant | None:
        keys = [
            span
            for name, body in self.tree.mapping.items()
            if name not in FREE
            for part in body.walk()
            for span in part.keys.values()
        ]
        keys = [span for span in keys if not self.under_free_name(span)] + [
            s for k, s in self.tree.keys.items() if k != "description"
        ]
        span = rng.choice(keys)
        return self.replaced("key", span, misspelt(span.text, rng))

    def under_free_name(self, span: Span) -> bool:
        line = self.source.line(span.begin[0])
        return any(
            f"{word}:" in line[: span.begin[1]] for word in ("vars", "shapes", "receptive_field", "options")
        )

    def type(self, rng: random.Random) -> Mutant | None:
        kinds = [
            body.mapping["type"]
            for body in self.every
            if body.get("type") is not None and "$" not in body.mapping["type"].text
        ]
        if not kinds:
            return None
        node = rng.choice(kinds)
        return self.replaced("type", node.span, misspelt(node.text, rng))

    def scalar(self, rng: random.Random) -> Mutant | None:
        nodes = [n for n in self.tree.walk() if isinstance(n.value, (int, float)) and n.span is not None]
        node = rng.choice(nodes)
        return self.replaced(
            "scalar",
            node.span,
            rng.choice(["many", "-3", "no", f'"{node.text}"', "[]", "1_000", "0.5", "3x3", "~"]),
        )

    def indentation(self, rng: random.Random) -> Mutant | None:
        starts = self.source.starts
        lines = [
            n
            for n in range(1, len(starts) + 1)
            if self.source.line(n).startswith(" ") and not self.source.line(n).strip().startswith("#")
        ]
        if not lines:
            return None
        number = rng.choice(lines)
        start, line = starts[number - 1], self.source.line(number)
        width = len(line) - len(line.lstrip())
        new = rng.choice([" " * (width - 1), " " * (width + 1), "\t", " " * (width + 3)])
        return Mutant("indentation", self.text[:start] + new + self.text[start + width :], number)

    def name(self, rng: random.Random) -> Mutant | None:
        nodes = [
            n
            for body in self.layers
            if (b := body.get("bottom")) is not None
            for n in b.items
            if n.span and "$" not in n.text
        ]
        nodes += [
            n
            for n in ((self.tree.get("output") or Located({})).items)
            if n.span is not None and isinstance(n.value, str)
        ]
        if not nodes:
            return None
        node = rng.choice(nodes)
        return self.replaced("name", node.span, misspelt(node.text, rng))

    def wiring(self, rng: random.Random) -> Mutant | None:
        """A bottom that a later or an earlier layer makes, or a layer's name given twice."""
        named = [body for body in self.layers if body.get("name") is not None]
        if len(named) < 2:
            return None
        i, j = rng.sample(range(len(named)), 2)
        at, name = named[i], named[j].mapping["name"].text
        bottoms = [
            b
            for b in (at.get("bottom") or Located([])).items
            if b.span is not None and isinstance(b.value, str)
        ]
        if bottoms and rng.random() < 0.8:
            bottom = rng.choice(bottoms)
            return self.replaced("wiring", bottom.span, name) if bottom.text != name else None
        return self.replaced("wiring", at.mapping["name"].span, name)

    def size(self, rng: random.Random) -> Mutant | None:
        if not self.sizes:
            return None
        node = rng.choice(self.sizes)
        return self.replaced("size", node.span, str(other_size(node.text, rng)))


def other_size(text: str, rng: random.Random) -> int:
    """A size that someone might have written instead: near it, half, double, a digit too many or too few, two digits swapped."""
    value = abs(int(text))
    text = str(value)
    near = [value + 1, value - 1, value + 2, value - 2, value * 2, value // 2]
    slips = [
        int(text + rng.choice("0123456789")),
        int(text[:-1] or "0"),
        int(text[1:] or "0"),
        int(text[:-2] + text[-1] + text[-2:-1]),
    ]
    wild = [0, value * 3 + 1, value * 40 + 7]
    ways = [number for number in rng.choice([near, near, slips, wild]) if number >= 0 and number != value]
    return rng.choice(ways or [value + 1])


def misspelt(word: str, rng: random.Random) -> str:
    """A word with one letter dropped, doubled, swapped or replaced."""
    i = rng.randrange(len(word))
    j = min(i + 1, len(word) - 1)
    ways = [
        word[:i] + word[i + 1 :],
        word[:i] + word[i] + word[i:],
        word[:i] + word[j] + word[i] + word[j + 1 :],
        f"{word[:i]}q{word[i + 1 :]}",
    ]
    return rng.choice([way for way in ways if way and way != word] or [word + "q"])
