"""Pictures in place of numbers: what arrives at the model is what `predict` gives it, to the bit, by every way in."""

import base64
import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from onnx import TensorProto, helper
from PIL import Image
from serving_parts import Inside, save
from tritonclient.grpc import service_pb2, service_pb2_grpc

from netspec.cli.predict import onnx_predictor
from netspec.data.samples import from_files
from netspec.diagnostics import SpecError
from netspec.serving.engine import open_model
from netspec.serving.lifecycle import Ways
from netspec.serving.limits import Limits
from netspec.serving.rpc.server import Address

pytestmark = pytest.mark.onnx
WORDS = {"color": "rgb", "resize": [6, 5], "interpolation": "bicubic", "background": [9, 99, 199]}
LIMITS = Limits(max_pixels=5000, max_body=1 << 20)


def make_pictures() -> dict[str, bytes]:
    """Files of which each needs another part of the contract."""
    rng = np.random.default_rng(0)
    made = {}
    for name, mode, form, more in (
        ("plain", "RGB", "PNG", {}), ("photo", "RGB", "JPEG", {}), ("gray", "L", "PNG", {}), ("clear", "RGBA", "PNG", {}),
        ("turned", "RGB", "JPEG", {"exif": b"Exif\x00\x00" + Image.Exif().tobytes()}), ("palette", "P", "GIF", {}),
    ):  # fmt: skip
        shape = (23, 17) if mode in "LP" else (23, 17, len(mode))
        image = Image.fromarray(rng.integers(0, 256, shape, np.uint8), mode if mode != "P" else "L").convert(
            mode
        )
        if name == "turned":
            exif = Image.Exif()
            exif[0x0112] = 6
            more = {"exif": exif}
        file = io.BytesIO()
        image.save(file, form, **more)
        made[name] = file.getvalue()
    return made


PICTURES = make_pictures()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that answers with the numbers that it was given."""
    path = tmp_path_factory.mktemp("pictures") / "eye.onnx"
    sides = [("x", TensorProto.FLOAT, ["N", 3, 6, 5])], [("y", TensorProto.FLOAT, ["N", 90])]
    said = {"netspec.rows": "apart", "netspec.image.x": json.dumps(WORDS)}
    return save(path, [helper.make_node("Flatten", ["x"], ["y"])], *sides, metadata=said)


@pytest.fixture(scope="module")
def served(model: Path) -> Iterator[Inside]:
    with Inside(model, LIMITS, ways=Ways(grpc=Address("127.0.0.1", 0))) as server:
        server.grpc = f"127.0.0.1:{server.site.rpc.port}"
        yield server


def predicted(model: Path, tmp_path: Path) -> np.ndarray:
    """What `predict` gives the model for the same files."""
    for name, data in PICTURES.items():
        (tmp_path / name).write_bytes(data)
    taken = onnx_predictor(str(model), "cpu", True).taken
    samples = from_files([str(tmp_path / name) for name in PICTURES], taken)
    return np.concatenate([sample.arrays["x"] for sample in samples]).reshape(len(PICTURES), -1)


def encoded() -> list[str]:
    return [base64.b64encode(data).decode() for data in PICTURES.values()]


def ask(server: Inside, data: list, shape: list[int] | None = None, datatype: str = "BYTES") -> tuple:
    tensor = {"name": "x", "datatype": datatype, "shape": shape or [len(data)], "data": data}
    status, found = server.post("/v2/models/eye/infer", json.dumps({"inputs": [tensor]}).encode())
    return (
        (status, found) if status != 200 else (200, np.float32(found["outputs"][0]["data"]).reshape(-1, 90))
    )


def test_the_pixels_are_those_of_predict(served: Inside, model: Path, tmp_path: Path) -> None:
    expected = predicted(model, tmp_path)
    texts = encoded()
    texts[0] = f"data:image/png;base64,{texts[0]}"
    np.testing.assert_array_equal(ask(served, texts)[1], expected)
    array = np.array([list(PICTURES.values())], dtype=object).reshape(-1, 1)
    for triton, at in ((over_http, served.address), (over_grpc, served.grpc)):
        tensor = triton.InferInput("x", [len(PICTURES), 1], "BYTES").set_data_from_numpy(array)
        with triton.InferenceServerClient(at) as client:
            np.testing.assert_array_equal(client.infer("eye", [tensor]).as_numpy("y"), expected)
    asked = service_pb2.ModelInferRequest(model_name="eye")
    added = asked.inputs.add(name="x", datatype="BYTES", shape=[len(PICTURES)])
    added.contents.bytes_contents.extend(PICTURES.values())
    with grpc.insecure_channel(served.grpc) as channel:
        answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(asked)
    assert list(answer.outputs[0].contents.fp32_contents) == expected.ravel().tolist()


def test_bytes_of_pixels(served: Inside) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (2, 3, 6, 5), np.uint8)
    np.testing.assert_array_equal(
        ask(served, pixels.ravel().tolist(), [2, 3, 6, 5], "UINT8")[1], pixels.reshape(2, -1)
    )
    assert ask(served, [0] * 90, [1, 6, 5, 3], "UINT8") == (
        400, "input 'x' must have shape [N, 3, 6, 5]: got [1, 6, 5, 3], axis 1 is 6 instead of 3"
    )  # fmt: skip


def test_each_wrong_picture_is_told(served: Inside) -> None:
    good = encoded()[0]
    cut, none = (base64.b64encode(data).decode() for data in (PICTURES["photo"][:300], b"hello"))
    tensor = {"name": "x", "datatype": "BYTES", "shape": [3], "data": [cut, good, none]}
    answer, content = served.ask("POST", "/v2/models/eye/infer", json.dumps({"inputs": [tensor]}).encode())
    found = json.loads(content)
    assert answer.status == 400
    assert found["error"].startswith("2 of 3 pictures of input 'x' cannot be taken: 0: ")
    assert sorted(found["pictures"]) == ["0", "2"]
    assert "none of PNG, JPEG" in found["pictures"]["2"]
    for data, words in (
        (["a b"], "picture 0 of input 'x' must be base64"), ([1], "must hold only strings"), ("x", "must be a list"), (["", ""], "needs 1 values"),
    ):  # fmt: skip
        status, told = ask(served, data, [1])
        assert (status, words in told) == (400, True), told
    assert (
        ask(served, [good], [1, 2])[1]
        == "pictures for input 'x', as BYTES, must have shape [N] or [N, 1]: got [1, 2]"
    )
    body = struct.pack("<I", 9) + b"short"
    head = json.dumps(
        {"inputs": [{"name": "x", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 9}}]}
    ).encode()
    status, told = served.post(
        "/v2/models/eye/infer", head + body, {"Inference-Header-Content-Length": str(len(head))}
    )
    assert (status, told) == (400, "input 'x': element 0 of BYTES ends at byte 13, its data at 9")


def test_pixels_are_counted_before_any_is_decoded(served: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of few bytes that would have many pixels; many small ones; many that the net would take."""
    monkeypatch.setattr("netspec.imaging.decode.image_input", lambda *_: pytest.fail("it was decoded"))
    file = io.BytesIO()
    Image.new("1", (100, 51)).save(file, "PNG")
    bomb = base64.b64encode(file.getvalue()).decode()
    assert ask(served, [bomb]) == (413, "a request may have 5000 pixels: its pictures have 5100")
    assert ask(served, [encoded()[2]] * 13) == (413, "a request may have 5000 pixels: its pictures have 5083")
    assert ask(served, [""] * 167) == (413, "a request may have 5000 pixels: its pictures have 5010")


def test_they_are_told_of_and_only_where_the_file_speaks_of_pictures(
    served: Inside, models: Path, model: Path, tmp_path: Path
) -> None:
    said = served.get("/v2/models/eye")[1]["parameters"]["netspec.pictures.x"]
    assert said.startswith("BYTES [N] or [N, 1]: PNG, JPEG, ")
    assert served.get("/v2/models/eye/config")[1]["parameters"]["netspec.pictures.x"]["string_value"] == said
    for name in ("lenet", "open", "two"):
        assert not open_model(models / f"{name}.onnx", "cpu", allow_uncertified=True).pictures
    sides = [("x", TensorProto.FLOAT, ["N", 3, 6, 5])], [("y", TensorProto.FLOAT, ["N", 90])]
    wrong = save(
        tmp_path / "w.onnx",
        [helper.make_node("Flatten", ["x"], ["y"])],
        *sides,
        metadata={"netspec.image.x": '{"resize": "big"}'},
    )
    with pytest.raises(SpecError, match="NS721"):
        open_model(wrong, "cpu", allow_uncertified=True)


def test_sizes_that_differ(tmp_path: Path) -> None:
    """Where the contract leaves the size open, those of one request must agree."""
    sides = [("x", TensorProto.FLOAT, ["N", 3, "H", "W"])], [("y", TensorProto.FLOAT, ["N", None])]
    said = {"netspec.rows": "apart", "netspec.image.x": '{"color": "rgb"}'}
    path = save(tmp_path / "eye.onnx", [helper.make_node("Flatten", ["x"], ["y"])], *sides, metadata=said)
    with Inside(path, Limits()) as server:
        texts = encoded()
        status, told = server.post(
            "/v2/models/eye/infer",
            json.dumps(
                {"inputs": [{"name": "x", "datatype": "BYTES", "shape": [2], "data": [texts[0], texts[4]]}]}
            ).encode(),
        )
        assert (status, told) == (
            400, "the pictures of one request must come to one size: they come to [3, 23, 17] (picture 0) and [3, 17, 23] (picture 1)"
        )  # fmt: skip
