"""Loading, checking, single runs and classification without a server."""

import io
import json
import socket
from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper
from serving_parts import random, save

from netspec.diagnostics import SpecError
from netspec.serving import protocol, values
from netspec.serving.classification import classify
from netspec.serving.engine import open_model
from netspec.serving.heads import Place
from netspec.serving.predict import run_once
from netspec.serving.tensors import RequestError, TensorInfo, batch_symbol, check_inputs
from netspec.serving.values import from_json, from_text

pytestmark = pytest.mark.onnx


def identity(path, datatype=TensorProto.FLOAT, metadata=None):
    """A model with y = x."""
    return save(
        path,
        [helper.make_node("Identity", ["x"], ["y"])],
        [("x", datatype, ["N"])],
        [("y", datatype, ["N"])],
        metadata=metadata,
    )


def test_run_once_gives_every_output(models, direct):
    inputs = {"a": random(0, 2, 3), "b": random(1, 2, 5)}
    found = run_once(models / "two.onnx", inputs, "cpu", allow_uncertified=True)
    assert list(found) == ["c", "sum"]
    for name, expected in direct("two", **inputs).items():
        np.testing.assert_array_equal(found[name], expected)


@pytest.mark.parametrize("inputs, expected", [
    ({}, "missing input 'data': the model has data"),
    ({"data": np.zeros((1, 1, 28, 28))}, "input 'data' must be FP32: got FP64"),
    ({"data": np.zeros((1, 1, 28, 28), complex)}, "input 'data' must be FP32: got complex128"),
    ({"data": np.zeros((28, 28), np.float32)}, "input 'data' must have shape [N, 1, 28, 28]: got [28, 28], 2 axes instead of 4"),
    ({"data": np.zeros((1, 3, 28, 28), np.float32)},
     "input 'data' must have shape [N, 1, 28, 28]: got [1, 3, 28, 28], axis 1 is 3 instead of 1"),
])  # fmt: skip
def test_run_once_says_what_does_not_fit(models, inputs, expected):
    with pytest.raises(SpecError) as error:
        run_once(models / "lenet.onnx", inputs, "cpu", allow_uncertified=True)
    (found,) = error.value.diagnostics
    assert (found.code, found.fact) == ("NS726", expected)


def test_signature_labels_and_metadata(models):
    model = open_model(models / "lenet.onnx", "cpu", allow_uncertified=True)
    assert model.inputs == (TensorInfo("data", "FP32", ("N", 1, 28, 28)),)
    assert model.outputs == (TensorInfo("prob", "FP32", ("N", 10)), TensorInfo("ip", "FP32", ("N", 10)))
    assert model.batch == "N"
    assert len(model.labels["prob"]) == 9
    assert "author" not in model.metadata
    assert open_model(models / "open.onnx", "cpu", allow_uncertified=True).outputs[0].shape == (
        "N",
        3,
        None,
        None,
    )


@pytest.mark.parametrize(
    "model, batch",
    [("lenet", "N"), ("two", "N"), ("open", "N"), ("fixed", None), ("gram", None), ("heavy", None)],
)
def test_what_may_be_joined(models, batch, model):
    assert open_model(models / f"{model}.onnx", "cpu", allow_uncertified=True).batch == batch


def test_a_small_file_is_loaded_for_one_thread_too(models, monkeypatch):
    path = models / "lenet.onnx"
    size = path.stat().st_size
    for threads, copied, outside, twice in (
        (0, size, False, True),
        (0, size - 1, False, False),
        (1, size, False, False),  # it is the same
        (0, size, True, False),  # its weights lie beside it, who knows how many
    ):
        monkeypatch.setattr("netspec.serving.engine.COPIED", copied)
        with monkeypatch.context() as beside:
            if outside:
                beside.setattr("netspec.serving.engine.open_file", lambda _: io.BytesIO(b"location"))
            model = open_model(path, "cpu", threads, allow_uncertified=True, alone=True)
        assert (model.alone is not None) is twice, (threads, copied, outside)
    assert open_model(path, "cpu", allow_uncertified=True).alone is None


def test_numbers_are_run_where_they_lie_or_aligned(models):
    """Bytes of a request begin anywhere in it: they are no copy before the run, which gets an aligned one."""
    data = random(3, 5, 1, 28, 28)
    body = b"x" + data.tobytes()
    lying = values.from_binary("data", "FP32", data.shape, memoryview(body)[1:])
    known = Place("data", "<f4", data.shape, data.size, 0).take(body, 1)
    whole = np.frombuffer(body, np.uint8)
    assert np.shares_memory(lying, whole) and np.shares_memory(known, whole)
    assert not lying.flags.aligned and not known.flags.aligned

    class Noting:
        def run(self, names, fed, options):
            assert fed["data"].flags.aligned
            return model.session.run(names, fed, options)

    model = open_model(models / "lenet.onnx", "cpu", allow_uncertified=True)
    found = replace(model, session=Noting()).run({"data": lying}, ["prob"])
    np.testing.assert_array_equal(found["prob"], model.run({"data": data}, ["prob"])["prob"])


def test_axes_0_of_different_symbols_are_not_joined():
    n, m, unknown, scalar = (
        TensorInfo(x, "FP32", shape)
        for x, shape in (("n", ("N", 2)), ("m", ("M", 2)), ("u", (None, 2)), ("s", ()))
    )
    assert batch_symbol([n], [n]) == "N"
    for inputs, outputs in (
        ([n, m], [n]),
        ([n], [m]),
        ([n], [unknown]),
        ([unknown], [unknown]),
        ([n], [scalar]),
        ([], [n]),
    ):
        assert batch_symbol(inputs, outputs) is None


def test_a_batch_that_stands_on_another_axis_too_is_not_joined():
    n, pairs, far = (
        TensorInfo(x, "FP32", shape)
        for x, shape in (("n", ("N", 2)), ("p", ("N", "N")), ("f", ("N", 3, "N")))
    )
    for inputs, outputs in (([pairs], [n]), ([n], [pairs]), ([n, far], [n]), ([n], [far]), ([n], [n, pairs])):
        assert batch_symbol(inputs, outputs) is None


def test_a_symbol_has_one_size_in_a_request():
    declared = [TensorInfo("a", "FP32", ("N", "N")), TensorInfo("b", "INT64", (None, "M"))]
    check_inputs(declared, {"a": ("FP32", [2, 2]), "b": ("INT64", [7, 5])})
    with pytest.raises(
        RequestError,
        match="input 'a' must have shape \\[N, N\\]: got \\[2, 3\\], axis 1 is 3 where N = 2 by input 'a'",
    ):
        check_inputs(declared, {"a": ("FP32", [2, 3]), "b": ("INT64", [7, 5])})
    with pytest.raises(
        RequestError, match="input 'b' must have shape \\[\\?, M\\]: got \\[5\\], 1 axes instead of 2"
    ):
        check_inputs(declared, {"a": ("FP32", [2, 2]), "b": ("INT64", [5])})


@pytest.mark.parametrize("labels", ["{", "[1]", '{"y": "cat"}', '{"y": [1]}', '"cat"', '["\\ud800"]'])
def test_labels_that_are_not_labels(tmp_path, labels):
    path = identity(tmp_path / "m.onnx", metadata={"netspec.labels": labels})
    with pytest.raises(SpecError) as error:
        open_model(path, "cpu", allow_uncertified=True)
    assert error.value.diagnostics[0].code == "NS721"
    assert "the metadata netspec.labels must" in error.value.diagnostics[0].fact


def test_labels_as_one_list(tmp_path):
    path = identity(tmp_path / "m.onnx", metadata={"netspec.labels": '["a"]'})
    assert open_model(path, "cpu", allow_uncertified=True).labels == {"y": ["a"]}


def test_types_that_cannot_be_served(tmp_path):
    path = identity(tmp_path / "m.onnx", TensorProto.BFLOAT16)
    with pytest.raises(SpecError) as error:
        open_model(path, "cpu", allow_uncertified=True)
    assert error.value.diagnostics[0].code == "NS723"
    assert error.value.diagnostics[0].fact.startswith(
        "'x' is tensor(bfloat16); served are tensor(bool), tensor(double)"
    )


def test_classify():
    scores = np.array([[0.25, 0.5, 0.25], [np.nan, -1, -2]], np.float32)
    assert classify("y", scores, 2, ["a", "b"]).tolist() == [
        ["0.500000:1:b", "0.250000:0:a"],
        ["-1.000000:1:b", "-2.000000:2"],
    ]
    assert classify("y", scores[0], 99, []).tolist() == ["0.500000:1", "0.250000:0", "0.250000:2"]
    assert classify("y", np.array([[[1], [200]]], np.uint8), 1, []).tolist() == [["200:1"]]
    assert classify("y", np.zeros((0, 3), np.float32), 2, []).shape == (0, 2)
    assert classify("y", np.zeros((2, 0), np.float32), 2, []).shape == (2, 0)
    for wrong in (np.float32(1.0).reshape(()), np.array(["x"], dtype=object), np.array([True])):
        with pytest.raises(RequestError, match="output 'y' cannot be classified"):
            classify("y", wrong, 1, [])


def test_an_unknown_device(models):
    with pytest.raises(SpecError, match="device must be one of auto, cpu, cuda: got 'tpu'"):
        open_model(models / "lenet.onnx", "tpu", allow_uncertified=True)


def test_another_batch_than_a_fixed_one_says_what_to_write():
    declared = (TensorInfo("data", "FP32", (10, 3, 8, 8)),)
    with pytest.raises(
        RequestError,
        match=r"axis 0 is 1 instead of 10; for any batch, write `data: \[N, 3, 8, 8\]` under input: in the spec",
    ):
        check_inputs(declared, {"data": ("FP32", (1, 3, 8, 8))})
    with pytest.raises(RequestError, match=r"axis 1 is 4 instead of 3$"):
        check_inputs(declared, {"data": ("FP32", (10, 4, 8, 8))})


def test_python_serves_what_was_certified_too(models):
    from netspec.serving.server import serve

    with pytest.raises(SpecError, match="NS712"):
        serve(models / "lenet.onnx", port=0, device="cpu")
    with pytest.raises(SpecError, match="NS725"):  # past the certificate, to the name
        serve(models / "lenet.onnx", port=0, device="cpu", name="a/b", allow_uncertified=True)


def test_a_run_that_fails_is_raised_and_not_logged(tmp_path, capfd):
    """A line for each would let any client fill the log."""
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    sides = [("x", TensorProto.FLOAT, ["N", 2])], [("y", TensorProto.FLOAT, ["M", 3])]
    path = save(tmp_path / "m.onnx", [node], *sides, {"shape": np.array([-1, 3])})
    model = open_model(path, "cpu", allow_uncertified=True)
    assert model.run({"x": np.zeros((3, 2), np.float32)}, ["y"])["y"].shape == (2, 3)
    with pytest.raises(Exception, match=r"(?i)reshape"):
        model.run({"x": np.zeros((2, 2), np.float32)}, ["y"])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("datatype", "data", "wrong"), [
    ("UINT64", [2**63, -1], "it holds -1"), ("INT64", [2**63, -1], f"it holds {2**63}"),
    ("INT8", [127, 128], "it holds 128"), ("INT8", [-129, 0], "it holds -129"),
    ("INT64", [1.0, 2.0], "must hold only integers"), ("UINT64", [2**63, 0.5], "must hold only integers"),
    ("BOOL", [1, 0], "must hold only"),
])  # fmt: skip
def test_numbers_that_a_datatype_cannot_hold(datatype, data, wrong):
    with pytest.raises(RequestError, match=wrong):
        from_json("x", datatype, [2], data)


def test_numbers_at_the_ends_of_a_datatype():
    for datatype, data in (
        ("UINT64", [2**64 - 1, 0]),
        ("INT64", [-(2**63), 2**63 - 1]),
        ("INT8", [-128, 127]),
        ("UINT8", [0, 255]),
        ("FP32", [1, 2.5]),
    ):
        assert from_json("x", datatype, [2], data).tolist() == data


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_a_port_that_is_none(port):
    from netspec.serving import server

    with pytest.raises(SpecError) as error:
        server._bind("127.0.0.1", port)
    assert error.value.diagnostics[0].fact == f"a port must be from 0 to 65535: got {port}"
    server._bind("127.0.0.1", 0).close()


def test_a_port_is_free_again_once_its_server_has_ended():
    """A connection that the server closed waits at its port for a minute; the next server need not."""
    from netspec.serving import server

    with server._bind("127.0.0.1", 0) as listener:
        address = listener.getsockname()
        listener.listen()
        with socket.create_connection(address) as client:
            listener.accept()[0].close()
            assert client.recv(1) == b""
    server._bind(*address).close()


def test_the_length_of_the_json_part_has_at_most_18_digits():
    assert (protocol._json_end("2", 2), protocol._json_end(None, 7)) == (2, 7)
    for length, said in (
        ("3", "exceed the body"),
        ("9" * 18, "exceed the body"),
        ("9" * 19, "a number of bytes"),
    ):
        with pytest.raises(RequestError, match=said):
            protocol._json_end(length, 2)


def test_what_counts_in_a_request():
    assert [protocol._is_count(value) for value in (0, 1, 10**9, -1, True, 1.0, "1", None)] == [True] * 3 + [
        False
    ] * 5


def test_libraries_that_do_not_load_are_told_and_nothing_is_printed(capsys):
    from types import SimpleNamespace

    from netspec.serving.engine import _preload

    said = ["Failed to load libcudnn.so.9", "Loaded libcublas.so.12", "Failed to load libcurand.so.10"]
    assert _preload(SimpleNamespace(preload_dlls=lambda: print(*said, sep="\n"))) == (said[0], said[2])
    assert _preload(SimpleNamespace()) == ()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("datatype, dtype", [("FP32", np.float32), ("FP64", np.float64)])
def test_reals_are_rounded_as_numpy_rounds_them(datatype, dtype):
    """To the bit, whether or not a number with a point stands among them; and what is no number is refused."""
    rng = np.random.default_rng(8)
    reals = [0.1, -0.0, 1e-42, 3.4028235677973362e38, float("nan"), float("-inf")]
    reals += rng.integers(0, 1 << 62, 500, dtype=np.int64).view(np.float64).clip(-3e38, 3e38).tolist()
    integers = [2**24 + 1, 2**53 + 1, 9007199791611905, -(2**63), 0]
    for data in (reals, [*reals, *integers, True], integers, integers[::-1]):
        wide = np.array(data)
        found = from_json("x", datatype, [len(data)], data)
        assert found.dtype == dtype
        assert found.tobytes() == wide.astype(dtype).tobytes()
    for wrong in ("1", None, [1.0], {}):
        with pytest.raises(RequestError):
            from_json("x", datatype, [3], [0.5, wrong, 1])
    for few in ([0.5], [0.5] * 3):
        with pytest.raises(RequestError, match="needs 2 values"):
            from_json("x", datatype, [2], few)


def test_a_long_list_is_read_as_a_short_one(monkeypatch):
    """In pieces of a few bytes, flat and nested, spaced and not; what does not fit is told in the same words."""
    monkeypatch.setattr(values, "PIECE", 7)
    array = np.arange(-30, 30).reshape(5, 2, 3, 2)
    for data in (array.tolist(), array.ravel().tolist()):
        for text in (json.dumps(data), json.dumps(data, separators=(",", ":")), json.dumps(data, indent=2)):
            found = from_text("x", "INT8", array.shape, memoryview(text.encode()))
            assert found.dtype == np.int8
            np.testing.assert_array_equal(found, array)
    nans = from_text("x", "FP32", [3], memoryview(b"[NaN, 1.5, -Infinity]"))
    np.testing.assert_array_equal(nans, np.float32([np.nan, 1.5, -np.inf]))
    for data in (
        [1] * 7,
        [[1, 2], [3, 4], [5, 6]],
        [[1, 2, 3], [4, 5]],
        [1.5] * 6,
        [300] * 6,
        [],
        [[1, 2, 3], 4, 5, 6],
    ):
        text = json.dumps(data)
        with pytest.raises(RequestError) as plain:
            from_json("x", "INT8", [2, 3], data)
        with pytest.raises(RequestError) as long:
            from_text("x", "INT8", [2, 3], memoryview(text.encode()))
        assert str(long.value) == str(plain.value)
