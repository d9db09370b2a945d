"""`netspec predict`."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from netspec.cli.options import code_option, device_option

if TYPE_CHECKING:
    import numpy as np

    from netspec.data.samples import Sample
    from netspec.read_options import Reading
    from netspec.resolve.sections.image import ImageContract

    Array = np.ndarray[Any, Any]

__all__ = ["command"]


class Predictor(NamedTuple):
    """A model that predicts: what its only input takes, a function from a batch to outputs by name,
    and class names by output; learned: what a run's data call the classes, where `labels:` has
    other names.
    """

    contract: "ImageContract | None"
    shape: tuple[int | None, ...]
    run: "Callable[[Array], Mapping[str, Array]]"
    labels: Mapping[str, Sequence[str]]
    learned: Mapping[str, Sequence[str]] = {}


@click.command("predict")
@click.argument("model", metavar="MODEL.onnx|RUN")
@click.argument("images", nargs=-1, metavar="[IMAGE]...", type=click.Path())
@click.option(
    "--data", metavar="SOURCE[:PATH]", help="Take a sample of a data source: digits, mnist, images:FOLDER."
)
@click.option("--index", type=int, default=0, show_default=True, help="Which sample of --data.")
@click.option(
    "--split",
    type=click.Choice(("train", "test", "all")),
    default="test",
    show_default=True,
    help="Which part of --data.",
)
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes to show.")
@click.option(
    "--weights", default="last", show_default=True, metavar="last|best|FILE", help="Which weights of a RUN."
)
@device_option()
@click.option(
    "--allow-uncertified",
    is_flag=True,
    help="Run a model without a certificate, or that is not the file it was given for.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@code_option
def command(
    model: str, images: tuple[str, ...], data: str | None, top: int, as_json: bool, **options: Any
) -> None:
    """Run images, or one sample of a data source, through an exported MODEL (with onnxruntime) or a
    trained RUN (with torch).
    """
    from netspec.read_options import Reading

    if bool(images) == bool(data):
        raise click.UsageError("name images, or a source with --data")
    device = options["device"]
    if is_folder(model):
        predictor = run_predictor(
            model, options["weights"], device, Reading(allow_code=options["allow_code"])
        )
    else:
        predictor = onnx_predictor(model, device, options["allow_uncertified"])
    from netspec.cli import report
    from netspec.data.remarks import Remarks
    from netspec.data.samples import from_data, from_files

    remarks = Remarks()
    samples = (
        from_files(images, predictor.contract, predictor.shape, remarks)
        if images
        else [
            from_data(
                data or "",
                options["index"],
                options["split"],
                predictor.contract,
                predictor.shape,
                options["allow_code"],
            )
        ]
    )
    found = [describe_sample(sample, predictor, top) for sample in samples]
    click.echo(
        json.dumps(found, indent=2, ensure_ascii=False)
        if as_json
        else "\n".join(line for each in found for line in lines(each))
    )
    report(list(remarks.of_depth(model)))


def is_folder(path: str) -> bool:
    from pathlib import Path

    return Path(path).is_dir()


def onnx_predictor(path: str, device: str, allow_uncertified: bool = False) -> Predictor:
    """An ONNX file under onnxruntime; its graph holds the contract's arithmetic, its metadata the
    rest.
    """
    from netspec.diagnostics import fail
    from netspec.resolve.image_words import contract_of
    from netspec.serving.engine import open_model
    from netspec.serving.predict import image_words, run_model

    model = open_model(path, device, allow_uncertified=allow_uncertified)
    if len(model.inputs) != 1:
        raise fail(
            "NS685",
            f"the inputs are {', '.join(t.name for t in model.inputs) or 'none'}: predict feeds one",
            path=path,
        )
    only = model.inputs[0]
    shape = tuple(n if isinstance(n, int) else None for n in only.shape[1:])
    return Predictor(
        contract_of(image_words(model, only.name, path), only.name, path),
        shape,
        lambda batch: run_model(model, {only.name: batch}, path),
        model.labels,
    )


def run_predictor(folder: str, weights: str, device: str, reading: "Reading") -> Predictor:
    """A run's net under torch."""
    from netspec.training.class_names import labels_of, other_names
    from netspec.training.predict import open_run

    opened = open_run(folder, weights, device, reading)
    run = opened.loaded
    labels = labels_of(run.program, run.typed, run.folder)
    learned = other_names(labels, run.classes or ())
    return Predictor(opened.contract, opened.shape, opened.run, labels, learned)


def describe_sample(sample: "Sample", predictor: Predictor, top: int) -> dict[str, Any]:
    """A prediction as plain data: for each output the best classes, or shape and values where it is
    no vector of scores.
    """
    outputs = {
        name: output(values[0], predictor.labels.get(name, ()), top, predictor.learned.get(name))
        for name, values in predictor.run(sample.array).items()
    }
    return {"sample": sample.name, "label": sample.label, "outputs": outputs}


def output(
    row: "Array", labels: Sequence[str], top: int, learned: Sequence[str] | None = None
) -> dict[str, Any]:
    """An output of one sample; `data_class` is what the data call a class that `labels:` calls
    otherwise.
    """
    import numpy as np

    scores = np.asarray(row)
    if scores.size != max(scores.shape, default=1):
        return {"shape": list(scores.shape), "values": scores.tolist()}
    scores = scores.reshape(-1)
    order = np.argsort(-scores.astype(np.float64), kind="stable")[:top]
    return {
        "top": [
            {"class": labels[i] if i < len(labels) else str(i)}
            | ({"data_class": learned[i]} if learned and learned[i] else {})
            | {"index": int(i), "score": float(scores[i])}
            for i in order
        ]
    }


def lines(found: Mapping[str, Any]) -> list[str]:
    """A prediction as text."""
    text = [found["sample"] + (f" (label {found['label']})" if found["label"] is not None else "")]
    for name, made in found["outputs"].items():
        if "top" in made:
            called = [class_shown(each) for each in made["top"]]
            width = max(map(len, called))
            text += [
                f"  {name}  {word:{width}}  {each['score']:.4f}"
                for word, each in zip(called, made["top"], strict=True)
            ]
        else:
            text.append(f"  {name}  of shape {made['shape']}; --json shows the values")
    return text


def class_shown(made: Mapping[str, Any]) -> str:
    """Its name; beside it, where it is another, the name that the data have."""
    if "data_class" in made:
        return f"{made['class']} ({made['data_class']})"
    return str(made["class"])
