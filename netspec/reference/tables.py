"""Tables of parameters in Markdown. In: declared parameters; out: rows and text. Knows no layer
type and runs nothing.
"""

from collections.abc import Iterable, Sequence

from netspec.record import Param, as_written
from netspec.syntax.writer import flow

__all__ = ["HEADS", "default_of", "limits_of", "markdown_table", "parameter_rows"]

HEADS = ("parameter", "type", "default", "bounds", "meaning")


def parameter_rows(params: Iterable[Param]) -> list[tuple[str, ...]]:
    """A row per parameter: spellings, type, default with those of other dialects, bounds,
    meaning.
    """
    return [
        (
            ", ".join(f"`{name}`" for name in (p.name, *p.pair)),
            type_of(p),
            default_of(p),
            limits_of(p),
            p.doc,
        )
        for p in params
    ]


def type_of(declared: Param) -> str:
    """Its kind; a record is a link to its own table."""
    name = declared.kind.name
    return f"[{name}](records.md#{name.lower()})" if name.isidentifier() and name[0].isupper() else name


def default_of(declared: Param) -> str:
    """`0`, with what other dialects take; nothing where a parameter left out means something of its
    own.
    """
    if declared.required:
        return "required"
    usual = "" if declared.default is None else f"`{flow(as_written(declared.default))}`"
    return "; ".join(
        [
            *filter(None, [usual]),
            *(f"{dialect}: `{flow(as_written(value))}`" for dialect, value in declared.dialects.items()),
        ]
    )


def limits_of(declared: Param) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    limits = [
        f"{signs[word]} {limit:g}"
        for word, limit in declared.bounds._asdict().items()
        if word in signs and limit is not None
    ]
    if least := declared.bounds.least:
        limits.append(f"at least {least} {'value' if least == 1 else 'values'}")
    return ", ".join(limits)


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars inside cells are escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    )
