"""A net becomes an ONNX file. In: a spec, a run, or a network; out: the file, certified, or SpecError and no file."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import fail
from netspec.driver import Program, load
from netspec.emit.onnx_model import fitted, outlined
from netspec.export import certify as certification
from netspec.export.labels import labels_of
from netspec.export.model_file import add_metadata, publishing, write_model
from netspec.ir.graph import TypedGraph

if TYPE_CHECKING:
    from torch import Tensor, nn

    Source = str | os.PathLike[str] | Program | nn.Module

__all__ = ["Export", "export", "export_model"]

SPEC, WEIGHTS = "spec.yaml", "weights.safetensors"
"""What a run's folder holds."""


@dataclass(frozen=True)
class Export:
    """What was written: the model, its size in bytes with its data, and its certificate if one was asked for."""

    path: Path
    size: int
    certificate: certification.Certificate | None


@dataclass(frozen=True, eq=False)
class Origin:
    """What is to be exported. tensors: the weights by the spec's names, None for those that the spec's fillers make; folder: of the run."""

    program: Program
    tensors: "Mapping[str, Tensor] | None" = None
    file: str = ""
    folder: Path | None = None


def export(source: "Source", path: str | os.PathLike[str], *, weights: str | os.PathLike[str] | None = None, certify: bool = True,
           device: str = "auto") -> Path:
    """Write the deploy view of a network as ONNX and certify that onnxruntime computes what torch does. Answers the path.

    source: a spec file, a run's folder, a Program, or a network that netspec.compile made. weights: a safetensors file to take instead.
    device: where to compare, cpu, cuda or auto. Without `certify` the file says that it is uncertified.
    Raises SpecError: NS701 (a layer without ONNX form), NS703 (they disagree), NS704 (cannot write), NS705 (not a source), NS706, NS707,
    NS722; for weights NS001, NS674, NS676. In each case nothing is written.
    """
    return export_model(source, path, weights=weights, certify=certify, device=device).path


def export_model(source: "Source", path: str | os.PathLike[str], *, weights: str | os.PathLike[str] | None = None, certify: bool = True,
                 device: str = "auto", reading: Mapping[str, Any] | None = None) -> Export:
    """`export`, with the certificate. reading: stages, level and settings to read the spec with."""
    path = Path(path)
    with publishing(path) as draft:
        origin = origin_of(source, weights, reading or {})
        typed = origin.program.graph("deploy")
        net = loaded(origin, typed)
        outline = outlined(typed, metadata(origin, typed))
        write_model(outline, fitted(outline, arrays(net, typed)), draft)
        certificate = certification.certify(net, typed, draft, device=device_for(device)) if certify else None
        add_metadata(draft, certificate.metadata() if certificate else {"netspec.certified": "false"})
        size = sum(file.stat().st_size for file in draft.parent.iterdir())
    return Export(path, size, certificate)


def origin_of(source: "Source", weights: str | os.PathLike[str] | None, reading: Mapping[str, Any]) -> Origin:
    """The program and the weights that a source stands for. Raises SpecError NS705 and what reading them raises."""
    file = os.fspath(weights) if weights is not None else ""
    given = read(Path(file)) if file else None
    if isinstance(source, Program):
        return Origin(source, given, file)
    if not isinstance(source, (str, os.PathLike)):
        from netspec.api import program_of

        program = program_of(source)
        if program is None:
            raise fail("NS705", f"{type(source).__name__} was not made by netspec.compile from a spec")
        return Origin(program, given or own_tensors(source, program), file)
    folder = Path(source)
    if not folder.is_dir():
        return Origin(load(os.fspath(source), **reading), given, file)
    if not (folder / SPEC).is_file():
        raise fail("NS705", f"the folder holds no {SPEC}: it is not a run", path=str(folder))
    return Origin(trained(folder, reading), given or read(folder / WEIGHTS), file or str(folder / WEIGHTS), folder)


def trained(folder: Path, reading: Mapping[str, Any]) -> Program:
    """The program of a run, as it was read to be trained; settings come after the run's own."""
    from netspec.training.run import is_run, program_of, read_record

    if not is_run(folder):
        return load(str(folder / SPEC), **reading)
    record = read_record(folder)
    return program_of(folder, record, (*record["settings"], *reading.get("settings", ())))


def read(path: Path) -> "Mapping[str, Tensor]":
    from netspec.training.weights import read_tensors

    return read_tensors(path)[0]


def own_tensors(net: Any, program: Program) -> "dict[str, Tensor]":
    """The weights of a network by the spec's names, of whatever phase it is."""
    refs = (ref for ref in every_weight(program) if ref.node.name in net.layers)
    return {ref.name: net.layer_parameters(ref.node.name)[ref.index].detach() for ref in refs}


def every_weight(program: Program) -> Iterator[Any]:
    """The weights of all phases."""
    for phase in ("test", "train"):
        yield from (ref for ref in program.graph(phase).weight_refs() if not ref.shared)


def loaded(origin: Origin, typed: TypedGraph) -> "nn.Module":
    """The deployed network with its weights. Raises SpecError NS676: a tensor is missing, of another shape, or of no layer of the spec."""
    import torch

    from netspec.api import compile
    from netspec.training.weights import fit

    net: Any = compile(typed)
    if origin.tensors is None:
        return net  # type: ignore[no-any-return]
    needed = {ref.name: net.layer_parameters(ref.node.name)[ref.index] for ref in typed.weight_refs() if not ref.shared}
    unread = origin.tensors.keys() - needed.keys()
    known = {ref.name for ref in every_weight(origin.program)} if unread else set()
    fit({k: v for k, v in origin.tensors.items() if k not in known or k in needed}, {k: tuple(v.shape) for k, v in needed.items()},
        Path(origin.file))
    with torch.no_grad():
        for name, tensor in needed.items():
            tensor.copy_(origin.tensors[name])
    return net  # type: ignore[no-any-return]


def arrays(net: Any, typed: TypedGraph) -> dict[str, Any]:
    """The weights as arrays that share torch's memory."""
    refs = [ref for ref in typed.weight_refs() if not ref.shared]
    return {ref.name: net.layer_parameters(ref.node.name)[ref.index].detach().numpy() for ref in refs}


def metadata(origin: Origin, typed: TypedGraph) -> dict[str, str]:
    """netspec.version, netspec.spec (name and hash), netspec.labels, and for each input what its caller still has to do with an image."""
    from netspec import __version__

    digest = hashlib.sha256(origin.program.resolved.spec.source.text.encode()).hexdigest()
    found = {"netspec.version": __version__, "netspec.spec": f"{origin.program.name} sha256:{digest}"}
    labels = labels_of(origin.program, typed, origin.folder)
    if labels:
        found["netspec.labels"] = json.dumps(labels, ensure_ascii=False)
    for given in typed.graph.inputs:
        if given.contract is not None:
            shape = tuple(s if isinstance(s, int) else None for s in typed.types[given.value].shape[1:])
            whole = given.contract.for_files(shape)
            left = {"color": "rgb" if whole.color == "bgr" else whole.color, "resize": whole.resize, "interpolation": whole.interpolation}
            found[f"netspec.image.{given.value.name}"] = json.dumps({k: v for k, v in left.items() if v is not None})
    return found


def device_for(word: str) -> str:
    """cpu or cuda. auto: cuda where torch and onnxruntime both have it. Raises SpecError NS722."""
    import onnxruntime as ort
    import torch

    both = torch.cuda.is_available() and "CUDAExecutionProvider" in ort.get_available_providers()
    if word == "cuda" and not both:
        raise fail("NS722", f"cuda was asked for: torch {'sees' if torch.cuda.is_available() else 'does not see'} a GPU, onnxruntime has "
                            f"{', '.join(ort.get_available_providers())}")
    return "cuda" if both and word != "cpu" else "cpu"
