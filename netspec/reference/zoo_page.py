"""The zoo as pages: a list of all specs, and of each its words, its counts, the facts that it
meets, pictures, and a table of shapes.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from netspec import driver
from netspec.analysis.cost import NetCost, cost
from netspec.ir.dims import Size, evaluate, symbols
from netspec.ir.graph import TypedGraph
from netspec.ir.types import show_shape
from netspec.reference.tables import markdown_table
from netspec.reference.zoo_entry import READABLE, amount, inputs
from netspec.reference.zoo_parts import draw_chart, ends, inside, parts_of, templates
from netspec.syntax.paths import zoo_folder, zoo_specs

__all__ = ["page", "zoo_pages"]

EXAMPLE = 512
"""The size at which a formula is evaluated that is too long to read."""
HEAD = f"""# The zoo

Every net here is a spec that ships with netspec: `netspec check zoo:NAME`, `netspec show zoo:NAME`, `netspec init --from zoo:NAME`.
A name leads to its page: a picture, shapes, and the facts that the spec expects of itself and `check` has found to be so.

Counts are those of the deployed net at N = 1, defined by `netspec show --help`. Where sizes are open, the MACs are a formula of them, or
an example with all of them {EXAMPLE}."""
Entry = tuple[str, Path, driver.Program]


def zoo_pages() -> Iterator[tuple[str, str]]:
    """Name and Markdown of the page of every spec, "" for the list of them. Raises SpecError for a
    spec that is not sound.
    """
    entries: list[Entry] = [(name, path, driver.load(str(path))) for name, path in zoo_specs()]
    # the specs beside the folders, the tutorial's, come last
    folders = sorted({path.parent for _, path, _ in entries}, key=lambda f: (f == zoo_folder(), f.name))
    texts = [HEAD]
    for folder in folders:
        rows = [row(entry) for entry in entries if entry[1].parent == folder]
        texts.append(f"## {folder.name if folder != zoo_folder() else 'tutorial'}")
        texts.append(markdown_table(("net", "what it is", "year", "input", "parameters", "MACs"), rows))
    yield "", "\n\n".join(texts) + "\n"
    for entry in entries:
        yield entry[0], page(*entry)


def row(entry: Entry) -> tuple[str, ...]:
    """A line of the list."""
    name, _, program = entry
    found, file = cost(program.graph()), program.resolved.file
    # a source names its paper first: the first year is the paper's
    year = re.search(r"\b(19|20)\d\d\b", file.source)
    given = inputs(
        {g: [s if isinstance(s, int) else str(s) for s in shape] for g, shape in found.inputs.items()}
    )
    return (
        f"[{name}](zoo/{name}.md)",
        first_sentence(file.description),
        year[0] if year else "",
        given,
        amount(found.parameters),
        macs(found),
    )


def first_sentence(text: str) -> str:
    return re.split(r"(?<=[.:]) ", " ".join(text.split()), maxsplit=1)[0].rstrip(":.")


def macs(found: NetCost) -> str:
    """The number, a short formula, or an example."""
    if isinstance(found.macs, int) or len(str(found.macs)) <= READABLE:
        return number(found.macs)
    sizes = dict.fromkeys(symbols(found.macs), EXAMPLE)
    return f"{number(evaluate(found.macs, sizes))} at {' = '.join(sorted(sizes))} = {EXAMPLE}"


def number(size: Size) -> str:
    if isinstance(size, int):
        return f"{size:,}"
    return f"`{size}`"


def page(name: str, path: Path, program: driver.Program) -> str:
    typed, file = program.graph(), program.resolved.file
    place = path.relative_to(zoo_folder()).as_posix()
    texts = [
        f"# {file.name or name}",
        file.description.strip(),
        (
            f"{file.source}. The spec: [{place}](../../specs/{place}), `netspec show zoo:{name}`. [All"
            " nets](../zoo.md)."
        ),
        counts(cost(typed)),
        (
            f"## Facts\n\nWhat the spec expects of itself; `netspec check zoo:{name}` holds it to"
            f" this.\n\n```yaml\n{read_expectations(path)}\n```"
        ),
        f"## Picture\n\n```mermaid\n{draw_chart(typed, parts_of(typed))}\n```",
        *blocks(typed),
        f"## Shapes\n\n{shapes(typed)}",
    ]
    return "\n\n".join(texts) + "\n"


def counts(found: NetCost) -> str:
    """What it has and what it costs, as far as it is known without sizes."""
    rows = [("parameters", amount(found.parameters)), ("MACs", macs(found))]
    rows += [
        (name, amount(count))
        for name, count in (("statistics", found.statistics), ("fixed weights", found.fixed))
        if count
    ]
    rows += [(f"{kind} units", amount(n)) for kind, n in found.units.items() if isinstance(n, int)]
    if isinstance(found.connections, int):
        rows.append(("connections", amount(found.connections)))
    rows += [(f"memory, {use}", f"{n:,} bytes") for use, n in found.memory.items() if n is not None]
    return markdown_table(("count", "at N = 1"), rows)


def read_expectations(path: Path) -> str:
    """The section as it is written, comments and all."""
    found = re.search(r"^expect:.*(?:\n[ #].*)*", path.read_text(encoding="utf-8"), re.MULTILINE)
    if found:
        return found[0].rstrip()
    return "expect: {}"


def blocks(typed: TypedGraph) -> Iterator[str]:
    """A picture of the first copy of each block."""
    for block, nodes in templates(typed):
        where = f"As `{block.name}`."
        within = "".join(f" `{template}` is {types}." for template, types in inside(nodes).items())
        yield (
            "## Block"
            f" {block.template}\n\n{where}{within}\n\n```mermaid\n{draw_chart(typed, parts_of(typed, nodes, depth=1))}\n```"
        )


def shapes(typed: TypedGraph) -> str:
    """A row per input and per part."""
    rows: list[tuple[str, ...]] = [
        (f"`{g}`", "input", show_shape(shape), "", "") for g, shape in cost(typed).inputs.items()
    ]
    for part in parts_of(typed):
        made = " ".join(show_shape(typed.types[v].shape) for v in ends(part, typed))
        spent = (number(n) if n != 0 else "" for n in (part.weights, part.macs))
        rows.append((f"`{part.name}`", part.kind, made, *spent))
    return markdown_table(("part", "type", "output", "weights", "MACs"), rows)
