"""`netspec import`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.options import format_option
from netspec.diagnostics.words import count_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netspec.diagnostics.formats import Format
    from netspec.diagnostics.model import SpecError
    from netspec.importers.caffe import Converted
    from netspec.importers.missing_data import Shape
    from netspec.importers.weights import Row
    from netspec.resolve.sections.image import ImageContract

__all__ = ["command"]


@click.command("import")
@click.argument("net", type=click.Path())
@click.option(
    "--weights",
    type=click.Path(),
    help="A .caffemodel or Caffe's .h5; written as safetensors beside the spec.",
)
@click.option("--solver", type=click.Path(), help="The solver's prototxt; becomes the section train.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=SIZES",
    help="Shape of data that are not at hand: data=1,3,227,227.",
)
@click.option("--flat", is_flag=True, help="List every layer; otherwise repeats are folded into blocks.")
@click.option(
    "--keep-batch",
    is_flag=True,
    help="Leave the batch of a deploy file a number, where it could be any.",
)
@click.option(
    "--color",
    type=click.Choice(("rgb", "bgr", "gray")),
    help="The order of the channels that the net takes; with the four below it becomes `image:` of its input.",
)
@click.option("--mean", metavar="A,B,C", help="Taken from pixels of 0 to 255: a number, or one per channel.")
@click.option("--std", metavar="A,B,C", help="Divides what is left: a number, or one per channel.")
@click.option("--scale", metavar="A", help="Factor after that: 0.017, or 1/255.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(),
    help="The spec to write; - for standard output.",
)
@format_option
@click.option("--strict", is_flag=True, help="Warnings count as errors; the spec is written all the same.")
def command(
    net: str,
    weights: str | None,
    flat: bool,
    output: str,
    how: "Format",
    strict: bool,
    **options: Any,
) -> int:
    """Turn a Caffe network, NET (a prototxt of any generation), into a spec; its weights into
    safetensors.
    """
    from netspec.cli import report
    from netspec.diagnostics.model import SpecError
    from netspec.file_writing import write_text
    from netspec.importers.caffe import convert

    if output == "-" and weights:
        raise click.UsageError("--weights needs a file for the spec: the weights are written beside it")
    given = dict(map(shape_of, options["inputs"]))
    try:
        converted = convert(
            net,
            weights=weights,
            solver=options["solver"],
            flat=flat,
            inputs=given,
            keep_batch=options["keep_batch"],
            contract=contract_of(options),
        )
    except SpecError as error:
        if how == "full":
            raise
        if how == "json" and output != "-":
            click.echo(report_failure(error))
        else:
            report(error.diagnostics, how)
        return 1
    target = Path(output).with_suffix(".safetensors")
    if output == "-":
        click.echo(converted.text, nl=False)
    elif converted.tensors is not None:
        from netspec.importers.weights import write_both

        write_both(output, converted.text, target, converted.tensors)
    else:
        write_text(output, converted.text)
    if how == "json" and output != "-":
        click.echo(as_json(converted, output, str(target)))
    else:
        report(converted.findings, how)
        if output != "-" and how == "full":
            click.echo(summary(converted, output, str(target)), nl=False)
            tell_faults(output, converted.text)
    if strict and converted.findings:
        return 1
    return 0


def tell_faults(spec: str, text: str) -> None:
    """Say that what was written, as the file has it, is no net: Caffe would find so when it sets the
    net up, or knows types that netspec does not.
    """
    from netspec.repair.check import check_source
    from netspec.source import Source

    count = sum(each.severity == "error" for each in check_source(Source(spec, text)))
    if count:
        click.echo(f"`netspec check {spec}` finds {count} error{'s' * (count > 1)} in it")


def contract_of(options: "Mapping[str, Any]") -> "ImageContract":
    """The contract that the options say."""
    from netspec.resolve.sections.image import ImageContract

    means, deviations, scale = (numbers_of(options[word], word) for word in ("mean", "std", "scale"))
    if options["scale"] is not None and len(scale) != 1:
        raise click.UsageError(f"--scale {options['scale']}: one number is wanted")
    if any(number <= 0 for number in deviations):
        raise click.UsageError(f"--std {options['std']}: deviations are above 0")
    return ImageContract(
        color=options["color"], mean_value=means, std_value=deviations, scale=(*scale, 1.0)[0]
    )


def numbers_of(text: str | None, word: str) -> tuple[float, ...]:
    """`104,117,123` or `1/255` as numbers."""
    from fractions import Fraction

    try:
        parts = (text or "").strip("[] ").split(",")
        # Fraction reads 1/255 too
        return tuple(float(Fraction(part.replace(" ", ""))) for part in parts if part.strip() or text)
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise click.UsageError(f"--{word} {text}: numbers are wanted, as in 104,117,123") from error


def shape_of(text: str) -> "tuple[str, Shape]":
    """`data=1,3,227,227`, read from the right, since a blob's name may hold `=`; letters are
    symbols.
    """
    name, _, sizes = text.rpartition("=")
    found = [size.strip().strip("[]") for size in sizes.split(",")]
    if not name or not all(size.isidentifier() or (size.isdecimal() and int(size) > 0) for size in found):
        raise click.UsageError(
            f"--input {text}: NAME=SIZES is wanted, as in data=1,3,227,227; sizes are at least 1, or letters"
        )
    return name, [int(size) if size.isdecimal() else size for size in found]


def summary(converted: "Converted", spec: str, weights: str) -> str:
    """What was written, and a line per tensor."""
    text = f"wrote {spec}: {count_of(converted.layers, 'layer')}\n"
    if converted.blocks:
        last = list(converted.names.items())[-1]
        text = (
            f"wrote {spec}: {count_of(converted.layers, 'layer')} and uses of"
            f" {count_of(converted.blocks, 'block')}\nlayers in blocks"
            f" have new names: {last[1]} is {last[0]} (--format json lists all; --flat keeps the old ones)\n"
        )
    if converted.tensors is None:
        return text
    count = {
        status: sum(row.status == status for row in converted.rows)
        for status in ("kept", "reshaped", "missing", "unused")
    }
    text += f"wrote {weights}: {', '.join(f'{n} {status}' for status, n in count.items())}\n"
    return text + "".join(line(row) for row in converted.rows)


def line(row: "Row") -> str:
    """`  reshaped  fc.bias  [1, 1, 1, 5] -> [5]`"""
    shapes = [str(list(shape)) for shape in (row.stored, row.shape) if shape is not None]
    return f"  {row.status:8}  {row.name}  {' -> '.join(dict.fromkeys(shapes))}\n"


def report_failure(error: "SpecError") -> str:
    """The findings of an import that wrote nothing, in the same form."""
    import json

    from netspec.diagnostics.formats import as_json as finding

    return json.dumps(
        {"spec": None, "diagnostics": [finding(d) for d in error.diagnostics], "names": {}},
        indent=2,
    )


def as_json(converted: "Converted", spec: str, weights: str) -> str:
    """The findings and the rows as one document."""
    import json

    from netspec.diagnostics.formats import as_json as finding

    document: dict[str, object] = {
        "spec": spec,
        "diagnostics": [finding(d) for d in converted.findings],
        "names": converted.names,
    }
    if converted.tensors is not None:
        document["weights"] = {
            "path": weights,
            "tensors": [
                {"name": row.name, "status": row.status, "stored": row.stored, "shape": row.shape}
                for row in converted.rows
            ],
        }
    return json.dumps(document, indent=2)
