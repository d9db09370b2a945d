"""A net becomes an ONNX file. In: a spec, a run, or a network; out: the file, certified, or
SpecError and no file.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.analysis.fingerprint import network_hash
from netspec.data.facts import KEY, TABLE, read_facts
from netspec.data.tables.rows import rows_of_facts
from netspec.diagnostics import fail
from netspec.diagnostics.model import Diagnostic, SpecError
from netspec.driver import Program, load
from netspec.emit.onnx_model import fit_weights, outline_model
from netspec.exporters.certification import certify as certification
from netspec.exporters.certification.promises import ROWS, refuse, rows_word
from netspec.exporters.certification.samples import Samples, samples_of
from netspec.exporters.demands import check_demands, hold_size
from netspec.exporters.devices import device_for
from netspec.exporters.endings import held
from netspec.exporters.latency import hold
from netspec.exporters.model_file import add_metadata, arrays, publishing, write_model
from netspec.exporters.opsets import convert_opset
from netspec.exporters.quantization.convert import Kind
from netspec.exporters.quantization.quantize import Work
from netspec.exporters.quantization.quantize import quantize as quantize_file
from netspec.exporters.sizes import KEY as SIZES
from netspec.exporters.sizes import sizes_of
from netspec.frozen_classes import replace_fields
from netspec.imaging.words import contract_of
from netspec.ir.graph import TypedGraph
from netspec.read_options import PLAIN, Reading
from netspec.resolve.sections.image import ImageContract
from netspec.seal import SEAL, properties_of, seal_of
from netspec.strict_json import JsonError, read_object
from netspec.training.class_names import labels_of

if TYPE_CHECKING:
    from torch import nn

    Source = str | os.PathLike[str] | Program | nn.Module

__all__ = ["Export", "Origin", "certify", "export", "export_model", "load_run_program", "origin_of"]


@dataclass(frozen=True)
class Export:
    """What was written: the model, its size in bytes with its data, its certificate if one was
    asked for, and warnings.

    seconds: what the export took without certifying, and what certifying took.
    """

    path: Path
    size: int
    certificate: certification.Certificate | None
    findings: tuple[Diagnostic, ...] = ()
    seconds: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Origin:
    """What is to be exported: the program, the deployed network with its weights, and the run's
    folder if it is one.
    """

    program: Program
    net: "nn.Module"
    folder: Path | None = None


def export(  # noqa: PLR0913 - what the command says
    source: "Source",
    path: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    certify: bool | certification.Level = True,
    device: str = "auto",
    allow_batch_dependence: bool = False,
    fused: bool = True,
    quantize: Kind | None = None,
    opset: int | None = None,
) -> Path:
    """Write the deploy view of a network as ONNX and certify that onnxruntime computes what torch
    does. Answers the path.

    source: a spec file, a run's folder, a Program, or a network that netspec.compile made. weights:
    a safetensors file to take instead. device: where to compare, cpu, cuda or auto. certify: how
    much, "full" (True) or "quick"; with False the file says so. fused: layers that only scale and
    shift channels, or pass on what they read, vanish in others. quantize: "int8" or "fp16", of a
    run; such a file is compared with the certified float one on real samples. opset: of ONNX's
    operators, in place of 22; the file is converted, then certified. Where the spec demands a
    latency, a size or an accuracy, it is measured (NS329, NS741, NS742). The model's inputs and
    outputs are the spec's, by name and shape; open sizes stay open. Raises SpecError: NS701 (a
    layer without ONNX form), NS703 (they disagree), NS704 (cannot write), NS683, NS705 (not a
    source), NS706, NS707, NS708, NS709 (an ending of another format), NS716, NS722, NS728 (a letter
    that one number alone meets), NS729 (answers that depend on the rest of the batch, and no
    `allow_batch_dependence`), NS740 (cannot be quantized), NS746 (no such opset); for weights
    NS001, NS674, NS676. In each case nothing is written.

    >>> netspec.export("zoo:lenet-digits", "digits.onnx", certify="quick").name
    'digits.onnx'
    """
    made = export_model(
        source,
        path,
        weights=weights,
        certify=certify,
        device=device,
        allow_batch_dependence=allow_batch_dependence,
        fused=fused,
        quantize=quantize,
        opset=opset,
    )
    return made.path


def export_model(  # noqa: PLR0913 - what the command says, and who is told
    source: "Source | Origin",
    path: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    certify: bool | certification.Level = True,
    device: str = "auto",
    allow_batch_dependence: bool = False,
    fused: bool = True,
    quantize: Kind | None = None,
    opset: int | None = None,
    reading: Reading = PLAIN,
    progress: certification.Progress = lambda done, total, word: None,
) -> Export:
    """`export`, with the certificate. reading: how to read the spec; progress: told how far
    certifying is.
    """
    path, start, spent = Path(path), time.perf_counter(), 0.0
    held(path, "onnx")
    if quantize and not certify:
        raise fail("NS740", "a smaller file is compared with a certified one: it needs the certificate")
    level: certification.Level = certify if isinstance(certify, str) else "full"
    with publishing(path) as draft:
        origin = origin_of(source, weights, reading)
        check_demands(origin.program)
        typed, net = with_rows(origin), origin.net
        if certify:
            refuse(typed, allow_batch_dependence)
        outline = outline_model(typed, metadata(origin, typed), fused)
        write_model(outline, fit_weights(outline, arrays(net, typed)), draft)
        if opset is not None:
            convert_opset(draft, opset)
        certificate = None
        if certify:
            begun = time.perf_counter()
            words: dict[str, Any] = {
                "device": device_for(device),
                "level": level,
                "samples": samples_for(origin, typed, draft),
                "progress": progress,
            }
            certificate = certification.certify(net, typed, draft, **words)
            if quantize:
                work = Work(origin.program, origin.folder, typed, read_asked_contracts(typed, draft))
                certificate = quantize_file(work, quantize, draft, certificate, words["device"])
            spent = time.perf_counter() - begun
        findings = hold(origin.program, net, typed, draft)
        sealed = {"netspec.certified": "false"}
        if certificate:
            claims = certificate.metadata()
            sealed = {**claims, SEAL: seal_of(draft, claims).text()}
        add_metadata(draft, sealed)
        findings += hold_size(origin.program, typed, draft)  # metadata count, too
        if any(d.severity == "error" for d in findings):
            raise SpecError(findings)
        size = sum(file.stat().st_size for file in draft.parent.iterdir())
    return Export(path, size, certificate, tuple(findings), (time.perf_counter() - start - spent, spent))


def certify(
    net: "Source",
    model: str | os.PathLike[str],
    *,
    device: str = "auto",
    level: certification.Level = "full",
) -> certification.Certificate:
    """Compare a model file with the network it is said to be made from, weights and all; answers a
    Certificate. The file stays as it is.

    net: a network that netspec.compile made, a Program, a spec file or a run's folder. device:
    where to compare, "cpu", "cuda" or "auto". level: how much, "full" or "quick". Raises SpecError:
    NS703 (they disagree; the layer is named), NS705, NS706, NS716, NS720 (no such file), NS722.

    >>> net = netspec.compile("zoo:lenet-digits", phase="deploy")
    >>> path = netspec.export(net, "mine.onnx", certify="quick")
    >>> certificate = netspec.certify(net, path, level="quick")
    >>> certificate.partial, certificate.void, certificate.closest < 1
    (True, 0, True)
    """
    path = Path(model)
    seal_of(path)
    origin = origin_of(net, None, PLAIN)
    typed = with_rows(origin)
    return certification.certify(
        origin.net,
        typed,
        path,
        device=device_for(device),
        level=level,
        samples=samples_for(origin, typed, path),
    )


def with_rows(origin: Origin) -> TypedGraph:
    """The deployed net; of a run that learned from a table, its input takes rows as they are, where
    what the net gets can be made of them.
    """
    typed = origin.program.graph("deploy")
    facts = read_facts(origin.folder) if origin.folder is not None else {}
    rows, name = rows_of_facts(facts), row_input(origin.program, typed, facts)
    given = next((each for each in typed.graph.inputs if each.value.name == name), None)
    if rows is None or given is None or typed.types[given.value].shape[1:] != (rows.made,):
        return typed
    inputs = tuple(each._replace(rows=rows) if each is given else each for each in typed.graph.inputs)
    return replace_fields(typed, graph=replace_fields(typed.graph, inputs=inputs))


def row_input(program: Program, typed: TypedGraph, facts: Mapping[str, Any]) -> str | None:
    """The input that the first field of a table feeds: by `fields`, by its name, or the only one
    that no other column feeds.
    """
    train, field = program.resolved.file.train, facts.get("field", "data")
    said = {} if train is None or train.data is None else train.data.fields
    names = [given.value.name for given in typed.graph.inputs if given.contract is None]
    for name in names:
        if said.get(name, name) == field:
            return name
    others = {column["name"] for column in facts.get("columns", ()) if column.get("form") == "index"}
    left = [name for name in names if name not in said and name not in others]
    return left[0] if len(left) == 1 else None


def samples_for(origin: Origin, typed: TypedGraph, path: Path) -> Samples | str | None:
    """Real samples of a run's test data, made into what the file asks for, or why there are none;
    None of what is no run.
    """
    if origin.folder is None:
        return None
    return samples_of(origin.program, origin.folder, typed, read_asked_contracts(typed, path))


def read_asked_contracts(typed: TypedGraph, path: Path) -> dict[str, ImageContract]:
    """By input with a contract: what the file itself says that its user does to a picture. Raises
    SpecError NS721.
    """
    said, found = properties_of(path), dict[str, ImageContract]()
    for name in (given.value.name for given in typed.graph.inputs if given.contract is not None):
        try:
            words = read_object(said.get(f"netspec.image.{name}", "{}"))
        except JsonError as error:
            raise fail(
                "NS721",
                f"the metadata netspec.image.{name} must be a sound JSON object: {error}",
                path=str(path),
            ) from error
        found[name] = contract_of(words, name, str(path)) or ImageContract()
    return found


def origin_of(source: "Source | Origin", weights: str | os.PathLike[str] | None, reading: Reading) -> Origin:
    """What a source stands for. Raises SpecError: NS683 (a folder that is no run), NS705, and what
    reading spec and weights raises.
    """
    from netspec import compiled
    from netspec.training.run.loading import load_weights

    if isinstance(source, Origin):
        return source
    if isinstance(source, (str, os.PathLike)) and Path(source).is_dir():
        program, file = load_run_program(Path(source), reading, weights)
        return Origin(program, load_weights(compiled.compile(program, "deploy"), file), Path(source))
    read = load(os.fspath(source), reading) if isinstance(source, (str, os.PathLike)) else source
    known = read if isinstance(read, Program) else compiled.program_of(read)
    if known is None:
        raise fail("NS705", f"{type(source).__name__} was not made by netspec.compile from a spec")
    net = compiled.compile(known, "deploy")
    if weights is not None:
        load_weights(net, weights)
    elif not isinstance(read, Program):
        copy_weights(read, net, known)
    return Origin(known, net)


def load_run_program(
    folder: Path, reading: Reading, weights: str | os.PathLike[str] | None
) -> tuple[Program, Path]:
    """The program of a run as it was read to be trained, settings of `reading` after its own, and
    the file of its weights.
    """
    from netspec.training.run.folder import program_of, read_record, weights_file

    record = read_record(folder)
    program = program_of(folder, record, reading)
    return program, weights_file(folder, os.fspath(weights) if weights is not None else "last")


def copy_weights(given: Any, net: Any, program: Program) -> None:
    """The weights of a network of any phase into the deployed one, layer by layer. Raises SpecError
    NS702 where a layer is missing.
    """
    import torch

    with torch.no_grad():
        for ref in program.graph("deploy").weight_refs():
            if ref.shared:
                continue
            if ref.node.name not in given.layers:
                raise fail(
                    "NS702",
                    f"the network has no layer {ref.node.name}, which the deployed net needs",
                )
            net.layer_parameters(ref.node.name)[ref.index].copy_(
                given.layer_parameters(ref.node.name)[ref.index]
            )


def metadata(origin: Origin, typed: TypedGraph) -> dict[str, str]:
    """netspec.version, .spec (name and hash), .rows (`rows_word`), .labels, .sizes (`sizes_of`),
    .boxes (`boxes_of`), .logistic (outputs of which each value is a probability of its own, as JSON
    has a list), .data (what a run's data have fixed), .table (the input that takes rows of a
    table as they are).

    .image.NAME: what a caller has yet to do with an image.
    """
    from netspec.version import __version__

    found = {
        "netspec.version": __version__,
        "netspec.spec": f"{origin.program.name} {network_hash(origin.program.graphs())}",
    }
    found[ROWS] = rows_word(typed)
    labels = labels_of(origin.program, typed, origin.folder)
    if labels:
        found["netspec.labels"] = json.dumps(labels, ensure_ascii=False)
    boxes = boxes_of(typed)
    if boxes:
        found["netspec.boxes"] = json.dumps(boxes)
    if logistic := typed.graph.logistic_outputs():
        found["netspec.logistic"] = json.dumps(logistic, ensure_ascii=False)
    sizes = sizes_of(typed)
    if sizes is not None:
        found[SIZES] = sizes
    facts = read_facts(origin.folder) if origin.folder is not None else {}
    if facts:
        found[KEY] = json.dumps(facts, ensure_ascii=False)
    for given in typed.graph.inputs:
        if given.rows is not None:
            found[TABLE] = given.value.name
    found |= {f"netspec.image.{name}": json.dumps(words) for name, words in image_words(typed).items()}
    return found


def boxes_of(typed: TypedGraph) -> dict[str, tuple[int, int] | None]:
    """The outputs that list boxes, and the (height, width) that the model cuts from a picture."""
    crops = [given.contract.crop for given in typed.graph.inputs if given.contract is not None]
    crop = crops[0] if crops else None
    return {value.name: crop for value in typed.graph.outputs if value.node and value.node.layer.lists}


def image_words(typed: TypedGraph) -> dict[str, dict[str, Any]]:
    """By input: what a caller has yet to do with an image."""
    found = {}
    for given in typed.graph.inputs:
        if given.contract is not None:
            shape = tuple(s if isinstance(s, int) else None for s in typed.types[given.value].shape[1:])
            whole = given.contract.for_files(shape)
            left = {
                "color": "rgb" if whole.color == "bgr" else whole.color,
                "resize": whole.resize,
                "interpolation": whole.interpolation,
                "background": whole.background,
            }
            found[given.value.name] = {k: v for k, v in left.items() if v is not None}
    return found
