"""Stretches of layers that are alike -> a block's text: what differs between them as variables. In
and out: plain values.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from netspec.importers.folding.block_names import distinct, identifier
from netspec.importers.folding.parts import Block, Entry, Numbers, Part
from netspec.importers.layer_types import definition

__all__ = ["Template"]


class Template:
    """Stretches that are alike, part by part; the values that the first reads from outside; the
    names of its parts inside the block.
    """

    def __init__(
        self, stretches: Sequence[Sequence[Part]], inputs: tuple[int, ...], local: tuple[str, ...]
    ) -> None:
        self.parts = stretches[0]
        self.numbers = [tuple(stretch[k].numbers for stretch in stretches) for k in range(len(local))]
        """The numbers of each part in each stretch."""
        self.local = local
        self.inputs = inputs
        self.blobs = self.blob_names()
        self.columns = self.name_columns()
        """Name of the variable by its values, one for each stretch."""

    def blob_names(self) -> dict[int, str]:
        """Names inside the block of the values that it reads and makes; in place a value has the
        name of the one before.
        """
        names = {value: "x" if number == 0 else f"x{number + 1}" for number, value in enumerate(self.inputs)}
        for part, local in zip(self.parts, self.local, strict=True):
            old = [names[value] for value in part.item.replaces]
            new = [local, *(f"{local}_top{number}" for number in range(1, len(part.item.makes)))]
            names.update(zip(part.item.makes, old + new[len(old) :], strict=True))
        return names

    def block(self, name: str) -> Block:
        """The block, with the usual value of each variable."""
        variables: dict[str, Any] = {}
        for column, variable in self.columns.items():
            usual, count = Counter(column).most_common(1)[0]
            # a default that most uses override would mislead
            if count * 2 > len(column):
                variables[variable] = usual
            else:
                variables[variable] = "required"
        text: dict[str, Any] = {"vars": variables} if variables else {}
        if len(self.inputs) > 1:
            text["bottom"] = [self.blobs[value] for value in self.inputs]
        top = self.blobs[self.parts[-1].item.makes[0]]
        text["layers"] = layers = [self.layer(k) for k in range(len(self.parts))]
        if top != self.local[-1]:
            text["top"] = top
        return Block(name, text, self.local, tuple("repeat" in layer for layer in layers))

    def values(self) -> list[dict[str, float]]:
        """What each stretch has for the variables."""
        return [
            {name: column[use] for column, name in self.columns.items()}
            for use in range(len(self.numbers[0]))
        ]

    def name_columns(self) -> dict[Numbers, str]:
        """Find the variables: numbers that differ between uses, without those that are a multiple
        of another.
        """
        found: dict[Numbers, tuple[int, str]] = {}
        for k, uses in enumerate(self.numbers):
            keys = list(number_keys(self.parts[k].entry))
            for key, column in zip(keys, zip(*uses, strict=True), strict=True):
                if (
                    len(set(column)) > 1
                    and column not in found
                    and not any(ratio(column, other) for other in found)
                ):
                    found[column] = k, key
        count = Counter(key for _, key in found.values())
        long = [
            self.local[k] if key == "num_output" else f"{self.local[k]}_{key}" for k, key in found.values()
        ]
        names = [
            key if count[key] == 1 else name for name, (_, key) in zip(long, found.values(), strict=True)
        ]
        return dict(zip(found, distinct(map(identifier, names)), strict=True))

    def layer(self, k: int) -> Entry:
        """A layer inside the block, or a use of another block."""
        part, local = self.parts[k], self.local[k]
        kind = "type" if part.use is None else "block"
        made: Entry = {"name": local, kind: part.entry[kind]}
        if not self.follows(k):
            bottoms = [self.blobs[value] for value in part.item.reads]
            made["bottom"] = bottoms[0] if len(bottoms) == 1 else bottoms
        tops = [self.blobs[value] for value in part.item.makes]
        if tops != [local]:
            made["top"] = tops[0] if len(tops) == 1 else tops
        rest = {key: value for key, value in part.entry.items() if key not in ("name", kind, "bottom", "top")}
        rest = with_numbers(
            rest, iter([self.write_number(column) for column in zip(*self.numbers[k], strict=True)])
        )
        return {**made, **(rest if part.use is None else part.use.block.list_said(rest))}

    def follows(self, k: int) -> bool:
        """Whether a bottom left out means what the part reads: the first top of the part before, or
        the block's only input.
        """
        part = self.parts[k]
        before: tuple[int, ...] = ()
        if k:
            before = self.parts[k - 1].item.makes[:1]
        elif len(self.inputs) == 1:
            before = self.inputs
        if part.item.reads != before:
            return False
        cls = None
        if part.use is None:
            cls = definition(part.entry["type"])
        return part.use is not None or (cls is not None and cls.bottoms[0] == 1)

    def write_number(self, column: Numbers) -> Any:
        """A number of the block: itself, a variable, or an expression in one."""
        if len(set(column)) == 1:
            return column[0]
        if column in self.columns:
            return f"${self.columns[column]}"
        return next(
            f"${{{text.format(name)}}}"
            for other, name in self.columns.items()
            if (text := ratio(column, other))
        )


def ratio(column: Numbers, other: Numbers) -> str:
    """How one list of integers is a multiple or an exact part of another, as an expression in {};
    empty where it is not.
    """
    if not all(isinstance(n, int) and n > 0 for n in (*column, *other)):
        return ""
    for big, small, text in ((column, other, "{0} * {{}}"), (other, column, "{{}} // {0}")):
        factor = int(big[0] // small[0])
        if factor > 1 and all(b == factor * s for b, s in zip(big, small, strict=True)):
            return text.format(factor)
    return ""


def number_keys(value: Any, key: str = "") -> Iterator[str]:
    """The key under which each number of a value stands, in order."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name not in ("name", "bottom", "top") or key:
                yield from number_keys(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from number_keys(item, key)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield key


def with_numbers(value: Any, numbers: Iterator[Any]) -> Any:
    """A value with its numbers, in order, replaced."""
    if isinstance(value, dict):
        return {key: with_numbers(item, numbers) for key, item in value.items()}
    if isinstance(value, list):
        return [with_numbers(item, numbers) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return next(numbers)
    return value
