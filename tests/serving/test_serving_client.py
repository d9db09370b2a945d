"""The protocol as a real client speaks it: every answer is compared with onnxruntime run directly."""

import json
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tritonclient.http as triton
from serving_parts import random
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

pytestmark = pytest.mark.onnx
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
STEPS = 7


def ask(client, model, outputs=None, binary=True, **inputs):
    """Infer with a client; the answer as a tritonclient result."""
    tensors = []
    for name, array in inputs.items():
        tensor = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array, binary_data=binary)
        tensors.append(tensor)
    return client.infer(model, tensors, outputs=outputs)


@pytest.fixture
def lenet(start):
    with triton.InferenceServerClient(start("lenet").address) as client:
        yield client


def test_health_and_metadata(lenet):
    assert lenet.is_server_live()
    assert lenet.is_server_ready()
    assert lenet.is_model_ready("lenet")
    assert lenet.is_model_ready("lenet", "1")
    assert not lenet.is_model_ready("alexnet")
    assert lenet.get_server_metadata()["extensions"][:2] == ["binary_tensor_data", "classification"]
    found = lenet.get_model_metadata("lenet", "1")
    assert found["name"] == "lenet"
    assert found["versions"] == ["1"]
    assert found["inputs"] == [{"name": "data", "datatype": "FP32", "shape": [-1, 1, 28, 28]}]
    assert found["outputs"][0] == {"name": "prob", "datatype": "FP32", "shape": [-1, 10]}
    assert sorted(found["parameters"]) == ["netspec.certified", "netspec.labels", "netspec.rows"]


@pytest.mark.parametrize("sends", [True, False])
@pytest.mark.parametrize("receives", [True, False])
def test_json_and_binary_both_ways(lenet, direct, sends, receives):
    data = random(0, 3, 1, 28, 28)
    outputs = [triton.InferRequestedOutput(name, binary_data=receives) for name in ("ip", "prob")]
    result = ask(lenet, "lenet", outputs, binary=sends, data=data)
    assert [o["name"] for o in result.get_response()["outputs"]] == ["ip", "prob"]
    for name, expected in direct("lenet", data=data).items():
        np.testing.assert_allclose(result.as_numpy(name), expected, **CLOSE)


def test_request_id_and_subset_of_outputs(lenet):
    tensor = triton.InferInput("data", [1, 1, 28, 28], "FP32").set_data_from_numpy(random(0, 1, 1, 28, 28))
    answer = lenet.infer(
        "lenet", [tensor], request_id="r-17", outputs=[triton.InferRequestedOutput("ip")]
    ).get_response()
    assert answer["id"] == "r-17"
    assert answer["model_name"] == "lenet"
    assert answer["model_version"] == "1"
    assert [o["name"] for o in answer["outputs"]] == ["ip"]


@pytest.mark.parametrize("sent", [None, "gzip", "deflate"])
def test_compressed_bodies(lenet, direct, sent):
    data = random(1, 1, 1, 28, 28)
    tensor = triton.InferInput("data", [1, 1, 28, 28], "FP32").set_data_from_numpy(data)
    result = lenet.infer(
        "lenet", [tensor], request_compression_algorithm=sent, response_compression_algorithm=sent
    )
    np.testing.assert_allclose(result.as_numpy("prob"), direct("lenet", data=data)["prob"], **CLOSE)


@pytest.mark.parametrize("binary", [True, False])
def test_classification(lenet, direct, binary):
    data = random(2, 2, 1, 28, 28)
    outputs = [
        triton.InferRequestedOutput("prob", binary_data=binary, class_count=10),
        triton.InferRequestedOutput("ip", class_count=2),
    ]
    result = ask(lenet, "lenet", outputs, data=data)
    prob = direct("lenet", data=data)["prob"]
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight"]
    for row, found in zip(prob, result.as_numpy("prob"), strict=True):
        order = sorted(range(10), key=lambda i: -row[i])
        said = [x.decode() if isinstance(x, bytes) else x for x in found]
        assert [x.split(":")[1:] for x in said] == [[str(i), names[i]] if i < 9 else ["9"] for i in order]
        np.testing.assert_allclose([float(x.split(":")[0]) for x in said], row[order], atol=2e-6)
    assert result.as_numpy("ip").shape == (2, 2)
    assert result.as_numpy("ip")[0, 0].count(b":") == 1


VALUES = {
    "BOOL": [[True, False], [False, True]], "UINT8": [[0, 255], [1, 2]], "UINT16": [[0, 65535], [1, 2]], "UINT32": [[0, 2**32 - 1], [1, 2]],
    "UINT64": [[0, 2**64 - 1], [1, 2]], "INT8": [[-128, 127], [1, 2]], "INT16": [[-(2**15), 2**15 - 1], [1, 2]],
    "INT32": [[-(2**31), 2**31 - 1], [1, 2]], "INT64": [[-(2**63), 2**63 - 1], [1, 2]], "FP16": [[0.1, -65504.0], [1, 2]],
    "FP32": [[0.1, 3.4e38], [1e-45, 2]], "FP64": [[0.1, 1e308], [5e-324, 2]], "BYTES": [["", "é"], ["a\0b", "日本"]],
}  # fmt: skip
NUMPY = {"BOOL": "bool", "FP16": "float16", "FP32": "float32", "FP64": "float64", "BYTES": "object"}


@pytest.mark.parametrize("sends", [True, False])
@pytest.mark.parametrize("receives", [True, False])
def test_every_datatype_survives_exactly(start, sends, receives):
    arrays = {t: np.array(values, dtype=NUMPY.get(t, t.lower())) for t, values in VALUES.items()}
    with triton.InferenceServerClient(start("types").address) as client:
        outputs = [triton.InferRequestedOutput(f"{t}_out", binary_data=receives) for t in arrays]
        result = ask(client, "types", outputs, binary=sends, **arrays)
    for t, array in arrays.items():
        found = result.as_numpy(f"{t}_out")
        if t == "BYTES":
            found = np.array(
                [x.decode() if isinstance(x, bytes) else x for x in found.flat], dtype=object
            ).reshape(2, 2)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("receives", [True, False])
def test_floats_that_json_cannot_say(start, receives):
    data = np.array([[np.nan, np.inf, -np.inf]], dtype=np.float32)
    with triton.InferenceServerClient(start("lying").address) as client:
        output = [triton.InferRequestedOutput("y", binary_data=receives)]
        assert ask(client, "lying", output, binary=False, x=data).as_numpy("y").shape == (0, 3)
        data = data[:, ::-1].copy() * -1
        np.testing.assert_array_equal(ask(client, "lying", output, binary=False, x=data).as_numpy("y"), data)


def test_empty_batch_and_unaligned_header(lenet):
    """onnxruntime can crash on an axis of length 0 (a Scan over none), so no request with one reaches it."""
    with pytest.raises(InferenceServerException, match="axis 0 is 0: a size is at least 1"):
        ask(lenet, "lenet", data=np.zeros((0, 1, 28, 28), np.float32))
    for length in range(1, 5):
        tensor = triton.InferInput("data", [1, 1, 28, 28], "FP32").set_data_from_numpy(
            random(0, 1, 1, 28, 28)
        )
        assert lenet.infer("lenet", [tensor], request_id="x" * length).as_numpy("prob").shape == (1, 10)


def test_symbolic_sizes(start, direct):
    with triton.InferenceServerClient(start("open").address) as client:
        for height, width in ((5, 5), (7, 12), (30, 6)):
            x = random(height, 2, 2, height, width)
            np.testing.assert_allclose(
                ask(client, "open", x=x).as_numpy("y"), direct("open", x=x)["y"], **CLOSE
            )
        with pytest.raises(InferenceServerException, match="cannot run on these inputs") as error:
            ask(client, "open", x=random(0, 1, 2, 3, 3))
        assert error.value.status() == "400"


def requests_for(model: str, client: int):
    """Inputs of one client, of varying sizes where the model allows."""
    rng = np.random.default_rng(client)
    for step in range(STEPS):
        n, seed = int(rng.integers(1, 4)), 1000 * client + step
        if model == "lenet":
            yield {"data": random(seed, n, 1, 28, 28)}
        elif model == "fixed":
            yield {"data": random(seed, 2, 1, 28, 28)}
        elif model == "two":
            yield {"a": random(seed, n, 3), "b": random(seed + 500, n, int(rng.integers(1, 4)))}
        elif model == "open":
            yield {"x": random(seed, n, 2, int(rng.integers(5, 8)), 6)}
        elif model == "gather":
            yield {"index": rng.integers(0, 6, n)}  # 4 and 5 are out of range
        else:
            yield {"x": random(seed, n, 3)}


@pytest.mark.parametrize("model", ["lenet", "fixed", "two", "open", "gram", "lying", "gather"])
def test_32_clients_at_once_each_get_their_own_answer(start, direct, model):
    server, together = start(model, "--max-batch", "16"), threading.Barrier(32)

    def work(number: int) -> int:
        checked = 0
        with triton.InferenceServerClient(server.address) as client:
            together.wait()
            for step, inputs in enumerate(requests_for(model, number)):
                try:
                    result = ask(client, model, binary=step % 3 > 0, **inputs)
                except InferenceServerException as error:
                    assert model == "gather"
                    assert "out of data bounds" in str(error)
                    assert inputs["index"].max() > 3
                    checked += 1
                    continue
                for name, expected in direct(model, **inputs).items():
                    np.testing.assert_allclose(result.as_numpy(name), expected, **CLOSE)
                checked += 1
        return checked

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(work, range(32))) == [STEPS] * 32


def test_metrics_count_requests_and_joined_rows(start):
    server = start("heavy", "--name", "slow")
    data = random(0, 1, 16, 64, 64)

    def work(_: int) -> None:
        with triton.InferenceServerClient(server.address) as client:
            ask(client, "slow", x=data)
            with pytest.raises(InferenceServerException):
                ask(client, "slow", x=data[0])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    text = urllib.request.urlopen(f"http://{server.address}/metrics").read().decode()
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(lines['netspec_requests_total{model="slow",status="200",version="1"}']) == 4
    assert float(lines['netspec_requests_total{model="slow",status="400",version="1"}']) == 4
    assert float(lines['netspec_request_seconds_count{model="slow",version="1"}']) == 8
    assert float(lines['netspec_batch_rows_count{model="slow",version="1"}']) == 4
    assert float(lines['netspec_queue_depth{model="slow",version="1"}']) == 0
    assert float(lines['netspec_requests_in_progress{model="slow",version="1"}']) == 0


def test_waiting_requests_are_joined(start):
    """Of 32 requests at once, what queued up behind the first runs together: fewer runs than requests, all rows accounted for."""
    server = start("lenet", "--name", "joined")
    # as bytes: reading JSON would take longer than running, and nothing would wait
    said = {
        "name": "data",
        "datatype": "FP32",
        "shape": [4, 1, 28, 28],
        "parameters": {"binary_data_size": 12544},
    }
    head = json.dumps({"inputs": [said]}).encode()
    words = {"Inference-Header-Content-Length": str(len(head))}
    asked_for = urllib.request.Request(
        f"http://{server.address}/v2/models/joined/infer",
        head + np.full(3136, 0.5, np.float32).tobytes(),
        {**words, "Content-Type": "application/octet-stream"},
    )
    together = threading.Barrier(32)

    def work(_: int) -> int:
        together.wait()
        for _ in range(2):
            urllib.request.urlopen(asked_for).read()
        return 2

    with ThreadPoolExecutor(32) as pool:
        asked = sum(pool.map(work, range(32)))
    text = urllib.request.urlopen(f"http://{server.address}/metrics").read().decode()
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(lines['netspec_batch_rows_sum{model="joined",version="1"}']) == 4 * asked
    assert float(lines['netspec_batch_rows_count{model="joined",version="1"}']) < asked
