"""A layer type in a whole spec that can be pasted and checked. In: a Layer class; out: the text,
made of an example row.
"""

from collections.abc import Iterator

from netspec.driver import findings
from netspec.ir.layer import Example, Layer
from netspec.ir.traits import JUDGING
from netspec.ir.types import TensorType
from netspec.read_options import PLAIN
from netspec.reference.example_rows import layer_of, plain_type, type_text
from netspec.source import Source

__all__ = ["paste_spec"]

TRIED = 12
"""Rows that are tried for one without any finding."""
WIDTH = 100


def paste_spec(cls: type[Layer]) -> str | None:
    """A spec with a layer of the type that `check` takes without error, if it can without warning;
    None where no row makes one.
    """
    if cls.home is not None:  # a plug-in's type is known to the specs that name the plug-in
        return None
    fewest: tuple[int, str] | None = None
    for text in candidates(cls):
        found = findings(Source("spec.yaml", text), PLAIN)
        if any(each.severity == "error" for each in found):
            continue
        if fewest is None or len(found) < fewest[0]:
            fewest = len(found), text
        if not found:
            break
    return fewest[1] if fewest is not None else None


def candidates(cls: type[Layer]) -> Iterator[str]:
    """Specs of one layer, from the first accepted rows whose bottoms are plain sizes."""
    rows = [
        row
        for row in cls.examples()
        if row.code is None and all(plain_type(text) is not None for text in row.bottoms)
    ]
    for row in rows[:TRIED]:
        yield write_spec(cls, row, [type_ for text in row.bottoms if (type_ := plain_type(text)) is not None])


def write_spec(cls: type[Layer], row: Example, bottoms: list[TensorType]) -> str:
    """One layer and an input for each of its bottoms."""
    whole = layer_of(cls, row).indices(*bottoms)
    judges = bool(cls.traits & JUDGING) and tuple(whole) == (1,) and len(bottoms) == 2
    names = input_names(len(bottoms), judges)
    lines = [f"dialect: {row.dialect}"] if row.dialect != "caffe" else []
    lines += ["input:"] if bottoms else []
    for i, text in enumerate(row.bottoms):
        shape = type_text(text)
        lines.append(f"  {names[i]}: " + (f"{{shape: {shape}, dtype: int64}}" if i in whole else shape))
    return "\n".join([*lines, "layers:", *entry(cls, row, names)]) + "\n"


def input_names(count: int, judges: bool) -> list[str]:
    """`data`, with `label` for a loss or metric of both; `a`, `b`, ... for several of which nothing
    is known.
    """
    if count == 1 or judges:
        return ["data", "label"][:count]
    return [chr(ord("a") + i) for i in range(count)]


def entry(cls: type[Layer], row: Example, names: list[str]) -> list[str]:
    """The layer in one line, or two where that is long."""
    name, count = cls.type.lower(), row.outputs or len(row.tops)
    words = [f"name: {name}", f"type: {cls.type}"]
    words += [f"bottom: [{', '.join(names)}]"] if len(names) > 1 else []
    words += [f"top: [{', '.join(f'{name}{i}' for i in range(count))}]"] if count > 1 else []
    head, own = ", ".join(words), row.parameters.strip()[1:-1].strip()
    if not own:
        return [f"  - {{{head}}}"]
    line = f"  - {{{head}, {own}}}"
    return [line] if len(line) <= WIDTH else [f"  - {{{head},", f"     {own}}}"]
