"""`netspec export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.options import device_option, spec_options
from netspec.diagnostics.words import count_of, show_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from netspec.exporters.certification.certificate import Certificate
    from netspec.exporters.endings import Format
    from netspec.exporters.export import Export
    from netspec.read_options import Reading

__all__ = ["command"]

PASSED = ("weights", "device", "allow_batch_dependence", "quantize", "opset")
"""Options that export takes by the same name."""


@click.command("export")
@click.argument("source", metavar="SPEC|RUN")
@click.argument("place", required=False, metavar="[OUT]")
@click.option(
    "--to",
    "--format",
    "to",
    type=click.Choice(("onnx", "ort", "prototxt", "web")),
    help="What to write; ort: onnxruntime's own format.  [default: as the ending of -o says, else onnx]",
)
@click.option(
    "-o",
    "--output",
    help=(
        "The file or folder to write, as OUT.  [default: RUN/model.onnx, or the spec's name with .onnx,"
        " .ort or .prototxt; RUN/web]"
    ),
)
@click.option("--weights", help="A safetensors file to take the weights from.")
@click.option(
    "--solver",
    help="With --to prototxt: the file for train.solver.  [default: NAME.solver.prototxt]",
)
@click.option(
    "--certify",
    type=click.Choice(("quick", "full")),
    default="full",
    show_default=True,
    help="How much to compare; quick is partial.",
)
@click.option(
    "--no-certify",
    is_flag=True,
    help="Do not compare with torch; the file then says that it is uncertified.",
)
@click.option(
    "--allow-batch-dependence",
    is_flag=True,
    help="Certify a net whose answer for one sample depends on the rest of its batch.",
)
@click.option(
    "--quantize",
    type=click.Choice(("int8", "fp16")),
    help="A smaller file: calibrated on a run's training data, compared with the float one on its test data.",
)
@click.option(
    "--layout",
    type=click.Choice(("triton", "kserve")),
    help="Write a repository of Triton's into the folder OUT; kserve: and a manifest.  [default OUT: repository]",
)
@click.option(
    "--storage",
    default="pvc://models",
    show_default=True,
    metavar="URI",
    help="With --layout kserve: where the repository will be.",
)
@click.option("--opset", type=int, metavar="N", help="Version of ONNX's operators.  [default: 22]")
@click.option(
    "--runtime",
    metavar="FOLDER",
    help="With --to web: the npm package onnxruntime-web.  [default: npm fetches it]",
)
@click.option("--no-fuse", is_flag=True, help="Keep each layer apart in the file.")
@device_option("Where to compare.")
@spec_options
def command(
    source: str, place: str | None, to: Any, output: str | None, reading: "Reading", **options: Any
) -> None:
    """Write the network of a SPEC or a RUN as ONNX, certified: onnxruntime computes what torch
    does, or no file is written.

    With --to prototxt: as Caffe's text, blocks unrolled; the weights go to NAME.caffemodel, a
    solver of the spec's to NAME.solver.prototxt. With --to ort: as onnxruntime's own format, for
    builds of it that read no other. With --to web: a folder with a page that runs the
    model in a browser, and asks no other host for anything; SPEC may be a model.onnx then.
    """
    if place and output:
        raise click.UsageError("name what to write once: as OUT or with -o")
    output = output or place
    if options["runtime"] and to != "web":
        raise click.UsageError("--runtime goes with --to web")
    if options["layout"] and to in ("web", "prototxt", "ort"):
        raise click.UsageError("--layout is a folder of ONNX files")
    if to == "web":
        write_web(source, output, options, reading)
        return
    if options["layout"]:
        write_repository(source, Path(output or "repository"), options, reading)
        return
    write_file(source, to, output, options, reading)


def write_file(
    source: str, to: "Format | None", output: str | None, options: dict[str, Any], reading: "Reading"
) -> None:
    """The net as ONNX or prototxt, by the word or by the file's ending."""
    from netspec.exporters.endings import format_of, held

    given = Path(source)
    to = to or (format_of(Path(output)) if output else None) or "onnx"
    if output:
        path = Path(output)
    elif given.is_dir():
        path = given / f"model.{to}"
    else:
        path = Path(given.with_suffix(f".{to}").name)
    held(path, to)
    if to == "prototxt":
        write_prototxt(given, path, options["weights"], options["solver"], reading)
    elif options["solver"]:
        raise click.UsageError("--solver goes with --to prototxt")
    elif to == "ort":
        write_ort(source, path, options, reading)
    else:
        level = False if options["no_certify"] else options["certify"]
        made = export_onnx(source, path, options, level, reading)
        click.echo(f"wrote {made.path} ({show_bytes(made.size)})")
        tell_certificate(made)


def write_ort(source: str, path: Path, options: dict[str, Any], reading: "Reading") -> None:
    """The net in onnxruntime's own format: exported as ONNX, certified, turned, and asked the
    certificate's probes again.
    """
    import shutil
    import tempfile

    from netspec.exporters.ort_file import convert_to_ort
    from netspec.file_writing import replacing
    from netspec.serving.verify import verify

    level = False if options["no_certify"] else options["certify"]
    with tempfile.TemporaryDirectory() as drafts, replacing(path, "NS704") as draft:
        model, turned = Path(drafts, "model.onnx"), Path(drafts, "model.ort")
        made = export_onnx(source, model, options, level, reading)
        convert_to_ort(model, turned)
        found = verify(turned) if level else None
        shutil.copyfile(turned, draft)
    click.echo(f"wrote {path} ({show_bytes(path.stat().st_size)})")
    tell_certificate(made)
    if found is not None:
        click.echo(
            f"as onnxruntime {found.onnxruntime} has it, {found.probes} probes are answered as certified"
        )


def write_web(source: str, output: str | None, options: dict[str, Any], reading: "Reading") -> None:
    """A page with the model: of a spec or a run that is exported first, or of an exported file."""
    import tempfile

    from netspec.exporters.web.runtime import VERSION, find_runtime
    from netspec.exporters.web.site import write_page
    from netspec.ort_format import require_onnx
    from netspec.seal import check_allowed

    given = Path(source)
    if given.is_dir():
        folder = given / "web"
    else:
        folder = Path(f"{given.stem}-web")
    folder = Path(output or folder)
    exported = given.suffix.lower() == ".onnx"
    if exported:  # looked at before anything is fetched
        require_onnx(given)
        check_allowed(given)
    runtime = find_runtime(options["runtime"])
    with tempfile.TemporaryDirectory() as drafts:
        model = given
        if exported:
            name = given.stem
        else:
            model, name = Path(drafts, "model.onnx"), given.name.partition(".")[0]
            level = False if options["no_certify"] else options["certify"]
            export_onnx(source, model, options, level, reading)
        write_page(folder, model, name, runtime)
    size = sum(file.stat().st_size for file in folder.iterdir())
    click.echo(f"wrote {folder}: {show_bytes(size)}, onnxruntime-web {VERSION} included")
    click.echo(f"any server of static files shows it: python3 -m http.server --directory {folder}")


def write_repository(source: str, folder: Path, options: dict[str, Any], reading: "Reading") -> None:
    """A version of the model in a repository of Triton's."""
    import tempfile

    from netspec.exporters.layouts import write_layout

    level = False if options["no_certify"] else options["certify"]
    with tempfile.TemporaryDirectory() as drafts:
        made = export_onnx(source, Path(drafts, "model.onnx"), options, level, reading)
        written = write_layout(options["layout"], folder, Path(drafts), options["storage"])
    click.echo(f"wrote {written} ({show_bytes(made.size)}) and {written.parent / 'config.pbtxt'}")
    tell_certificate(made)


def write_prototxt(
    source: Path, path: Path, weights: str | None, solver: str | None, reading: "Reading"
) -> None:
    """The net, its solver and its weights, in Caffe's formats; of a run, with the weights that it
    has.
    """
    from netspec import driver
    from netspec.cli import report
    from netspec.exporters.prototxt import export_prototxt

    if source.is_dir():
        from netspec.exporters.export import load_run_program

        program, own = load_run_program(source, reading, weights)
        made = export_prototxt(program, path, weights=own, solver=solver)
    else:
        made = export_prototxt(driver.load(str(source), reading), path, weights=weights, solver=solver)
    report(made.findings)
    for written in made.files:
        click.echo(f"wrote {written}")


def export_onnx(source: str, path: Path, options: dict[str, Any], level: Any, reading: "Reading") -> "Export":
    """The deployed net as ONNX; what was found on the way is told."""
    from netspec.cli import report
    from netspec.exporters.export import export_model

    told, words = Told(), {name: options[name] for name in PASSED}
    try:
        made = export_model(
            source,
            path,
            certify=level,
            fused=not options["no_fuse"],
            reading=reading,
            progress=told,
            **words,
        )
    finally:
        told.clear()
    report(list(made.findings))
    return made


def tell_certificate(made: "Export") -> None:
    """What is proven of a file, in words."""
    if made.certificate is None:
        click.echo("not certified: nobody has compared it with torch")
        return
    for line in describe_certificate(made.certificate):
        click.echo(line)
    plain, spent = made.seconds
    click.echo(
        # a small export may have taken the clock no time
        f"certifying took {spent:.1f} s, {spent / max(plain, 1e-3):.1f} times as long as the export itself"
    )


def tell_model(made: "Export") -> None:
    """A file that was made on the way, and what is proven of it."""
    click.echo(f"wrote {made.path} ({show_bytes(made.size)})")
    if made.certificate is not None:
        click.echo("\n".join(describe_certificate(made.certificate)))


def describe_certificate(found: "Certificate") -> "Iterator[str]":
    """What a certificate says, in words."""
    quantized = found.quantized is not None
    if quantized:
        yield from tell_quantized(found.quantized)
    if found.partial:
        how = f"certified in part ({found.level})"
    else:
        how = "certified"
    if found.contract:
        contract = f", {found.contract} of its image contract"
    else:
        contract = ""
    if quantized:
        how = f"the float file that it was made of: {how}"
    yield (
        f"{how} on {found.device}: {count_of(found.cases, 'case')},"
        f" {count_of(found.layers, 'comparison')} of a layer alone,"
        f" {found.outputs} of outputs{contract}, with torch {found.torch} in float64"
    )
    yield (
        f"largest difference {found.largest_difference:.3g} in {found.tensor}, whose values reach"
        f" {found.size:.3g} ({found.tolerance:.3g} is allowed); nowhere more than {found.closest:.2g} of what"
        " is allowed"
    )
    yield from sample_lines(found.samples)
    if found.void:
        yield (
            f"{found.void} comparisons say nothing: rounding alone may change more than a hundredth of the"
            " values there"
        )
    if found.unproven:
        yield (
            "warning: nothing is known of"
            f" {', '.join(found.unproven[:5])}{' and others' if len(found.unproven) > 5 else ''}"
        )
    if found.left_out:
        yield f"left out: {found.left_out} of the comparisons of a full certificate"


def sample_lines(found: Any) -> "Iterator[str]":
    """What is said of real samples, in words; nothing of a certificate that says nothing, or
    nothing sound.
    """
    if not isinstance(found, dict):
        return
    try:
        best = [
            f"best class of {name} the same in {same:d} of {of:d}"
            for name, (same, of) in found.get("best", {}).items()
        ]
        metrics = [
            f"{name} {a:.4g} with torch, {b:.4g} with onnxruntime"
            for name, (a, b) in found.get("metrics", {}).items()
        ]
        data = part_of(found)
        if found["count"]:
            count = f"{count_of(found['count'], 'real sample')} of the {data} data"
        else:
            count = f"no samples of the {data} data: {found['why']}"
    except (KeyError, TypeError, ValueError, AttributeError):
        return
    yield ": ".join(part for part in (count, "; ".join((*best, *metrics))) if part)


def part_of(found: "Mapping[str, Any]") -> str:
    """Of which data samples are; files of before say nothing, and mean those of the test."""
    return "validation" if found.get("part") == "validation" else "test"


def tell_quantized(found: Any) -> "Iterator[str]":
    """How a smaller file compares with the float one, in words; nothing of what cannot be read."""
    try:
        before, after = found["size"]
        best = [f"best class of {name} the same in {a:d} of {b:d}" for name, (a, b) in found["best"].items()]
        metrics = [
            f"{name} {a:.4g} with the float file, {b:.4g} with this one"
            for name, (a, b) in found["metrics"].items()
        ]
        ranges = f", ranges of {found['calibrated']:,d} training samples" if found["calibrated"] else ""
        yield f"{found['kind']}{ranges}: {show_bytes(before)} before, {show_bytes(after)} now"
        yield (
            f"it is not equal to the float file: on {count_of(found['count'], 'real sample')}"
            f" of the {part_of(found)} data"
            f" {found['tensor']} differs by up to {found['largest_difference']:.3g}"
        )
        yield "; ".join((*best, *metrics)) or "the test net measures nothing that the file has"
    except (KeyError, TypeError, ValueError, AttributeError):
        return


class Told:
    """Progress on stderr: on a terminal only, and once it takes long."""

    PATIENCE = 2.0

    def __init__(self) -> None:
        import sys
        import time

        self.clock, self.start, self.shown = time.monotonic, time.monotonic(), False
        self.terminal = sys.stderr.isatty()

    def __call__(self, done: int, total: int, word: str) -> None:
        if self.terminal and self.clock() - self.start > self.PATIENCE:
            # cut: a line that wraps is not taken away by \r
            click.echo(f"\r\x1b[Kcertifying, step {done} of {total}: {word}"[:120], nl=False, err=True)
            self.shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self.shown:
            click.echo("\r\x1b[K", nl=False, err=True)
