"""A folder of small ONNX models, servers for them, and onnxruntime itself to compare with."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from serving_parts import Server, random, save


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models, each with another kind of signature."""
    folder = tmp_path_factory.mktemp("models")
    node, real = helper.make_node, TensorProto.FLOAT
    labels = {"netspec.labels": '{"prob": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight"]}',
              "netspec.certified": "difference 1e-7, tolerance 1e-6", "netspec.rows": "apart", "author": "someone"}  # fmt: skip
    lenet = [node("Conv", ["data", "w1", "b1"], ["c1"]), node("Relu", ["c1"], ["r1"]),
             node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]), node("Flatten", ["p1"], ["f"]),
             node("Gemm", ["f", "w2"], ["ip"], transB=1), node("Softmax", ["ip"], ["prob"], axis=1)]  # fmt: skip
    weights = {"w1": random(1, 6, 1, 5, 5) / 5, "b1": random(2, 6), "w2": random(3, 10, 864) / 30}
    outputs = [("prob", real, ["N", 10]), ("ip", real, ["N", 10])]
    save(folder / "lenet.onnx", lenet, [("data", real, ["N", 1, 28, 28])], outputs, weights, labels)
    save(folder / "fixed.onnx", lenet, [("data", real, [2, 1, 28, 28])], [("prob", real, [2, 10])], weights)
    save(folder / "two.onnx", [node("Concat", ["a", "b"], ["c"], axis=1), node("ReduceSum", ["c", "axes"], ["sum"], keepdims=0)],
         [("a", real, ["N", 3]), ("b", real, ["N", "M"])], [("c", real, ["N", None]), ("sum", real, ["N"])],
         {"axes": np.array([1])})  # fmt: skip
    save(folder / "open.onnx", [node("Conv", ["x", "w"], ["y"])], [("x", real, ["N", 2, "H", "W"])], [("y", real, ["N", 3, None, None])],
         {"w": random(4, 3, 2, 5, 5)})  # fmt: skip
    save(folder / "gram.onnx", [node("Transpose", ["x"], ["t"]), node("MatMul", ["x", "t"], ["y"])],
         [("x", real, ["N", 3])], [("y", real, ["N", "N"])])  # fmt: skip
    # Declares N rows but keeps those whose first value is positive.
    save(folder / "lying.onnx", [node("Gather", ["x", "first"], ["g"], axis=1), node("Greater", ["g", "zero"], ["keep"]),
                                 node("Compress", ["x", "keep"], ["y"], axis=0)],
         [("x", real, ["N", 3])], [("y", real, ["N", 3])], {"first": np.int64(0), "zero": np.float32(0)})  # fmt: skip
    types = {"BOOL": "BOOL", "UINT8": "UINT8", "UINT16": "UINT16", "UINT32": "UINT32", "UINT64": "UINT64", "INT8": "INT8", "INT16": "INT16",
             "INT32": "INT32", "INT64": "INT64", "FLOAT16": "FP16", "FLOAT": "FP32", "DOUBLE": "FP64", "STRING": "BYTES"}  # fmt: skip
    save(folder / "types.onnx", [node("Identity", [t], [f"{t}_out"]) for t in types.values()],
         [(t, getattr(TensorProto, name), ["N", "M"]) for name, t in types.items()],
         [(f"{t}_out", getattr(TensorProto, name), ["N", "M"]) for name, t in types.items()])  # fmt: skip
    save(folder / "gather.onnx", [node("Gather", ["table", "index"], ["row"])], [("index", TensorProto.INT64, ["N"])],
         [("row", real, ["N", 3])], {"table": random(5, 4, 3)})  # fmt: skip
    heavy = [node("Conv", [f"h{i}" if i else "x", "w"], [f"h{i + 1}"], pads=[3, 3, 3, 3]) for i in range(12)]
    image = (real, [1, 16, 64, 64])
    save(
        folder / "heavy.onnx", heavy, [("x", *image)], [("h12", *image)], {"w": random(6, 16, 16, 7, 7) / 28}
    )
    return folder


@pytest.fixture(scope="module")
def start(models: Path) -> Iterator[Callable[..., Server]]:
    """Start a server for a model of the folder, once a module for the same arguments; every one must end cleanly."""
    running: dict[tuple[str, ...], Server] = {}

    def start(name: str, *options: str) -> Server:
        key = (name, *options)
        if key not in running:
            running[key] = Server([str(models / f"{name}.onnx"), "--device", "cpu", *options])
        return running[key]

    yield start
    for server in running.values():
        if server.process.poll() is None:
            assert server.stop() == (0, "", "")


@pytest.fixture(scope="session")
def direct(models: Path) -> Callable[..., dict[str, np.ndarray]]:
    """The same model run by onnxruntime itself."""
    sessions: dict[str, onnxruntime.InferenceSession] = {}

    def run(name: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        if name not in sessions:
            sessions[name] = onnxruntime.InferenceSession(
                models / f"{name}.onnx", providers=["CPUExecutionProvider"]
            )
        return dict(
            zip([o.name for o in sessions[name].get_outputs()], sessions[name].run(None, inputs), strict=True)
        )

    return run
