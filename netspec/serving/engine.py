"""An ONNX file as something that runs: in, a path and a device; out, a Model with its declared
tensors, metadata and labels.

onnxruntime only: torch is never imported, and nothing here knows of HTTP.
"""

import io
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import fail
from netspec.file_reading import open_file
from netspec.imaging.contract import ImageContract
from netspec.ort_format import is_ort_file, unbox_properties
from netspec.seal import PROBES, check_allowed
from netspec.serving.heads import Heads
from netspec.serving.pictures import find_pictures
from netspec.serving.sizes import KEY, Conditions, conditions
from netspec.serving.table_rows import TableRows, find_rows
from netspec.serving.tensors import ONNX_TYPES, RequestError, TensorInfo, batch_symbol, check_inputs
from netspec.strict_json import JsonError, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

__all__ = ["DEVICES", "LARGE", "Model", "open_model"]

DEVICES = ("auto", "cpu", "cuda")
LABELS = "netspec.labels"
ROWS = "netspec.rows"
# A run on more bytes than these gives the memory back that it took: one large request must not keep it
# from the machine for good. Smaller ones keep it, since taking it anew is dear.
LARGE = 4 << 20
# A file of at most so many bytes is loaded a second time, for runs that need no more than one thread.
COPIED = 8 << 20


@dataclass(frozen=True)
class Model:
    """A loaded model. `metadata` holds the file's `netspec.` properties, `labels` the class names
    per output, `sizes` what it demands, `pictures` what is done to a picture for an input of these,
    `rows` what cells of a table may hold.
    """

    session: Any
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    device: str
    metadata: Mapping[str, str]
    labels: Mapping[str, Sequence[str]]
    sizes: Conditions | None = None
    pictures: Mapping[str, ImageContract] = field(default_factory=dict)
    rows: TableRows | None = None
    heads: Heads = field(default_factory=Heads)
    alone: "Model | None" = None
    """The same on one thread, where it was loaded so too."""

    def check(self, given: Mapping[str, tuple[str, Sequence[int]]]) -> None:
        """Hold given (datatype, shape) by name against the declared inputs and the sizes that the
        net takes.

        Raises RequestError (400); for a size with the code NS727, the layer that fails, and the
        nearest legal sizes.
        """
        found = check_inputs(self.inputs, given)
        refusal = self.sizes.refusal(found) if self.sizes is not None else None
        if refusal is not None:
            near = {"nearest": refusal.nearest, "together": refusal.together}
            details = {"code": "NS727", "layer": refusal.layer, "sizes": refusal.sizes} | {
                k: v for k, v in near.items() if v
            }
            raise RequestError(refusal.text, 400, details)

    def check_rows(self, inputs: "Mapping[str, np.ndarray]") -> None:
        """Hold rows of a table against what training knew of its columns. Raises RequestError (400)."""
        if self.rows is not None:
            self.rows.check(inputs)

    @property
    def batch(self) -> str | None:
        """The symbol along which requests may be joined, or None."""
        return batch_symbol(self.inputs, self.outputs)

    def joins(self, anyway: bool = False) -> bool:
        """Whether rows of several requests may run together: the file says that each row of an
        answer depends on its own row alone.

        anyway: also where it says nothing, as a file of another tool.
        """
        return self.batch is not None and (
            self.metadata.get(ROWS) == "apart" or (anyway and ROWS not in self.metadata)
        )

    def run(self, inputs: "Mapping[str, np.ndarray]", outputs: Sequence[str]) -> "dict[str, np.ndarray]":
        """Run on inputs that passed check_inputs; the named outputs by name.

        Raises RequestError: 400 where the inputs are at fault (an illegal value or size), else 500.
        """
        try:
            options = None
            if sum(array.nbytes for array in inputs.values()) > LARGE:
                options = give_back(self.device)
            # Bytes of a request lie anywhere: what is run is aligned here, so that no request is copied as a whole.
            fed = {name: array if array.flags.aligned else array.copy() for name, array in inputs.items()}
            return dict(zip(outputs, self.session.run(list(outputs), fed, options), strict=True))
        except Exception as error:  # onnxruntime's exceptions share no base of their own
            # With every size but the batch fixed, checked inputs can be at fault only by value,
            # which is always InvalidArgument.
            open_sizes = any(
                not isinstance(n, int) for t in self.inputs for n in (t.shape[1:] if self.batch else t.shape)
            )
            if open_sizes or type(error).__name__ == "InvalidArgument":
                status = 400
            else:
                status = 500
            raise RequestError(f"the model cannot run on these inputs: {_reason(error)}", status) from error


def open_model(
    path: str | os.PathLike[str],
    device: str = "auto",
    threads: int = 0,
    *,
    allow_uncertified: bool = False,
    alone: bool = False,
) -> Model:
    """Load an ONNX file for inference. `device`: cpu, cuda, or auto (cuda where it works);
    `threads`: 0 is one per core. alone: a small file also on one thread, for short runs.

    allow_uncertified: whatever its certificate says. Raises SpecError: NS712, NS713, NS715 as
    `seal.check_allowed`, NS720 (not readable), NS721 (not a model), NS722 (no such device), NS723
    (types that cannot be served).
    """
    check_allowed(path, allow_uncertified)
    path = os.fspath(path)
    is_ort_file(path)  # whether it can be read is told before what is wrong with the device
    session = _open_session(path, device, threads)
    metadata = _metadata(session, path)
    inputs, outputs = (
        _read_declared(session.get_inputs(), path),
        _read_declared(session.get_outputs(), path),
    )
    if session.get_providers()[0] == "CUDAExecutionProvider":
        used = "cuda"
    else:
        used = "cpu"
    model = Model(
        session,
        inputs,
        outputs,
        used,
        metadata,
        _labels(metadata, outputs, path),
        _conditions(metadata, path),
        find_pictures(metadata, inputs, path),
        find_rows(metadata, path),
    )
    if alone and used == "cpu" and threads != 1 and is_small(path):
        return replace(model, alone=replace(model, session=_session(path, "CPUExecutionProvider", 1)))
    return model


def is_small(path: str) -> bool:
    """Whether a second copy of all its weights costs little: those of a file beside it are named by
    their location.
    """
    with open_file(path) as file:
        found = file.read(COPIED + 1)
    return len(found) <= COPIED and b"location" not in found


def _metadata(session: Any, path: str) -> dict[str, str]:
    try:
        said = unbox_properties(session.get_modelmeta().custom_metadata_map)
    except (ValueError, RecursionError) as error:
        raise fail("NS721", f"its metadata: {error}", path=path) from error
    return {k: v for k, v in sorted(said.items()) if k.startswith("netspec.") and k != PROBES}


def give_back(device: str) -> Any:
    """Options of a run after which onnxruntime's arena holds only what is in use."""
    import onnxruntime as ort

    options = ort.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", f"{device}:0")
    return options


def _open_session(path: str, device: str, threads: int) -> Any:
    if device not in DEVICES:
        raise fail("NS722", f"device must be one of {', '.join(DEVICES)}: got {device!r}")
    if device == "cpu" or (device == "auto" and not _has_driver()):
        return _session(path, "CPUExecutionProvider", threads)
    import onnxruntime as ort

    if "CUDAExecutionProvider" in ort.get_available_providers():
        said = _preload(ort)
        session = _session(path, "CUDAExecutionProvider", threads)
        # A provider that fails to load is replaced in silence: what the session took is all that
        # counts.
        if device == "auto" or session.get_providers()[0] == "CUDAExecutionProvider":
            return session
        fact = (
            f"cuda was asked for, but onnxruntime {ort.__version__} could only load"
            f" {session.get_providers()[0]}"
        )
        raise fail("NS722", fact, notes=said)
    if device == "auto":
        return _session(path, "CPUExecutionProvider", threads)
    have = ", ".join(ort.get_available_providers())
    raise fail(
        "NS722",
        f"cuda was asked for, but this build of onnxruntime {ort.__version__} has only {have}",
    )


def _preload(ort: Any) -> tuple[str, ...]:
    """Load the CUDA libraries of pip's nvidia packages, with no need of torch; what onnxruntime
    says of those it lacks.
    """
    said = io.StringIO()
    if hasattr(ort, "preload_dlls"):
        with redirect_stdout(said):
            ort.preload_dlls()
    return tuple(line for line in said.getvalue().splitlines() if line.startswith("Failed"))


def _has_driver() -> bool:
    """Whether NVIDIA's driver library is there; asked first, so that `auto` is silent and quick on
    a machine without a GPU.
    """
    import ctypes

    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _session(path: str, provider: str, threads: int) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = (
        4  # a failed run is answered; a line in the log for each would let any client fill it
    )
    # Idle threads that spin would take the cores from the event loop, which is what a request waits
    # for.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if is_ort_file(path):
        options.add_session_config_entry("session.load_model_format", "ORT")
    with _quiet(ort):
        try:
            return ort.InferenceSession(
                path, options, providers=list(dict.fromkeys([provider, "CPUExecutionProvider"]))
            )
        except Exception as error:  # onnxruntime's exceptions share no base of their own
            raise fail("NS721", _reason(error), path=path) from error


@contextmanager
def _quiet(ort: Any) -> "Iterator[None]":
    """Keep onnxruntime from printing what is about to be raised or checked."""
    ort.set_default_logger_severity(4)
    try:
        yield
    finally:
        ort.set_default_logger_severity(3)


def _reason(error: Exception) -> str:
    """The first line of an onnxruntime message, without its prefix of numbers."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return re.sub(r"^Load model from .* failed: *", "", first.split(" : ")[-1].strip())


def _read_declared(nodes: Sequence[Any], path: str) -> tuple[TensorInfo, ...]:
    for node in nodes:
        if node.type not in ONNX_TYPES:
            raise fail(
                "NS723",
                f"{node.name!r} is {node.type}; served are {', '.join(sorted(ONNX_TYPES))}",
                path=path,
            )
    return tuple(
        TensorInfo(n.name, ONNX_TYPES[n.type], tuple(axis if axis != "" else None for axis in n.shape))
        for n in nodes
    )


def _conditions(metadata: Mapping[str, str], path: str) -> Conditions | None:
    try:
        return conditions(metadata.get(KEY))
    except (ValueError, RecursionError) as error:
        raise fail(
            "NS721", f"the metadata {KEY} must hold conditions on sizes: {error}", path=path
        ) from error


def _labels(metadata: Mapping[str, str], outputs: Sequence[TensorInfo], path: str) -> dict[str, list[str]]:
    """`netspec.labels`: a JSON object of lists by output name, or one list where the model has one
    output.
    """
    if LABELS not in metadata:
        return {}
    try:
        labels = read_json(metadata[LABELS])
    except JsonError as error:
        raise fail("NS721", f"the metadata {LABELS} must be sound JSON: {error}", path=path) from error
    if isinstance(labels, list) and len(outputs) == 1:
        labels = {outputs[0].name: labels}
    if not isinstance(labels, dict) or not all(
        isinstance(v, list) and all(isinstance(x, str) for x in v) for v in labels.values()
    ):
        raise fail(
            "NS721",
            f"the metadata {LABELS} must map each output to a list of class names",
            path=path,
        )
    return labels
