"""An exported model under onnxruntime: whole, with inner tensors shown, or cut off after a node. In: a file or bytes; out: arrays."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import fail

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    Array = np.ndarray[Any, Any]

__all__ = ["CannotRunError", "Exported", "Session", "reason"]


class CannotRunError(Exception):
    """onnxruntime cannot load or run the model. Its own exceptions share no base of their own."""


class Session:
    """A model that runs. With cuda, TensorFloat-32 is off, as it is in torch by default: it is no float32."""

    def __init__(self, model: Path | bytes, device: str, profile: str = "") -> None:
        """profile: where onnxruntime writes the times of its nodes, as the beginning of a file's name."""
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 4
        if profile:
            options.enable_profiling, options.profile_file_prefix = True, profile
        providers: list[Any] = ["CPUExecutionProvider"]
        if device == "cuda":
            if hasattr(ort, "preload_dlls"):
                ort.preload_dlls()
            providers.insert(0, ("CUDAExecutionProvider", {"use_tf32": "0"}))
        try:
            self.session = ort.InferenceSession(str(model) if isinstance(model, Path) else model, options, providers=providers)
        except Exception as error:
            raise CannotRunError(reason(error)) from error
        if device == "cuda" and self.session.get_providers()[0] != "CUDAExecutionProvider":
            raise fail("NS722", f"cuda was asked for, but onnxruntime {ort.__version__} could only load {self.session.get_providers()[0]}")
        self.inputs = [i.name for i in self.session.get_inputs()]
        self.outputs = [o.name for o in self.session.get_outputs()]

    def run(self, feed: "Mapping[str, Array]") -> "dict[str, Array]":
        """All outputs by name. Raises CannotRunError."""
        try:
            return dict(zip(self.outputs, self.session.run(None, {name: feed[name] for name in self.inputs}), strict=True))
        except Exception as error:
            raise CannotRunError(reason(error)) from error


class Exported:
    """The model to be certified, and copies of it that show more or hold less."""

    def __init__(self, model: Path | bytes) -> None:
        self.model = model

    @cached_property
    def places(self) -> dict[str, int]:
        """For each tensor that a node makes, how many nodes it takes to make it: itself and all before."""
        return {name: i for i, node in enumerate(self.proto().graph.node, 1) for name in node.output}

    @contextmanager
    def shown(self, tensors: Sequence[str], device: str, nodes: int | None = None) -> Iterator[Session]:
        """A copy whose outputs are the states it leaves and those of `tensors` that it makes; of its first `nodes` nodes, if given."""
        copy = self.proto()
        if nodes is not None:
            del copy.graph.node[nodes:]
        show(copy, tensors)
        if not isinstance(self.model, Path) or not kept_apart(copy):
            yield Session(copy.SerializeToString(), device)
            return
        beside = self.model.with_name(self.model.name + ".shown")
        try:
            beside.write_bytes(copy.SerializeToString())
            yield Session(beside, device)
        finally:
            beside.unlink(missing_ok=True)

    def proto(self) -> "ModelProto":
        """The model as a message; data kept in a file beside it stay there."""
        import onnx

        if isinstance(self.model, bytes):
            return onnx.load_model_from_string(self.model)
        return onnx.load(str(self.model), load_external_data=False)


def kept_apart(model: "ModelProto") -> bool:
    """Whether any weight lies in another file."""
    return any(tensor.external_data for tensor in model.graph.initializer)


def show(model: "ModelProto", tensors: Sequence[str]) -> None:
    """Make the tensors outputs, of known element type and of any shape: what the model claims of shapes is not to be trusted here."""
    from onnx import TensorProto, helper

    graph = model.graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.output)}
    made = {name for node in graph.node for name in node.output}
    inputs = {i.name for i in graph.input}
    names = [n for n in dict.fromkeys((*(o.name for o in graph.output), *tensors)) if n in made and n not in inputs]
    del graph.value_info[:]
    del graph.output[:]
    graph.output.extend(helper.make_tensor_value_info(n, types.get(n, TensorProto.FLOAT), None) for n in names)


def reason(error: Exception) -> str:
    """An onnxruntime message without its numbers and the lines after the first."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].split(" : ", 2)[-1].strip()
