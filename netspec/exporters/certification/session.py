"""An exported model under onnxruntime: whole, with inner tensors shown, or cut off after a node.
In: a file or bytes; out: arrays.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import fail

if TYPE_CHECKING:
    import numpy as np
    from onnx import GraphProto, ModelProto

    Array = np.ndarray[Any, Any]

__all__ = ["CannotRunError", "Exported", "Session", "reason"]


class CannotRunError(Exception):
    """onnxruntime cannot load or run the model. Its own exceptions share no base of their own."""


class Session:
    """A model that runs. With cuda, TensorFloat-32 is off, as it is in torch by default: it is no
    float32.
    """

    def __init__(
        self,
        model: Path | bytes,
        device: str,
        profile: str = "",
        weights: "Mapping[str, Array] | None" = None,
        optimised: bool = True,
    ) -> None:
        """profile: where onnxruntime writes the times of its nodes, as the beginning of a file's
        name.

        weights: values of the initializers that the model says are kept outside it. optimised:
        whether onnxruntime may change the graph.
        """
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 4  # fatal: the rest comes as exceptions
        if profile:
            options.enable_profiling, options.profile_file_prefix = True, profile
        if not optimised:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        if weights is not None:
            # kept: onnxruntime reads them where they lie
            self.held = [ort.OrtValue.ortvalue_from_numpy(array) for array in weights.values()]
            options.add_external_initializers(list(weights), self.held)
        providers: list[Any] = ["CPUExecutionProvider"]
        if device == "cuda":
            # finds the libraries of CUDA that came with torch
            if hasattr(ort, "preload_dlls"):
                ort.preload_dlls()
            providers.insert(0, ("CUDAExecutionProvider", {"use_tf32": "0"}))
        try:
            self.session = ort.InferenceSession(
                str(model) if isinstance(model, Path) else model, options, providers=providers
            )
        except Exception as error:
            raise CannotRunError(reason(error)) from error
        if device == "cuda" and self.session.get_providers()[0] != "CUDAExecutionProvider":
            raise fail(
                "NS722",
                f"cuda was asked for, but onnxruntime {ort.__version__} could only load"
                f" {self.session.get_providers()[0]}",
            )
        self.inputs = [i.name for i in self.session.get_inputs()]
        self.outputs = [o.name for o in self.session.get_outputs()]

    def run(self, feed: "Mapping[str, Array]") -> "dict[str, Array]":
        """All outputs by name. Raises CannotRunError."""
        try:
            return dict(
                zip(
                    self.outputs,
                    self.session.run(None, {name: feed[name] for name in self.inputs}),
                    strict=True,
                )
            )
        except Exception as error:
            raise CannotRunError(reason(error)) from error


class Exported:
    """The model to be certified, and copies of it that show more, hold less, or bear other weights;
    no copy has its weights in it.
    """

    def __init__(self, model: Path | bytes, weights: Collection[str]) -> None:
        """weights: which initializers are such; constants of the graph stay in it, since
        onnxruntime infers shapes from them.
        """
        self.model, self.names = model, frozenset(weights)

    @cached_property
    def places(self) -> dict[str, int]:
        """For each tensor that a node makes, how many nodes it takes to make it: itself and all
        before.
        """
        return {name: i for i, node in enumerate(self.bare.graph.node, 1) for name in node.output}

    @cached_property
    def bare(self) -> "ModelProto":
        """The model as a message, its weights outside of it, as `weights` holds them."""
        from onnx import TensorProto

        found = self.proto()
        for tensor in found.graph.initializer:
            if tensor.name in self.weights:
                stub = TensorProto(
                    name=tensor.name,
                    dims=tensor.dims,
                    data_type=tensor.data_type,
                    data_location=TensorProto.EXTERNAL,
                )
                stub.external_data.add(key="location", value="outside")
                tensor.CopyFrom(stub)
        return found

    @cached_property
    def weights(self) -> "dict[str, Array]":
        """The model's weights, wherever they lie, by name."""
        from onnx import TensorProto, numpy_helper

        if isinstance(self.model, Path):
            folder = str(self.model.parent)
        else:
            folder = ""
        held = [
            t
            for t in self.proto().graph.initializer
            if t.data_type == TensorProto.FLOAT and t.name in self.names
        ]
        return {t.name: numpy_helper.to_array(t, folder) for t in held}

    @contextmanager
    def show(
        self,
        tensors: Sequence[str],
        device: str,
        nodes: int | None = None,
        weights: "Mapping[str, Array] | None" = None,
    ) -> Iterator[Session]:
        """A copy whose outputs are the states it leaves and those of `tensors` that it makes; of
        its first `nodes` nodes, if given.

        weights: those that differ from the model's.
        """
        from onnx import ModelProto

        copy = ModelProto()
        copy.CopyFrom(self.bare)
        if nodes is not None:
            del copy.graph.node[nodes:]
        show(copy, tensors)
        held = self.read_by(copy.graph, {**self.weights, **(weights or {})})
        # as written: fusing would do away with tensors that are to be seen
        yield Session(copy.SerializeToString(), device, weights=held, optimised=False)

    def serve(self, device: str, weights: "Mapping[str, Array]") -> Session:
        """The model as it is, optimised as onnxruntime pleases; with `weights` in place of its own
        where any are given.
        """
        if not weights:
            return Session(self.model, device)
        held = self.read_by(self.bare.graph, {**self.weights, **weights})
        return Session(self.bare.SerializeToString(), device, weights=held)

    def read_by(self, graph: "GraphProto", weights: "Mapping[str, Array]") -> "dict[str, Array]":
        """Those weights that are kept outside and that a node reads: onnxruntime knows no
        others.
        """
        used = set(names_read(graph))
        return {name: array for name, array in weights.items() if name in self.weights and name in used}

    def proto(self) -> "ModelProto":
        """The model as a message; data kept in a file beside it stay there."""
        import onnx

        if isinstance(self.model, bytes):
            return onnx.load_model_from_string(self.model)
        # protobuf, whatever its name ends in
        return onnx.load(str(self.model), format="protobuf", load_external_data=False)


def names_read(graph: "GraphProto") -> Iterator[str]:
    """What the nodes of a graph read, those of inner graphs too."""
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from names_read(attribute.g)


def show(model: "ModelProto", tensors: Sequence[str]) -> None:
    """Make the tensors outputs, of known element type and of any shape: what the model claims of
    shapes is not to be trusted here.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.output)}
    made = {name for node in graph.node for name in node.output}
    inputs = {i.name for i in graph.input}
    names = [
        n for n in dict.fromkeys((*(o.name for o in graph.output), *tensors)) if n in made and n not in inputs
    ]
    del graph.value_info[:]
    del graph.output[:]
    graph.output.extend(
        helper.make_tensor_value_info(n, types.get(n, TensorProto.FLOAT), None) for n in names
    )


def reason(error: Exception) -> str:
    """An onnxruntime message without its numbers and the lines after the first."""
    # "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : what is wrong"
    return (str(error).strip() or type(error).__name__).splitlines()[0].split(" : ", 2)[-1].strip()
