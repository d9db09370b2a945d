"""`netspec show`."""

from typing import TYPE_CHECKING, Any

import click

from netspec.cli.options import Number, phase_option, spec_options
from netspec.diagnostics.words import count_of

if TYPE_CHECKING:
    from netspec.analysis.cost import NetCost
    from netspec.driver import Program
    from netspec.ir.dims import Size
    from netspec.ir.graph import TypedGraph
    from netspec.read_options import Reading

__all__ = ["command"]


class ShowCommand(click.Command):
    """A command whose help ends with the definition of every number, from where it is computed."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from netspec.analysis.cost import DEFINITIONS
        from netspec.analysis.field.receptive_field import DEFINITION

        with formatter.section("Numbers"):
            formatter.write_dl([*DEFINITIONS.items(), ("field", DEFINITION)])


@click.command("show", cls=ShowCommand)
@click.argument("spec")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@phase_option("deploy", "Which net: what the outputs need, or all layers of a phase.")
@click.option("--counts", is_flag=True, help="Add units, connections and arithmetic intensity.")
@click.option(
    "--field",
    is_flag=True,
    help="Add the receptive field, its stride, and its first pixel for unit 0.",
)
@click.option(
    "--training",
    is_flag=True,
    help="Add the operations of the whole training: connections x examples x epochs.",
)
@click.option(
    "--epochs",
    type=Number(0, min_open=True),
    help="With --training: epochs, whatever the solver says.",
)
@click.option(
    "--examples",
    type=click.IntRange(1),
    help="With --training: examples in an epoch, where epochs are counted.",
)
@click.option(
    "--resolved",
    is_flag=True,
    help="The complete spec instead: blocks unrolled, every default and bottom written out.",
)
@spec_options
def command(spec: str, as_json: bool, phase: str, reading: "Reading", **add: Any) -> None:
    """Show every layer: type, output shape, parameters, MACs.

    Counts are for one sample (N = 1); where H or W is open they are formulas.
    """
    from netspec import driver
    from netspec.analysis.cost import cost

    if not add["training"] and (add["epochs"] or add["examples"]):
        raise click.UsageError("--epochs and --examples go with --training")
    program = driver.load(spec, reading)
    if add["resolved"]:
        click.echo(program.resolved_text(), nl=False)
        return
    typed = program.graph(phase)
    found = cost(typed)
    fields = None
    if add["field"]:
        from netspec.analysis.field.receptive_field import as_json as field_json

        fields = field_json(typed)
    seen = samples(program, add["epochs"], add["examples"]) if add["training"] else None
    # a net with data layers of its own is counted for a whole batch
    links = found.connections // batch_made(typed)
    if as_json:
        show_json(found, fields, seen, links)
        return
    from netspec.cli.output.table import COUNTS, FIELD, number, rows_of, table

    heads = (
        "layer",
        "type",
        "output",
        "parameters",
        "MACs",
        *(COUNTS if add["counts"] else ()),
        *(FIELD if add["field"] else ()),
    )
    click.echo(table(heads, rows_of(found, add["counts"], fields), right=range(3, len(heads))))
    extra = "".join(
        f", {count:,} {what}"
        for count, what in ((found.statistics, "statistics"), (found.fixed, "fixed"))
        if count
    )
    click.echo(
        f"\n{found.name}: {count_of(found.parameters, 'parameter')}{extra}, {number(found.macs)} MACs at N = 1"
    )
    if add["counts"]:
        click.echo("\n".join(summary(found)))
    if seen is not None:
        click.echo(
            f"training: {number(links * seen)} operations: {number(links)} connections x {seen:,} examples"
            " seen"
        )


def summary(found: "NetCost") -> list[str]:
    """The sums that `--counts` adds."""
    from netspec.cli.output.table import number
    from netspec.resolve.sections.expect import show_amount

    memory = ", ".join(
        f"{show_amount(size, 'B')} in {use}" for use, size in found.memory.items() if size is not None
    )
    lines = [
        (
            f"units: {', '.join(f'{number(count)} {place}' for place, count in found.units.items())};"
            f" connections: {number(found.connections)}"
        ),
        f"intensity: {number(found.intensity)} operations per byte" if found.intensity is not None else "",
        f"activation memory: {memory}" if memory else "",
    ]
    return [line for line in lines if line]


def show_json(found: "NetCost", fields: dict[str, Any] | None, seen: int | None, links: "Size") -> None:
    import json

    from netspec.analysis.cost import as_json

    document = as_json(found)
    if fields is not None:
        for layer in document["layers"]:
            layer["field"] = {top: fields.get(top, {}) for top in layer["tops"]}
    if seen is not None:
        operations = links * seen
        document["training"] = {
            "examples_seen": seen,
            "operations": operations if isinstance(operations, int) else None,
        }
    click.echo(json.dumps(document, indent=2))


def samples(program: "Program", epochs: float | None, examples: int | None) -> int:
    """Examples that the whole training sees, each counted every time. UsageError where neither the
    spec nor the command line says.

    epochs: of the command line, in place of what the solver says, if the spec has one.
    """
    section = program.resolved.file.train
    if epochs is None and section is None:
        raise click.UsageError(
            "the spec has no section train: say with --epochs and --examples how long it is trained, and on"
            " how many"
        )
    if epochs is None and section is not None and section.solver.max_iter:
        solver = section.solver
        if section.data is not None:
            batch = section.data.batch_size
        else:
            batch = batch_made(program.training_graph("train"))
        return int(solver.max_iter * solver.iter_size * batch)
    if examples is None:
        raise click.UsageError("epochs are counted: say with --examples how many examples there are in one")
    return round((epochs if epochs is not None else section.solver.epochs) * examples)  # type: ignore[union-attr]


def batch_made(typed: "TypedGraph") -> int:
    """Samples in the batches that a net's data layers make, where that is a number: the counts of
    such a net are of so many. Else 1.
    """
    made = [
        typed.types[i.value].shape
        for i in typed.graph.inputs
        if i.node is not None and "data" in i.node.layer.traits
    ]
    return max((size for shape in made if shape and isinstance(size := shape[0], int)), default=1)
