"""Requests that do not fit: each is answered with a 4xx and a sentence that states the requirement, and the server lives on."""

import gzip
import http.client
import json
import socket

import numpy as np
import pytest

pytestmark = pytest.mark.onnx
NAMES = [
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "BYTES",
]
LENGTH = "Inference-Header-Content-Length"


def post(server, path, body, headers=None):
    """Status and parsed answer."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    connection.request("POST", path, body, headers or {})
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer.status, content


def tensor(**changes):
    good = {"name": "a", "datatype": "FP32", "shape": [2, 3], "data": [1, 2, 3, 4, 5, 6]}
    return {k: v for k, v in (good | changes).items() if v is not None}


B = {"name": "b", "datatype": "FP32", "shape": [2, 1], "data": [[0.5], [1.5]]}


def body(*tensors, **more):
    return json.dumps({"inputs": list(tensors), **more}).encode()


def with_size(size, **changes):
    return tensor(data=None, parameters={"binary_data_size": size}, **changes)


RAW = np.zeros(6, np.float32).tobytes()
CASES = {
    "not JSON": (b"{oops", "the request must be JSON: "),
    "empty": (b"", "the request must be JSON: it is empty"),
    "binary": (bytes(range(256)), "the request must be JSON: "),
    "deep": (b"[" * 100_000, "the request must be JSON: "),
    "deep with NaN": (b"NaN" + b"[" * 100_000, "the request must be JSON: "),
    "a list": (b"[]", "the request must be a JSON object"),
    "no inputs": (b"{}", "inputs must be a list of tensors"),
    "inputs an object": (b'{"inputs": {}}', "inputs must be a list of tensors"),
    "input a number": (b'{"inputs": [1]}', "each of inputs must be a JSON object"),
    "input without name": (body(tensor(name=None), B), "each of inputs must have a name"),
    "input twice": (body(tensor(), tensor(), B), "inputs must name each tensor once: 'a' stands there twice"),
    "missing input": (body(tensor()), "missing input 'b': the model has a, b"),
    "unknown input": (body(tensor(), B, tensor(name="z")), "unknown input 'z': the model has a, b"),
    "unknown output": (body(tensor(), B, outputs=[{"name": "z"}]), "unknown output 'z': the model has c, sum"),
    "outputs a string": (body(tensor(), B, outputs="c"), "outputs must be a list of tensors"),
    "classes negative": (body(tensor(), B, outputs=[{"name": "c", "parameters": {"classification": -1}}]), "output 'c' must be a number"),
    "id a number": (body(tensor(), B, id=7), "id must be a string: got 7"),
    "parameters a list": (body(tensor(), B, parameters=[]), "parameters of the request must be a JSON object"),
    "no datatype": (body(tensor(datatype=None), B), "datatype of input 'a' must be one of BOOL, UINT8"),
    "unknown datatype": (body(tensor(datatype="FLOAT"), B), "datatype of input 'a' must be one of BOOL, UINT8"),
    "wrong datatype": (body(tensor(datatype="FP64"), B), "input 'a' must be FP32: got FP64"),
    "no shape": (body(tensor(shape=None), B), "shape of input 'a' must be a list of"),
    "negative dimension": (body(tensor(shape=[-2, 3]), B), "of input 'a' must be a list of at most 32 numbers, none negative: got [-2, 3]"),
    "fractional dimension": (body(tensor(shape=[2.0, 3]), B), "none negative: got [2.0, 3]"),
    "true dimension": (body(tensor(shape=[True, 3]), B), "none negative: got [True, 3]"),
    "many dimensions": (body(tensor(shape=[1] * 40), B), "at most 32 numbers"),
    "huge dimension": (body(tensor(shape=[2**62, 3]), B), "must have shape [N, M]: got [2, 1], axis 0 is 2 where N = 4611686018427387904"),
    "wrong rank": (body(tensor(shape=[6]), B), "input 'a' must have shape [N, 3]: got [6], 1 axes instead of 2"),
    "wrong fixed axis": (body(tensor(shape=[3, 2]), B), "input 'a' must have shape [N, 3]: got [3, 2], axis 1 is 2 instead of 3"),
    "symbols differ": (body(tensor(shape=[1, 3], data=[1, 2, 3]), B), "got [2, 1], axis 0 is 2 where N = 1 by input 'a'"),
    "too few values": (body(tensor(data=[1, 2]), B), "input 'a' of shape [2, 3] needs 6 values: data holds 2"),
    "ragged": (body(tensor(data=[[1, 2], [3]]), B), "data of input 'a' must be flat, or nested as [2, 3]: it is ragged"),
    "nested otherwise": (body(tensor(data=[[1, 2], [3, 4], [5, 6]]), B), "must be flat, or nested as [2, 3]: it is [3, 2]"),
    "data a string": (body(tensor(data="123456"), B), "data of input 'a' must be a list: got a string"),
    "data of strings": (body(tensor(data=["1"] * 6), B), "data of input 'a' must hold only numbers, as FP32 does"),
    "data with null": (body(tensor(data=[1, 2, 3, 4, 5, None]), B), "data of input 'a' must hold only numbers"),
    "data of objects": (body(tensor(data=[{}] * 6), B), "data of input 'a' must hold only numbers"),
    "too large a number": (body(tensor(data=[1e39] * 6), B), "data of input 'a' must lie within FP32's range: it holds 1e+39"),
    "neither data nor bytes": (body(tensor(data=None), B), "must have either data or the parameter binary_data_size"),
    "shared memory": (body(tensor(data=None, parameters={"shared_memory_region": "r"}), B), "unknown parameter 'shared_memory_region' of input 'a': understood is binary_data_size"),
    "data and bytes": (body(tensor(parameters={"binary_data_size": 0}), B), "must have either data or the parameter binary_data_size"),
    "no bytes": (body(with_size(24), B), "binary_data_size of input 'a' must be at most the 0 bytes that are left: got 24"),
    "negative size": (body(with_size(-1), B), "binary_data_size of input 'a' must be at most"),
    "size a string": (body(with_size("24"), B), "binary_data_size of input 'a' must be at most"),
}  # fmt: skip

BINARY = {
    "too few bytes": (
        with_size(20),
        RAW[:20],
        None,
        "input 'a' of shape [2, 3] and datatype FP32 needs 24 bytes (6 x 4): got 20",
    ),
    "bytes left over": (
        with_size(24),
        RAW + b"x",
        None,
        "the body must end with the last binary tensor: 1 bytes are left over",
    ),
    "more than there is": (
        with_size(1 << 60),
        RAW,
        None,
        "must be at most the 24 bytes that are left: got 1152921504606846976",
    ),
    "huge header length": (
        with_size(24),
        RAW,
        "99999999",
        "Inference-Header-Content-Length must not exceed the body: 99999999 > ",
    ),
    "absurd header length": (
        with_size(24),
        RAW,
        "9" * 5000,
        "Inference-Header-Content-Length must be a number of bytes",
    ),
    "negative header length": (
        with_size(24),
        RAW,
        "-1",
        "Inference-Header-Content-Length must be a number of bytes: got '-1'",
    ),
    "short header length": (with_size(24), RAW, "10", "the request must be JSON: "),
    "zero header length": (with_size(24), RAW, "0", "the request must be JSON: it is empty"),
}


@pytest.fixture
def two(start):
    """The server, which must still answer a good request afterwards."""
    server = start("two")
    yield server
    status, answer = post(server, "/v2/models/two/infer", body(tensor(), B))
    assert status == 200, answer
    assert answer["outputs"] == [{"name": "c", "datatype": "FP32", "shape": [2, 4], "data": [1, 2, 3, 0.5, 4, 5, 6, 1.5]},
                                 {"name": "sum", "datatype": "FP32", "shape": [2], "data": [6.5, 16.5]}]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_malformed_json(two, case):
    sent, expected = CASES[case]
    status, answer = post(two, "/v2/models/two/infer", sent)
    assert status == 400
    assert list(answer) == ["error"]
    assert expected in answer["error"]


@pytest.mark.parametrize("case", BINARY)
def test_malformed_binary(two, case):
    first, raw, length, expected = BINARY[case]
    header = body(first, B)
    status, answer = post(two, "/v2/models/two/infer", header + raw, {LENGTH: length or str(len(header))})
    assert status == 400
    assert expected in answer["error"]


@pytest.mark.parametrize("data, size, expected", [
    (b"\x02\x00\x00\x00ab", 5, "element 0 of BYTES ends at byte 6, its data at 5"),
    (b"\x02\x00\x00", 3, "element 0 of BYTES ends at byte 4, its data at 3"),
    (b"\xff\xff\xff\xff", 4, "element 0 of BYTES ends at byte 4294967299, its data at 4"),
    (b"\x00\x00\x00\x00" * 2, 8, "needs 1 elements of BYTES: got 2"),
    (b"\x01\x00\x00\x00\xff", 5, "element 0 of BYTES must be UTF-8"),
])  # fmt: skip
def test_malformed_strings(start, data, size, expected):
    others = [{"name": t, "datatype": t, "shape": [1, 1], "data": [t == "BOOL" or 1]} for t in NAMES[:-1]]
    header = body(
        *others,
        {"name": "BYTES", "datatype": "BYTES", "shape": [1, 1], "parameters": {"binary_data_size": size}},
    )
    status, answer = post(start("types"), "/v2/models/types/infer", header + data, {LENGTH: str(len(header))})
    assert status == 400
    assert expected in answer["error"]


@pytest.mark.parametrize("datatype, value, expected", [
    ("INT8", 128, "must lie within INT8's -128 to 127: it holds 128"),
    ("UINT8", -1, "must lie within UINT8's 0 to 255: it holds -1"),
    ("INT64", 2**63, "must lie within INT64's -9223372036854775808 to 9223372036854775807: it holds 9223372036854775808"),
    ("INT64", 1.5, "must hold only integers, as INT64 does"),
    ("INT64", True, "must hold only integers, as INT64 does"),
    ("BOOL", 1, "must hold only booleans, as BOOL does"),
    ("BYTES", 1, "must hold only strings, as BYTES does"),
    ("FP16", 1e5, "must lie within FP16's range: it holds 100000.0"),
])  # fmt: skip
def test_values_that_the_datatype_cannot_hold(start, datatype, value, expected):
    fill = {"BOOL": True, "BYTES": "x"}
    tensors = [
        {"name": t, "datatype": t, "shape": [1, 1], "data": [value if t == datatype else fill.get(t, 1)]}
        for t in NAMES
    ]
    status, answer = post(start("types"), "/v2/models/types/infer", body(*tensors))
    assert status == 400
    assert answer["error"] == f"data of input {datatype!r} {expected}"


@pytest.mark.parametrize("path, status, expected", [
    ("/v2/models/other/infer", 404, "unknown model 'other': this server has 'two'"),
    ("/v2/models/two/versions/7/infer", 404, "unknown version '7' of model 'two': it has '1'"),
    ("/v2/models/two", 405, "method not allowed: POST /v2/models/two"),
    ("/v3", 404, "not found: POST /v3"),
])  # fmt: skip
def test_unknown_addresses(two, path, status, expected):
    assert post(two, path, body(tensor(), B)) == (status, {"error": expected})


@pytest.mark.parametrize("encoding, sent, status, expected", [
    ("gzip", lambda: b"not gzip", 400, "the body must be gzip: "),
    ("gzip", lambda: gzip.compress(body(tensor(), B))[:-9], 400, "the body must be one complete gzip stream: it is cut off"),
    ("gzip", lambda: gzip.compress(body(tensor(), B)) + b"x", 400, "the body must be one complete gzip stream: bytes follow it"),
    ("br", lambda: b"x", 415, "Content-Encoding must be one of identity, gzip, deflate: got 'br'"),
    ("gzip", lambda: gzip.compress(bytes(70 << 20), 1), 413, "the body must have at most 67108864 bytes"),
])  # fmt: skip
def test_encodings(two, encoding, sent, status, expected):
    found, answer = post(two, "/v2/models/two/infer", sent(), {"Content-Encoding": encoding})
    assert found == status
    assert expected in answer["error"]


def test_a_body_above_the_limit_is_refused(two):
    """In chunks, so that no length announces it."""
    status, answer = post(two, "/v2/models/two/infer", (bytes(1 << 20) for _ in range(70)))
    assert (status, answer) == (413, {"error": "the body must have at most 67108864 bytes"})


def test_an_announced_length_above_the_limit_is_refused(two):
    """Although the body never comes."""
    status, answer = post(two, "/v2/models/two/infer", b"{}", {"Content-Length": str(10**15)})
    assert (status, answer) == (413, {"error": "the body must have at most 67108864 bytes"})


def test_a_client_that_goes_away_mid_body(two):
    with socket.create_connection((two.host, two.port)) as connection:
        connection.sendall(b"POST /v2/models/two/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    assert post(two, "/v2/models/two/infer", body(tensor(), B))[0] == 200


def test_not_http(two):
    with socket.create_connection((two.host, two.port)) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
