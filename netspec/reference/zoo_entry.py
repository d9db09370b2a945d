"""What a line of the zoo tells of a net: its input, its counts, in words and as plain data."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netspec.ir.dims import Size

__all__ = ["amount", "entry", "formula", "inputs"]


READABLE = 40
"""Characters that a formula may have."""


def entry(name: str, path: str) -> tuple[dict[str, Any], str]:
    """What the zoo tells of it, `{name, path, input, parameters, statistics, macs, source}`, and
    its MACs in words. Raises SpecError.
    """
    from netspec import driver
    from netspec.analysis.cost import as_json, cost

    program = driver.load(path)
    found = cost(program.graph())
    told = as_json(found)
    counts = told["totals"]
    return {
        "name": name,
        "path": path,
        "input": told["inputs"],
        "parameters": counts["parameters"],
        "statistics": counts["statistics"],
        "macs": counts["macs"],
        "source": program.resolved.file.source,
    }, formula(found.macs)


def formula(macs: "Size") -> str:
    """The number, or a formula of the open sizes where it is a short one."""
    if isinstance(macs, int):
        return amount(macs)
    if len(str(macs)) <= READABLE:
        return str(macs)
    return "open"


def inputs(shapes: dict[str, list[int | str]]) -> str:
    """`1x28x28`; several inputs are parted by commas; the batch is left out."""
    return ", ".join("x".join(map(str, shape[1:] or shape)) for shape in shapes.values())


def amount(count: int | None) -> str:
    """With commas; a count that depends on a symbol is open."""
    if count is None:
        return "open"
    return f"{count:,}"
