"""Stretches of layers that are alike -> a block's text: what differs between them as variables. In and out: plain values."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from netspec.importers.block_names import distinct, identifier
from netspec.importers.layer_types import definition
from netspec.importers.repeats import Item

__all__ = ["Body", "Template"]

Entry = dict[str, Any]
Numbers = tuple[float, ...]


class Body(NamedTuple):
    """A block as a spec writes it, and for each use the variables that it must give."""

    block: dict[str, Any]
    values: list[dict[str, float]]


class Template:
    """The layers of the first stretch, the numbers of each layer in each stretch, and the names inside the block."""

    def __init__(
        self,
        entries: Sequence[Entry],
        numbers: Sequence[Sequence[Numbers]],
        items: Sequence[Item],
        inputs: tuple[int, ...],
        local: tuple[str, ...],
    ) -> None:
        self.entries = entries
        self.numbers = numbers
        self.items = items
        self.local = local
        self.blobs = self.blob_names(inputs)
        self.inputs = inputs
        self.columns: dict[Numbers, str] = {}
        """Name of the variable by its values, one for each use."""

    def blob_names(self, inputs: tuple[int, ...]) -> dict[int, str]:
        """Names inside the block of the values that it reads and makes; in place a value has the name of the one before."""
        names = {value: "x" if number == 0 else f"x{number + 1}" for number, value in enumerate(inputs)}
        for item, local in zip(self.items, self.local, strict=True):
            old = [names[value] for value in item.replaces]
            new = [local, *(f"{local}_top{number}" for number in range(1, len(item.makes)))]
            names.update(zip(item.makes, old + new[len(old) :], strict=True))
        return names

    def body(self) -> Body:
        """The block, and what each use gives."""
        self.name_columns()
        values: list[dict[str, float]] = [{} for _ in self.numbers[0]]
        variables: dict[str, Any] = {}
        for column, name in self.columns.items():
            usual, count = Counter(column).most_common(1)[0]
            variables[name] = usual if count * 2 > len(column) else "required"
            for use, value in zip(values, column, strict=True):
                if value != variables[name]:
                    use[name] = value
        block: dict[str, Any] = {"vars": variables} if variables else {}
        if len(self.inputs) > 1:
            block["bottom"] = [self.blobs[value] for value in self.inputs]
        top = self.blobs[self.items[-1].makes[0]]
        block["layers"] = [self.layer(k) for k in range(len(self.items))]
        return Body({**block, "top": top} if top != self.local[-1] else block, values)

    def name_columns(self) -> None:
        """Find the variables: numbers that differ between uses, without those that are a multiple of another."""
        found: dict[Numbers, tuple[int, str]] = {}
        for k, uses in enumerate(self.numbers):
            keys = list(number_keys(self.entries[k]))
            for key, column in zip(keys, zip(*uses, strict=True), strict=True):
                if len(set(column)) > 1 and column not in found and not any(ratio(column, other) for other in found):
                    found[column] = k, key
        count = Counter(key for _, key in found.values())
        long = [self.local[k] if key == "num_output" else f"{self.local[k]}_{key}" for k, key in found.values()]
        names = [key if count[key] == 1 else name for name, (_, key) in zip(long, found.values(), strict=True)]
        self.columns = dict(zip(found, distinct(map(identifier, names)), strict=True))

    def layer(self, k: int) -> Entry:
        """A layer inside the block."""
        item, entry, local = self.items[k], self.entries[k], self.local[k]
        made: Entry = {"name": local, "type": entry["type"]}
        if not self.follows(k):
            bottoms = [self.blobs[value] for value in item.reads]
            made["bottom"] = bottoms[0] if len(bottoms) == 1 else bottoms
        tops = [self.blobs[value] for value in item.makes]
        if tops != [local]:
            made["top"] = tops[0] if len(tops) == 1 else tops
        rest = {key: value for key, value in entry.items() if key not in ("name", "type", "bottom", "top")}
        written = iter([self.written(column) for column in zip(*self.numbers[k], strict=True)])
        return {**made, **with_numbers({"type": entry["type"], **rest}, written)}

    def follows(self, k: int) -> bool:
        """Whether a bottom left out means what the layer reads: the first top of the layer before, or the block's only input."""
        cls = definition(str(self.entries[k]["type"]))
        before = self.items[k - 1].makes[:1] if k else self.inputs if len(self.inputs) == 1 else ()
        return cls is not None and cls.bottoms[0] == 1 and self.items[k].reads == before

    def written(self, column: Numbers) -> Any:
        """A number of the block: itself, a variable, or an expression in one."""
        if len(set(column)) == 1:
            return column[0]
        if column in self.columns:
            return f"${self.columns[column]}"
        return next(f"${{{text.format(name)}}}" for other, name in self.columns.items() if (text := ratio(column, other)))


def ratio(column: Numbers, other: Numbers) -> str:
    """How one list of integers is a multiple or an exact part of another, as an expression in {}; empty where it is not."""
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
    return next(numbers) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
