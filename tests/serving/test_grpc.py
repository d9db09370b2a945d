"""The protocol over gRPC, by tritonclient: the same answers and refusals as over HTTP, by the same limits."""

import asyncio
import contextlib
import gc
import http.client
import json
import queue
import re
import ssl
import sys
import threading
import tracemalloc
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from click.testing import CliRunner
from onnx import TensorProto, helper
from serving_parts import Halting, Inside, Server, infer, make_certificate, random, save
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from netspec.cli.serve import command
from netspec.serving.doorkeeper import Doorkeeper
from netspec.serving.lifecycle import Ways
from netspec.serving.limits import Limits
from netspec.serving.rpc.messages import make_pool, messages
from netspec.serving.rpc.server import REFUSED, STREAMS, Address
from netspec.serving.rpc.tensors import read_message
from netspec.serving.rpc.wire import check_parts
from netspec.serving.tensors import RequestError

pytestmark = pytest.mark.onnx
LIMITS = Limits(max_message=1 << 20, max_json=5000, queue=50, body_seconds=0.5, max_batch=4)
DATA = random(0, 3, 1, 28, 28)


@pytest.fixture(scope="module")
def served(models: Path) -> Iterator[Inside]:
    ways = Ways(grpc=Address("127.0.0.1", 0), control=True)
    with Inside(models / "lenet.onnx", LIMITS, ways=ways) as server:
        server.grpc = f"127.0.0.1:{server.site.rpc.port}"
        yield server


@pytest.fixture
def client(served: Inside) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(served.grpc) as client:
        yield client


@pytest.fixture
def stub(served: Inside) -> Iterator[service_pb2_grpc.GRPCInferenceServiceStub]:
    with grpc.insecure_channel(served.grpc) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def tensor(name: str, array: np.ndarray) -> triton.InferInput:
    made = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    return made.set_data_from_numpy(array)


def test_the_table_is_the_published_one() -> None:
    """Every message and field by number, type and label, as another implementation's generated code has them."""
    pool = make_pool()
    published = service_pb2.DESCRIPTOR.pool
    for name, fields in messages():
        mine, theirs = (each.FindMessageTypeByName(f"inference.{name}") for each in (pool, published))
        for field in mine.fields:
            other = theirs.fields_by_name[field.name]
            said = [(f.number, f.type, f.is_repeated, bool(f.containing_oneof)) for f in (field, other)]
            assert said[0] == said[1], (name, field.name)
            if field.message_type:
                assert field.message_type.full_name == other.message_type.full_name
        assert len(mine.fields) == len(fields)
    for name in ("DataType", "ModelInstanceGroup.Kind"):
        mine, theirs = (
            each.FindEnumTypeByName(f"inference.{name}") for each in (pool, model_config_pb2.DESCRIPTOR.pool)
        )
        assert {v.name: v.number for v in mine.values}.items() <= {
            v.name: v.number for v in theirs.values
        }.items()


def test_what_it_tells_is_what_http_tells(served: Inside, client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("lenet", "1")
    assert not client.is_model_ready("alexnet")
    assert client.get_server_metadata(as_json=True) == served.get("/v2")[1]
    said = client.get_model_metadata("lenet", as_json=True)
    for side in ("inputs", "outputs"):
        for each in said[side]:
            each["shape"] = [int(n) for n in each["shape"]]
    assert said.items() <= served.get("/v2/models/lenet")[1].items()
    config = client.get_model_config("lenet", as_json=True)["config"]
    told = served.get("/v2/models/lenet/config")[1]
    assert config["parameters"] == told["parameters"]
    assert [config["max_batch_size"], config["input"][0]["dims"], config["input"][0]["data_type"]] == [
        4,
        ["1", "28", "28"],
        "TYPE_FP32",
    ]
    index = client.get_model_repository_index(as_json=True)["models"]
    assert index == [{"name": "lenet", "version": "1", "state": "READY"}]
    before = client.get_inference_statistics("lenet", as_json=True)["model_stats"][0]
    client.infer("lenet", [tensor("data", DATA)])
    after = client.get_inference_statistics(as_json=True)["model_stats"][0]
    count = [int(each.get("inference_count", 0)) for each in (before, after)]
    assert count[1] - count[0] == 3
    assert (
        int(after["inference_stats"]["success"]["count"])
        - int(before["inference_stats"]["success"].get("count", 0))
        == 1
    )


def test_answers_are_those_of_http_to_the_bit(served: Inside, client: triton.InferenceServerClient) -> None:
    expected = infer(served, "lenet", data=DATA)[1]
    found = client.infer("lenet", [tensor("data", DATA)], request_id="r-1")
    assert found.get_response().id == "r-1"
    for name, array in expected.items():
        np.testing.assert_array_equal(found.as_numpy(name), array)
    best = client.infer(
        "lenet", [tensor("data", DATA)], outputs=[triton.InferRequestedOutput("prob", class_count=2)]
    )
    words = best.as_numpy("prob")[0, 0].decode().split(":")
    assert int(words[1]) == expected["prob"][0].argmax()
    assert words[2] in ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight")
    assert [o.name for o in best.get_response().outputs] == ["prob"]


def test_both_forms_of_tensors_of_every_datatype(models: Path) -> None:
    arrays = {
        "BOOL": np.array([[True, False]]), "FP16": np.array([[0.5, -2]], np.float16), "FP32": np.array([[0.1, np.inf]], np.float32),
        "FP64": np.array([[0.1, 1e300]]), "BYTES": np.array([["é", ""]], dtype=object),
    }  # fmt: skip
    for bits in (8, 16, 32, 64):
        for kind in ("int", "uint"):
            limits = np.iinfo(f"{kind}{bits}")
            arrays[f"{kind.upper()}{bits}"] = np.array([[limits.min, limits.max]], limits.dtype)
    fields = {
        "BOOL": "bool", "INT8": "int", "INT16": "int", "INT32": "int", "INT64": "int64", "UINT8": "uint", "UINT16": "uint",
        "UINT32": "uint", "UINT64": "uint64", "FP32": "fp32", "FP64": "fp64", "BYTES": "bytes",
    }  # fmt: skip
    with Inside(models / "types.onnx", Limits(), ways=Ways(grpc=Address("127.0.0.1", 0))) as server:
        at = f"127.0.0.1:{server.site.rpc.port}"
        with triton.InferenceServerClient(at) as client, grpc.insecure_channel(at) as channel:
            found = client.infer("types", [tensor(name, array) for name, array in arrays.items()])
            for name, array in arrays.items():
                got = found.as_numpy(f"{name}_out")
                np.testing.assert_array_equal(
                    got if name != "BYTES" else [[x.decode() for x in got[0]]], array, err_msg=name
                )
            asked = service_pb2.ModelInferRequest(model_name="types")
            for name, array in arrays.items():
                added = asked.inputs.add(name=name, datatype=name, shape=array.shape)
                if name in fields:
                    values = [x.encode() if name == "BYTES" else x for x in array.ravel().tolist()]
                    getattr(added.contents, f"{fields[name]}_contents").extend(values)
            infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
            with pytest.raises(grpc.RpcError, match="input 'FP16' of datatype FP16 needs raw_input_contents"):
                infer(asked)
    with Inside(models / "two.onnx", Limits(), ways=Ways(grpc=Address("127.0.0.1", 0))) as server:
        at = f"127.0.0.1:{server.site.rpc.port}"
        with grpc.insecure_channel(at) as channel:
            asked = service_pb2.ModelInferRequest(model_name="two", id="t")
            for name, shape in (("a", [1, 3]), ("b", [1, 2])):
                asked.inputs.add(name=name, datatype="FP32", shape=shape).contents.fp32_contents.extend(
                    range(shape[1])
                )
            answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(asked)
    assert list(answer.outputs[0].contents.fp32_contents) == [0, 1, 2, 0, 1]
    assert (answer.id, len(answer.raw_output_contents)) == ("t", 0)


@pytest.mark.parametrize("raw", [True, False])
def test_rows_of_a_table_are_refused_as_over_http(raw: bool, tmp_path: Path) -> None:
    """NaN is an empty cell where training filled some; a number is a category's, or none."""
    columns = [{"name": "age", "fill": 30.0}, {"name": "kind", "form": "one_hot", "categories": ["a", "b"]}]
    said = {"netspec.table": "data", "netspec.data": json.dumps({"columns": columns})}
    node, taken = helper.make_node("Identity", ["data"], ["y"]), (TensorProto.FLOAT, ["N", 2])
    path = save(tmp_path / "rows.onnx", [node], [("data", *taken)], [("y", *taken)], metadata=said)
    with Inside(path, Limits(), ways=Ways(grpc=Address("127.0.0.1", 0))) as server:
        at = f"127.0.0.1:{server.site.rpc.port}"
        with triton.InferenceServerClient(at) as client, grpc.insecure_channel(at) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

            def ask(row: list[float]) -> np.ndarray:
                rows = np.array([[20, 0], row], np.float32)
                if raw:
                    return client.infer("rows", [tensor("data", rows)]).as_numpy("y")
                asked = service_pb2.ModelInferRequest(model_name="rows")
                given = asked.inputs.add(name="data", datatype="FP32", shape=rows.shape)
                given.contents.fp32_contents.extend(rows.ravel().tolist())
                found = stub.ModelInfer(asked).outputs[0].contents.fp32_contents
                return np.array(found, np.float32).reshape(rows.shape)

            np.testing.assert_array_equal(ask([np.nan, 1]), [[20, 0], [np.nan, 1]])
            for row in ([30, 2], [30, 0.5], [30, np.nan], [np.inf, 1]):
                http = infer(server, "rows", data=np.array([[20, 0], row], np.float32))
                with pytest.raises((InferenceServerException, grpc.RpcError)) as error:
                    ask(row)
                told = error.value.message() if raw else error.value.details()
                assert http == (400, told) and told.startswith("row 1 of input 'data': ")


def refused(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(InferenceServerException) as error:
        call()
    return error.value.status().removeprefix("StatusCode."), error.value.message()


def test_refusals_have_the_words_of_http(served: Inside, client: triton.InferenceServerClient) -> None:
    wrong = tensor("data", DATA[:, :, :27])
    unknown = triton.InferRequestedOutput("softmax")
    data = tensor("data", DATA)
    assert refused(lambda: client.infer("alexnet", [data])) == (
        "NOT_FOUND",
        "unknown model 'alexnet': this server has 'lenet'",
    )
    http = served.wrong(
        "lenet", inputs=[{"name": "data", "datatype": "FP32", "shape": [3, 1, 27, 28], "data": []}]
    )[1]
    assert refused(lambda: client.infer("lenet", [wrong])) == ("INVALID_ARGUMENT", http)
    assert refused(lambda: client.infer("lenet", [data], outputs=[unknown])) == (
        "INVALID_ARGUMENT",
        "unknown output 'softmax': the model has prob, ip",
    )
    assert (
        refused(lambda: client.infer("lenet", [data], priority=1))[1]
        == "unknown parameter 'priority' of the request: understood is timeout"
    )
    data.set_shared_memory("region", 9408)
    assert refused(lambda: client.infer("lenet", [data]))[0] == "INVALID_ARGUMENT"
    assert refused(lambda: client.load_model("alexnet"))[0] == "NOT_FOUND"
    assert (
        refused(lambda: client.load_model("lenet", config="{}"))[1]
        == "unknown parameter 'config': a model is loaded as its folder has it"
    )
    assert refused(lambda: client.unload_model("alexnet"))[0] == "NOT_FOUND"
    calls = [
        client.get_trace_settings, client.get_log_settings, client.get_system_shared_memory_status, client.get_cuda_shared_memory_status,
        lambda: client.update_log_settings({}), client.update_trace_settings,
        lambda: client.register_system_shared_memory("r", "/r", 8), client.unregister_system_shared_memory,
        lambda: client.register_cuda_shared_memory("r", b"", 0, 8), client.unregister_cuda_shared_memory,
    ]  # fmt: skip
    for call in calls:
        status, words = refused(call)
        assert status == "UNIMPLEMENTED"
        assert words.partition(": this server has no ")[0] in REFUSED


def test_what_is_no_message(served: Inside) -> None:
    with grpc.insecure_channel(served.grpc) as channel:
        call = channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")
        for sent, words in (
            (b"\x0a\x7f", "the message must be a ModelInferRequest: a field ends behind the end"), (b"\x0b", "a field of kind 3"),
            (b"\x80", "it is cut off"), (b"\x0a\x01\xff", "it cannot be decoded"),
        ):  # fmt: skip
            with pytest.raises(grpc.RpcError) as error:
                call(iter([sent]))
            assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT, sent
            assert words in error.value.details()
        with pytest.raises(grpc.RpcError, match="must have one"):
            call(iter([]))
        waits = threading.Event()

        def slow() -> Iterator[bytes]:
            waits.wait(10)
            yield b""

        with pytest.raises(grpc.RpcError, match=r"the message must arrive within 0\.5 seconds"):
            call(slow())
        waits.set()


def test_raw_tensors_stay_where_they_lie_in_the_message() -> None:
    asked = service_pb2.ModelInferRequest(
        model_name="lenet", raw_input_contents=[b"one" * 9, b"", b"two" * 999]
    )
    asked.inputs.add(name="data", datatype="FP32", shape=[7])
    body = asked.SerializeToString()
    message, raw = read_message(body, 100)
    assert [bytes(each) for each in raw] == list(asked.raw_input_contents)
    assert all(each.obj is body for each in raw)
    assert (message.model_name, message.inputs[0].name, len(message.raw_input_contents)) == (
        "lenet",
        "data",
        0,
    )


def test_a_message_is_held_against_the_limits_before_it_is_read(
    served: Inside, client: triton.InferenceServerClient
) -> None:
    status, words = refused(
        lambda: client.infer("lenet", [tensor("data", np.zeros((400, 1, 28, 28), np.float32))])
    )
    assert status == "RESOURCE_EXHAUSTED"
    assert "larger than max" in words
    served.wait_for(lambda: not served.site.gate.bodies)  # of a test whose client did not wait for its answer
    with served.site.gate.hold(LIMITS.max_bodies - 1000):
        assert refused(lambda: client.infer("lenet", [tensor("data", DATA)])) == (
            "UNAVAILABLE",
            "the bodies in flight may have 268435456 bytes together; try again later",
        )
    with pytest.raises(RequestError, match="4096 parts") as error:
        check_parts(b"\x2a\x00" * 5000, 1 << 22)
    assert error.value.status == 413
    with pytest.raises(RequestError, match="4096 parts"):  # a shape of 5,000 numbers in one packed field
        check_parts(b"\x2a\x8b\x27\x1a\x88\x27" + b"\x01" * 5000, 1 << 22)
    many = service_pb2.ModelInferRequest()
    many.inputs.add().contents.fp32_contents.extend([0.5] * 300)
    for field, value in (
        ("int_contents", 1),
        ("uint64_contents", 300),
        ("fp64_contents", 0.5),
        ("bytes_contents", b""),
        ("bool_contents", True),
    ):
        getattr(many.inputs.add().contents, field).extend([value] * 300)
    check_parts(many.SerializeToString(), 1800)
    with pytest.raises(RequestError, match="1799 values"):
        check_parts(many.SerializeToString(), 1799)
    asked = service_pb2.ModelInferRequest(model_name="lenet")
    asked.inputs.add(name="data", datatype="FP32", shape=[7, 1, 28, 28]).contents.fp32_contents.extend(
        [0.0] * 7 * 784
    )
    with (
        grpc.insecure_channel(served.grpc) as channel,
        pytest.raises(grpc.RpcError, match="may hold 5000 values"),
    ):
        service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(asked)


def test_no_more_is_read_than_bodies_may_have(models: Path) -> None:
    """gRPC tells a message's size once it has all of it, and then has it twice: as many are read at a time as could be of the largest
    size. Here three, of ten that are never whole; a probe is answered all the same."""

    class Message:
        """What a call has to read; asked: how often that was begun."""

        asked = 0

        def __init__(self) -> None:
            self.whole = asyncio.Event()

        async def read(self) -> bytes:
            Message.asked += 1
            await self.whole.wait()
            return b"x"

    limits = Limits(max_message=1 << 20, max_bodies=13 << 19, body_seconds=0.5)
    with Inside(models / "lenet.onnx", limits, ways=Ways(grpc=Address("127.0.0.1", 0))) as server:
        rpc, messages = server.site.rpc, [Message() for _ in range(10)]

        async def begin() -> list[asyncio.Task]:
            return [asyncio.ensure_future(rpc.read(message)) for message in messages]

        tasks = server.call(begin())
        server.wait_for(lambda: server.site.gate.bodies == 6 << 20)
        server.loop.call_soon_threadsafe(messages[0].whole.set)
        server.wait_for(lambda: tasks[0].done() and Message.asked == 4)
        with triton.InferenceServerClient(f"127.0.0.1:{rpc.port}") as client:
            assert client.is_server_live() and client.is_server_ready()
            client.get_server_metadata()
        server.wait_for(lambda: all(task.done() for task in tasks))
        assert tasks[0].result() == b"x" and {task.exception().status for task in tasks[1:]} == {408}
        assert (server.site.gate.bodies, rpc.reading) == (0, 0)
        assert infer_over(rpc.port, DATA[:1]).shape == (1, 10)


def test_a_message_that_was_answered_or_refused_is_freed_at_once(
    models: Path, client: triton.InferenceServerClient, served: Inside
) -> None:
    """No cycle holds it until the collector comes, which is after tens of thousands of objects."""
    whole = random(0, 300, 1, 28, 28)  # 0.9 MiB
    read_there = tracemalloc.Filter(True, "*/rpc/server.py", all_frames=True)

    def held() -> int:
        traces = tracemalloc.take_snapshot().filter_traces([read_there]).statistics("filename")
        return sum(each.size for each in traces)

    gc.collect()
    gc.disable()
    tracemalloc.start(16)
    try:
        for _ in range(3):
            client.infer("lenet", [tensor("data", whole)])
            refused(lambda: client.infer("none", [tensor("data", whole)]))
        answers = queue.Queue[object]()
        client.start_stream(lambda result, error: answers.put(error))
        for _ in range(3):
            client.async_stream_infer("lenet", [tensor("data", whole)])
            assert answers.get(timeout=60) is None
        served.wait_for(lambda: held() < whole.nbytes)
        client.stop_stream(cancel_requests=True)
    finally:
        tracemalloc.stop()
        gc.enable()


def infer_over(port: int, data: np.ndarray) -> np.ndarray:
    with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        found: np.ndarray = client.infer("lenet", [tensor("data", data)]).as_numpy("prob")
        return found


def test_streams_at_a_time(models: Path) -> None:
    limits = Limits(max_message=1 << 20, max_bodies=5 << 19)
    with Inside(models / "lenet.onnx", limits, ways=Ways(grpc=Address("127.0.0.1", 0))) as server:
        hold = threading.Event()
        with grpc.insecure_channel(f"127.0.0.1:{server.site.rpc.port}") as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            streams = [stub.ModelStreamInfer(iter(hold.wait, True)) for _ in range(2)]
            server.wait_for(lambda: len(server.site.rpc.readers) == 2)
            with pytest.raises(grpc.RpcError, match="2 streams may be open") as error:
                next(stub.ModelStreamInfer(iter(())))
            assert error.value.code() == grpc.StatusCode.UNAVAILABLE
            streams[0].cancel()
            server.wait_for(lambda: len(server.site.rpc.readers) == 1)
            assert list(stub.ModelStreamInfer(iter(()))) == []
            streams[1].cancel()
            hold.set()


def test_who_went_away_or_had_a_deadline_is_never_run(
    served: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the first runs, one place is left to wait: it is held by one with a deadline, by one that hangs up, then refused."""
    one = DATA[:1]
    asked = service_pb2.ModelInferRequest(model_name="lenet", raw_input_contents=[one.tobytes()])
    asked.inputs.add(name="data", datatype="FP32", shape=one.shape)
    waiting = served.entry.batcher
    monkeypatch.setattr(waiting, "batching", waiting.batching._replace(limit=1))
    with (
        Halting(served) as model,
        ThreadPoolExecutor(1) as pool,
        grpc.insecure_channel(served.grpc) as channel,
    ):
        call = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        first = pool.submit(call, asked)
        served.wait_for(lambda: model.runs == 1)
        with pytest.raises(grpc.RpcError) as error:
            call(asked, timeout=0.3)
        assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        served.wait_for(lambda: all(each.future.done() for each in waiting.queue))
        hasty = service_pb2.ModelInferRequest()
        hasty.CopyFrom(asked)
        hasty.parameters["timeout"].int64_param = 10_000
        served.wait_for(lambda: not waiting.queue)
        with pytest.raises(grpc.RpcError, match=r"the model was not free within 0\.01 seconds"):
            call(hasty)
        gone = call.future(asked)
        served.wait_for(lambda: len(waiting.queue) == 1)
        with pytest.raises(grpc.RpcError) as error:
            call(asked)
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        assert error.value.details().startswith("the queue is full: 1 requests are waiting")
        gone.cancel()
        served.wait_for(lambda: all(each.future.done() for each in waiting.queue))
        model.go.set()
        assert len(first.result().outputs) == 2
        assert call(asked).model_name == "lenet"
        assert model.runs == 2
    served.wait_for(lambda: served.site.gate.bodies == 0)


def test_a_stream_answers_in_order_and_goes_on_after_a_refusal(client: triton.InferenceServerClient) -> None:
    found: queue.Queue = queue.Queue()
    client.start_stream(lambda result, error: found.put((result, error)))
    for i in range(40):
        client.async_stream_infer(
            "lenet" if i != 20 else "alexnet", [tensor("data", DATA[:1] + i)], request_id=str(i)
        )
    for i in range(40):
        result, error = found.get(timeout=20)
        if i == 20:
            assert "unknown model 'alexnet'" in error.message()
        else:
            assert result.get_response().id == str(i)
            np.testing.assert_array_equal(
                result.as_numpy("ip"), client.infer("lenet", [tensor("data", DATA[:1] + i)]).as_numpy("ip")
            )
    client.stop_stream()


def test_keys_and_the_log(models: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ways = Ways(door=Doorkeeper((b"one",), log=True), grpc=Address("127.0.0.1", 0))
    with Inside(models / "lenet.onnx", Limits(), ways=ways) as server:
        client = triton.InferenceServerClient(f"127.0.0.1:{server.site.rpc.port}")
        with client:
            assert client.is_server_live()
            data = [tensor("data", DATA)]
            assert refused(lambda: client.infer("lenet", data))[0] == "UNAUTHENTICATED"
            assert (
                refused(lambda: client.get_server_metadata({"authorization": "Bearer two"}))[0]
                == "UNAUTHENTICATED"
            )
            client.infer("lenet", data, headers={"authorization": "Bearer one", "x-request-id": "r-9"})
            found: queue.Queue = queue.Queue()
            client.start_stream(lambda result, error: found.put(error))
            with contextlib.suppress(InferenceServerException):  # it may have been refused by now
                client.async_stream_infer("lenet", data)
            assert "wants a key" in str(found.get(timeout=20))
            client.stop_stream()
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    told = [(each["target"].rsplit("/", 1)[1], each["status"]) for each in lines]
    assert told[:4] == [
        ("ServerLive", 200),
        ("ModelInfer", 401),
        ("ServerMetadata", 401),
        ("ModelInfer", 200),
    ]
    assert lines[3]["id"] == "r-9"
    assert lines[3]["bytes_in"] > DATA.nbytes


def test_a_signal_loses_nothing_and_an_open_stream_holds_nobody(models: Path, direct: Callable) -> None:
    data = random(0, 1, 16, 64, 64)
    server = Server([str(models / "heavy.onnx"), "--device", "cpu", "--threads", "1", "--grpc-port", "0"])
    expected = direct("heavy", x=data)["h12"]
    with triton.InferenceServerClient(server.grpc) as client, ThreadPoolExecutor(12) as pool:
        found: queue.Queue = queue.Queue()
        client.start_stream(lambda result, error: found.put((result, error)))
        client.async_stream_infer("heavy", [tensor("x", data)])
        found.get(timeout=20)
        answers = [pool.submit(client.infer, "heavy", [tensor("x", data)]) for _ in range(12)]
        while sum(in_progress(server)) < 13:
            pass
        assert server.stop() == (0, "", "")
        assert found.empty()  # the stream ended, it was not cut off
        for answer in answers:
            np.testing.assert_allclose(answer.result().as_numpy("h12"), expected, rtol=1e-4, atol=1e-4)


def test_tls_and_workers(models: Path, direct: Callable, tmp_path: Path) -> None:
    """New connections reach both workers; each answers by the certificate, and nobody without it."""
    cert, key = make_certificate(tmp_path)
    options = ["--workers", "2", "--grpc-port", "0", "--tls-cert", str(cert), "--tls-key", str(key)]
    server = Server([str(models / "lenet.onnx"), "--device", "cpu", *options])
    assert server.line.split()[3].startswith("https://") and server.line.split()[5].startswith("grpcs://")
    expected, apart = direct("lenet", data=DATA)["prob"], [("grpc.use_local_subchannel_pool", 1)]
    asked, counts = 0, dict[bytes, float]()
    while len(counts) < 2 or not all(counts.values()):
        assert asked < 64  # each connection goes to either by a hash
        asked += 1
        with triton.InferenceServerClient(
            server.grpc, ssl=True, root_certificates=str(cert), channel_args=apart
        ) as client:
            found = client.infer("lenet", [tensor("data", DATA)]).as_numpy("prob")
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        metrics = f"https://{server.address}/metrics"
        with urllib.request.urlopen(metrics, context=ssl.create_default_context(cafile=cert)) as answer:
            text = answer.read()
        answered = re.findall(rb"^netspec_requests_total\{.*\} (\S+)", text, re.M)
        counts[re.findall(rb"^netspec_process (\S+)", text, re.M)[0]] = sum(map(float, answered))
    with triton.InferenceServerClient(server.grpc, channel_args=apart) as plain:
        assert refused(lambda: plain.is_server_live(client_timeout=5))[0] == "UNAVAILABLE"
    assert server.stop() == (0, "", "")


def test_calls_of_one_connection(served: Inside) -> None:
    """One more than those waits; another connection does not."""
    apart = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(served.grpc, apart) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        asked = service_pb2.ServerLiveRequest()
        hold = threading.Event()
        streams = [stub.ModelStreamInfer(iter(hold.wait, True)) for _ in range(STREAMS)]
        with pytest.raises(grpc.RpcError) as error:
            for _ in range(20):  # until all streams have begun
                stub.ServerLive(asked, timeout=0.5)
        assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        with grpc.insecure_channel(served.grpc, apart) as other:
            assert service_pb2_grpc.GRPCInferenceServiceStub(other).ServerLive(asked, timeout=20).live
        streams[0].cancel()
        assert stub.ServerLive(asked, timeout=20).live
        for stream in streams:
            stream.cancel()
        hold.set()


def in_progress(server: Server) -> Iterator[float]:
    """Requests that are or were under way."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    connection.request("GET", "/metrics")
    for line in connection.getresponse().read().decode().splitlines():
        if line.startswith(("netspec_requests_in_progress{", "netspec_requests_total{")):
            yield float(line.rsplit(" ", 1)[1])
    connection.close()


def test_a_port_in_use_and_gRPC_not_installed(
    models: Path, served: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [
        str(models / "lenet.onnx"),
        "--port",
        "0",
        "--allow-uncertified",
        "--grpc-port",
        str(served.port),
    ]
    found = CliRunner().invoke(command, words).exception.diagnostics[0]
    assert (found.code, found.fact) == ("NS724", f"127.0.0.1:{served.port}: the port is in use")
    monkeypatch.setitem(sys.modules, "grpc", None)
    assert CliRunner().invoke(command, words).exception.diagnostics[0].code == "NS747"
