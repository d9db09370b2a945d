"""`netspec predict`."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from netspec.cli.options import code_option, device_option
from netspec.cli.output.predicted_boxes import box_lines, box_rows, describe_boxes, find_window
from netspec.cli.output.predicted_masks import draw_masks, mask_line
from netspec.cli.output.predicted_picture import draw_answer
from netspec.diagnostics.words import count_of
from netspec.ir.types import find_batch_axis

if TYPE_CHECKING:
    import numpy as np

    from netspec.data.samples import Sample, Taken
    from netspec.diagnostics import Diagnostic
    from netspec.imaging.remarks import Remarks
    from netspec.read_options import Reading

    Array = np.ndarray[Any, Any]

__all__ = ["command"]

TOP, FEW = 5, 10
CLOSE = 1e-3  # shares in float32, or of a smaller file, hardly ever sum up to 1 itself
LONGEST = 1 << 28  # bytes of standard input


class Predictor(NamedTuple):
    """A model that predicts: what its inputs take, a function from a batch of each to outputs by
    name, and class names by output; learned: what a run's data call the classes, where `labels:`
    has other names; facts: what they have fixed, such as the rate of sounds. boxes: outputs that
    list boxes, with the (height, width) that the model cuts from the middle, where it cuts.
    logistic: outputs of which each value is a probability of its own.
    """

    taken: "Mapping[str, Taken]"
    run: "Callable[[Mapping[str, Array]], Mapping[str, Array]]"
    labels: Mapping[str, Sequence[str]]
    learned: Mapping[str, Sequence[str]] = {}
    facts: Mapping[str, Any] = {}
    boxes: Mapping[str, tuple[int, int] | None] = {}
    logistic: Collection[str] = ()


class Most(NamedTuple):
    """How many classes and boxes of an output are told; None: all."""

    classes: int
    boxes: int | None


@click.command("predict")
@click.argument("model", metavar="MODEL.onnx|RUN")
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(allow_dash=True))
@click.option(
    "--data",
    metavar="SOURCE[:PATH]",
    help="Take samples of a data source: digits, mnist, images:FOLDER.",
)
@click.option(
    "--index",
    metavar="NUMBER|all",
    default="0",
    show_default=True,
    help="Which sample of --data, or all.",
)
@click.option(
    "--split",
    type=click.Choice(("train", "test", "all")),
    default="test",
    show_default=True,
    help="Which part of --data.",
)
@click.option("--top", type=click.IntRange(1), help="How many classes to show.  [default: 5; in a table 1]")
@click.option(
    "--weights",
    default="last",
    show_default=True,
    metavar="last|best|FILE",
    help="Which weights of a RUN.",
)
@device_option()
@click.option(
    "--allow-uncertified",
    is_flag=True,
    help="Run a model without a certificate, or that is not the file it was given for.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option(
    "--csv", "table", metavar="FILE", help="Write a table, a row per sample; - for standard output."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE.png|FOLDER",
    help="Draw the outputs of one sample; into a FOLDER, the class of each place, where an output has scores for all.",
)
@code_option
def command(
    model: str,
    files: tuple[str, ...],
    data: str | None,
    top: int | None,
    as_json: bool,
    table: str | None,
    **options: Any,
) -> int:
    """Run FILEs, or samples of a data source, through an exported MODEL (with onnxruntime) or a
    trained RUN (with torch).

    FILE is a picture or a sound (.wav), a folder of them, a pattern like 'photos/*.jpg', - for a
    picture by standard input, or a file of samples (.fa, .csv, .npz, .h5, .tar, IDX, an LMDB). One that cannot be read
    costs its line, and the exit code is then 1.
    """
    if bool(files) == bool(data):
        raise click.UsageError("name files, or a source with --data")
    if as_json and table:
        raise click.UsageError("--json and --csv: give one of them")
    from netspec.cli import report
    from netspec.imaging.remarks import Remarks

    predictor, remarks = open_predictor(model, options), Remarks()
    samples = read_samples(files, data, options, predictor, remarks)
    kept: list[Sample] = []
    target = Path(options["output"]) if options["output"] is not None else None
    if target is not None and target.suffix == ".png":
        kept = list(samples)
        samples = iter(kept)
    found = predict(samples, predictor, Most(top or (1 if table else TOP), top))
    if target is not None and target.suffix == ".png":
        found = draw_answer(found, kept, predictor.taken, predictor.labels, target)
    elif target is not None:
        found = draw_masks(found, target, predictor.labels)
    code = show(found, as_json, table)
    report(list(remarks.of_depth(model)))
    return code


def show(found: Iterable[dict[str, Any]], as_json: bool, table: str | None) -> int:
    """Predictions as text, each when it is made, as JSON, or as a table. 1 where one failed."""
    if table is not None:
        return write_table(table, found)
    if as_json:
        every = list(found)
        click.echo(json.dumps(every, indent=2, ensure_ascii=False))
        return int(any("error" in each for each in every))
    failed = False
    for each in found:
        click.echo("\n".join(lines(each)))
        failed |= "error" in each
    return int(failed)


def open_predictor(model: str, options: Mapping[str, Any]) -> Predictor:
    """A run's folder, or an ONNX file."""
    from netspec.read_options import Reading

    if is_folder(model):
        reading = Reading(allow_code=options["allow_code"])
        return run_predictor(model, options["weights"], options["device"], reading)
    return onnx_predictor(model, options["device"], options["allow_uncertified"])


def read_samples(
    files: Sequence[str],
    data: str | None,
    options: Mapping[str, Any],
    predictor: Predictor,
    remarks: "Remarks",
) -> "Iterator[Sample]":
    """The samples that the command line names. One sample of --data must be there; of many, each
    may fail for itself.
    """
    from netspec.data.samples import STDIN, from_data, from_words

    if data is not None:
        number = index_of(options["index"])
        allowed = options["allow_code"]
        yield from from_data(data, number, options["split"], predictor.taken, predictor.facts, allowed)
        return
    read = read_given() if STDIN in files else b""
    yield from from_words(files, predictor.taken, predictor.facts, read, remarks)


def read_given() -> bytes:
    """The bytes that come by standard input."""
    import sys

    return sys.stdin.buffer.read(LONGEST)


def index_of(word: str) -> int | None:
    """The number of a sample, None for all."""
    if word == "all":
        return None
    try:
        return int(word)
    except ValueError:
        raise click.UsageError(f"--index takes a number or all, not {word!r}") from None


def predict(samples: "Iterable[Sample]", predictor: Predictor, top: "Most") -> Iterator[dict[str, Any]]:
    """The prediction of each sample as plain data; of one that cannot be predicted, why."""
    from netspec.diagnostics import SpecError

    for sample in samples:
        if sample.error is not None:
            yield tell_error(sample.name, sample.error)
            continue
        try:
            yield describe_sample(sample, predictor, top)
        except SpecError as error:
            yield tell_error(sample.name, error.diagnostics[0])


def tell_error(name: str, error: "Diagnostic") -> dict[str, Any]:
    return {"sample": name, "error": {"code": error.code, "message": error.message}}


def is_folder(path: str) -> bool:
    return Path(path).is_dir()


def onnx_predictor(path: str, device: str, allow_uncertified: bool = False) -> Predictor:
    """An ONNX file under onnxruntime; its graph holds the contract's arithmetic, its metadata the
    rest.
    """
    from netspec.data.facts import facts_of
    from netspec.data.samples import taken_by
    from netspec.imaging.words import contract_of
    from netspec.serving.engine import open_model
    from netspec.serving.predict import find_boxes, find_logistic, image_words, run_model
    from netspec.serving.trial import try_apart

    if allow_uncertified:
        try_apart(path, device)
    model = open_model(path, device, allow_uncertified=allow_uncertified)
    taken = {
        each.name: taken_by(
            each.shape,
            contract_of(image_words(model, each.name, path), each.name, path),
            each.datatype,
        )
        for each in model.inputs
    }
    shapes = {each.name: each.shape for each in model.outputs}
    facts = facts_of(model.metadata, path)
    boxes = find_boxes(model.metadata, path)
    return Predictor(
        taken,
        lambda batch: put_samples_first(run_model(model, batch, path), shapes),
        model.labels,
        facts=facts,
        boxes=boxes,
        logistic=find_logistic(model.metadata, path),
    )


def put_samples_first(
    outputs: "Mapping[str, Array]", shapes: Mapping[str, Sequence[object]]
) -> "dict[str, Array]":
    """Outputs with the axis that counts samples in front, by their declared shapes."""
    import numpy as np

    axes = {name: find_batch_axis(shape) or 0 for name, shape in shapes.items()}
    return {name: np.moveaxis(values, axes[name], 0) for name, values in outputs.items()}


def run_predictor(folder: str, weights: str, device: str, reading: "Reading") -> Predictor:
    """A run's net under torch."""
    from netspec.data.facts import read_facts
    from netspec.data.samples import Taken
    from netspec.training.class_names import labels_of, other_names
    from netspec.training.predict import open_run

    opened = open_run(folder, weights, device, reading)
    run = opened.loaded
    labels = labels_of(run.program, run.typed, run.folder)
    learned = other_names(labels, run.classes or ())
    taken = {name: Taken(port.shape or (), *port[1:]) for name, port in opened.ports.items()}
    shapes = {value.name: run.typed.types[value].shape for value in run.typed.graph.outputs}
    boxes = dict.fromkeys(
        value.name for value in run.typed.graph.outputs if value.node and value.node.layer.lists
    )
    return Predictor(
        taken,
        lambda batch: put_samples_first(opened.run(batch), shapes),
        labels,
        learned,
        read_facts(run.folder),
        boxes,
        run.typed.graph.logistic_outputs(),
    )


def describe_sample(sample: "Sample", predictor: Predictor, top: "Most") -> dict[str, Any]:
    """A prediction as plain data: for each output the best classes, or shape and values where it is
    no vector of scores.
    """
    outputs = {}
    for name, values in predictor.run(sample.arrays).items():
        labels = predictor.labels.get(name, ())
        if name in predictor.boxes:
            given, taken = next(iter(predictor.taken.items()))
            window = find_window(sample, given, taken, predictor.boxes[name])
            outputs[name] = describe_boxes(values, window, labels, top.boxes)
        else:
            ranked = name not in predictor.logistic
            outputs[name] = output(values[0], labels, top.classes, predictor.learned.get(name), ranked)
    note = {"note": sample.note} if sample.note else {}
    return {"sample": sample.name, "label": sample.label, **note, "outputs": outputs}


def output(
    row: "Array",
    labels: Sequence[str],
    top: int,
    learned: Sequence[str] | None = None,
    choosing: bool = True,
) -> dict[str, Any]:
    """An output of one sample; `data_class` is what the data call a class that `labels:` calls
    otherwise. What neither has names nor adds up to 1 is no choice of a class: its values; nor is
    what is not `choosing`, whose values may add up to 1 by chance.
    """
    import numpy as np

    scores = np.asarray(row)
    vector = scores.size == max(scores.shape, default=1)
    if not vector or not (labels or (choosing and is_distribution(scores))):
        return {"shape": list(scores.shape), "values": scores.tolist()}
    scores = scores.reshape(-1)
    # stable: of equal scores the first class; in float64, for -x of unsigned numbers wraps
    order = np.argsort(-scores.astype(np.float64), kind="stable")[:top]
    return {
        "top": [
            {"class": labels[i] if i < len(labels) else str(i)}
            | ({"data_class": learned[i]} if learned and learned[i] else {})
            | {"index": int(i), "score": float(scores[i])}
            for i in order
        ]
    }


def is_distribution(scores: "Array") -> bool:
    """Whether some values are probabilities of one choice: none below 0, together 1."""
    return scores.size > 1 and bool((scores >= 0).all()) and abs(float(scores.sum()) - 1) < CLOSE


def lines(found: Mapping[str, Any]) -> list[str]:
    """A prediction as text."""
    if "error" in found:
        return [f"{found['sample']}: {found['error']['code']} {found['error']['message']}"]
    told = [f"label {found['label']}"] if found["label"] is not None else []
    told += [found["note"]] if "note" in found else []
    text = [found["sample"] + (f" ({', '.join(told)})" if told else "")]
    for name, made in found["outputs"].items():
        if "boxes" in made:
            text += box_lines(name, made)
        elif "mask" in made:
            text.append(mask_line(name, made))
        elif "top" in made:
            called = [class_shown(each) for each in made["top"]]
            width = max(map(len, called))
            text += [
                f"  {name}  {word:{width}}  {each['score']:.4f}"
                for word, each in zip(called, made["top"], strict=True)
            ]
        elif len(values := flat(made["values"])) <= FEW:
            text.append(f"  {name}  {'  '.join(f'{value:.6g}' for value in values)}")
        else:
            where = f"{made['picture']} shows it" if "picture" in made else "--json shows the values"
            text.append(f"  {name}  of shape {made['shape']}; {where}")
    return text


def flat(values: Any) -> list[float]:
    """The numbers of a nested list, in order."""
    if isinstance(values, list):
        return [number for each in values for number in flat(each)]
    return [values]


def write_table(path: str, found: Iterable[dict[str, Any]]) -> int:
    """A row per sample: its name, its label, then of each output the best classes with their
    scores, or its values. There is a column for each that any row has.
    """
    import csv
    import io

    from netspec.file_writing import write_text

    rows = [row for each in found for row in table_rows(each)]
    there = dict.fromkeys(name for row in rows for name in row)
    columns: list[str] = [name for name in ("sample", "label", "error", "note") if name in there]
    columns += [name for name in there if name not in columns]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    if path == "-":
        click.echo(text.getvalue(), nl=False)
    else:
        write_text(path, text.getvalue())
        click.echo(f"wrote {path}: {count_of(len({row['sample'] for row in rows}), 'sample')}")
    return int(any(row["error"] for row in rows))


def table_rows(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of a sample: one, or one for each box that was found."""
    row, outputs = table_row(found), found.get("outputs", {})
    boxes = {name: made for name, made in outputs.items() if "boxes" in made}
    if not boxes:
        yield row
    for name, made in boxes.items():
        yield from box_rows(row, name, made)


def table_row(found: Mapping[str, Any]) -> dict[str, Any]:
    """The cells of a sample by column."""
    error = found.get("error", {})
    row = {
        "sample": found["sample"],
        "label": found.get("label") or "",
        "error": error.get("message", ""),
    }
    if "note" in found:
        row["note"] = found["note"]
    for name, made in found.get("outputs", {}).items():
        for rank, each in enumerate(made.get("top", ()), 1):
            end = "" if rank == 1 else f"_{rank}"
            row |= {f"{name}{end}": class_shown(each), f"{name}{end}_score": f"{each['score']:.6g}"}
        values = flat(made["values"]) if "values" in made else []
        single = len(values) == 1
        row |= {f"{name}" if single else f"{name}_{i}": f"{value:.6g}" for i, value in enumerate(values)}
    return row


def class_shown(made: Mapping[str, Any]) -> str:
    """Its name; beside it, where it is another, the name that the data have."""
    if "data_class" in made:
        return f"{made['class']} ({made['data_class']})"
    return str(made["class"])
