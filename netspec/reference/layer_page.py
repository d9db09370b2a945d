"""The reference page of a layer type, made from its definition alone. Comes in: a Layer class; goes
out: Markdown.
"""

from collections.abc import Iterable, Iterator, Sequence
from types import FunctionType

from netspec.ir.dims import Size
from netspec.ir.layer import Example, Layer, Weight
from netspec.ir.manual import manual
from netspec.ir.types import TensorType, show_shape
from netspec.record import Record
from netspec.reference.example_rows import type_text, work_example
from netspec.reference.pasteable import paste_spec
from netspec.reference.tables import HEADS, markdown_table, parameter_rows

__all__ = ["case", "list_methods", "record_page", "reference"]


PAGES = "../../netspec/diagnostics/pages"


def reference(cls: type[Layer]) -> str:
    """The whole page, in Markdown."""
    return "\n\n".join(part for part in sections(cls) if part) + "\n"


def sections(cls: type[Layer]) -> Iterator[str]:
    said = manual(cls)
    yield f"# {cls.type}"
    yield said.sentence
    yield f"```text\n{said.equation}\n```" if said.equation else ""
    yield f"Source: {said.source}." if said.source else ""
    yield from said.notes
    yield header(cls)
    for group in cls.groups or (None,):
        rows = parameter_rows([p for p in cls.params.values() if cls.group_of(p) == group])
        yield f"## Parameters (`{group}`)\n\n{markdown_table(HEADS, rows)}" if rows else ""
    if not cls.params:
        yield "## Parameters\n\nNone of its own."
    yield paste_section(cls)
    yield weights_table(cls)
    yield examples_table(cls)
    yield write_refused_table(cls)


def paste_section(cls: type[Layer]) -> str:
    """A whole spec with the layer."""
    text = paste_spec(cls)
    return (
        f"## In a spec\n\n`netspec check` takes this as it stands.\n\n```yaml\n{text}```"
        if text is not None
        else ""
    )


def header(cls: type[Layer]) -> str:
    """Bottoms, tops, older names, traits."""
    lines = [f"- bottoms: {show_count(cls.bottoms)}", f"- tops: {show_count(cls.tops)}"]
    if cls.legacy:
        lines.append(f"- older names: {', '.join(f'`{name}`' for name in cls.legacy)}")
    if cls.traits:
        lines.append(f"- [traits](../traits.md): {', '.join(sorted(cls.traits))}")
    return "\n".join(lines)


def list_methods(cls: type) -> Iterator[tuple[str, str]]:
    """Methods and properties that are asked of a layer, in the order of its class, with what they
    mean in one line.
    """
    for name, member in vars(cls).items():
        if isinstance(member, (property, FunctionType)) and member.__doc__ and not name.startswith("_"):
            yield name, " ".join(member.__doc__.partition("\n\n")[0].split())


def show_count(allowed: tuple[int, int | None]) -> str:
    least, most = allowed
    if most is None:
        return f"{least} or more"
    if least == most:
        return str(least)
    return f"{least} to {most}"


def weights_table(cls: type[Layer]) -> str:
    """Every tensor that any example has, in order, with its shape there."""
    found: dict[str, tuple[str, ...]] = {}
    for example in list_accepted(cls):
        done = work_example(cls, example)
        for weight in done.weights if done is not None else ():
            found.setdefault(
                weight.name,
                (f"`{weight.name}`", weight.kind, f"`{show_shape(weight.shape)}`", case(example)),
            )
    if not found:
        return ""
    return "## Weights\n\nIn Caffe's order and layout.\n\n" + markdown_table(
        ("weight", "kind", "shape", "for"), found.values()
    )


def case(example: Example) -> str:
    """`{num_output: 20}` on [N, 1, 28, 28]."""
    bottoms = " and ".join(f"`{type_text(b)}`" for b in example.bottoms)
    if example.dialect == "caffe":
        dialect = ""
    else:
        dialect = f", dialect {example.dialect}"
    return f"`{example.parameters}`" + (f" on {bottoms}" if bottoms else "") + dialect


def examples_table(cls: type[Layer]) -> str:
    """Accepted rows: what comes out, how many trained values, how many multiply-accumulates at N =
    1.
    """
    rows = []
    for example in list_accepted(cls):
        done = work_example(cls, example)
        count = "" if done is None else total(done.weights)
        macs = "" if done is None or done.macs == 0 else f"{done.macs}"
        rows.append((case(example), ", ".join(f"`{type_text(t)}`" for t in example.tops), count, macs))
    heads = ("example", "tops", "weights", "MACs")
    kept = [i for i in range(4) if i < 2 or any(row[i] for row in rows)]
    if rows:
        return "## Examples\n\n" + markdown_table(
            [heads[i] for i in kept], [[row[i] for i in kept] for row in rows]
        )
    return ""


def write_refused_table(cls: type[Layer]) -> str:
    """Refused rows with their code."""
    rows = [
        (case(e), f"[{e.code}]({PAGES}/{e.code}.md)", "" if e.at is None else f"`{e.at}`")
        for e in cls.examples()
        if e.code is not None
    ]
    if rows:
        return "## Refused\n\n" + markdown_table(("example", "code", "at"), rows)
    return ""


def list_accepted(cls: type[Layer]) -> list[Example]:
    return [example for example in cls.examples() if example.code is None]


def total(weights: Sequence[Weight]) -> str:
    """`520`, or `8 + 9 statistics`; nothing for no weights at all."""
    sums: dict[str, Size] = {}
    for weight in weights:
        sums[weight.kind] = sums.get(weight.kind, 0) + TensorType(weight.shape).size
    words = {"parameter": "", "statistic": " statistics", "fixed": " fixed"}
    return " + ".join(f"{count}{words[kind]}" for kind, count in sums.items())


def record_page(records: Iterable[type[Record]]) -> str:
    """The page of the mappings that stand inside parameters."""
    parts = ["# Mappings inside parameters"]
    for cls in records:
        if cls.short:
            short = f" A bare value stands for `{cls.short}`."
        else:
            short = ""
        text = " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())
        parts.append(
            f"## {cls.__name__}\n\n{text}{short}\n\n"
            + markdown_table(HEADS, parameter_rows(cls.params.values()))
        )
    return "\n\n".join(parts) + "\n"
