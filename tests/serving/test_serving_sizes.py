"""A model that knows which sizes it takes: the server's answer to an illegal one, and damaged conditions."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import onnx
import pytest
from serving_parts import Server

from netspec.diagnostics.model import SpecError
from netspec.exporters.export import export_model
from netspec.serving import sizes
from netspec.serving.engine import open_model
from netspec.serving.predict import run_once
from netspec.serving.sizes import KEY

pytestmark = [pytest.mark.torch, pytest.mark.onnx]
SPEC = """
netspec: 1
input: {data: %s}
layers:
  - {name: c1, type: Convolution, num_output: 2, kernel_size: 5, weight_filler: xavier}
  - {name: p1, type: Pooling, kernel_size: 4, stride: 4, round_mode: EXACT}
"""
TURNED = "  - {name: t, type: Permute, order: [0, 1, 3, 2]}\n  - {name: e, type: Eltwise, bottom: [t, p1]}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """free.onnx: H and W apart; tied.onnx: coupled; cropped.onnx: any image from 16x12 on."""
    folder = tmp_path_factory.mktemp("sizes")
    texts = {
        "free": SPEC % "[N, 1, H, W]",
        "tied": SPEC % "[N, 1, H, W]" + TURNED,
        "cropped": SPEC % "{shape: [N, 1, 16, 12], image: {color: gray, crop_size: [16, 12]}}",
    }
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        export_model(folder / f"{name}.yaml", folder / f"{name}.onnx", device="cpu")
    return folder


def ask(server: Server, name: str, *shape: int) -> tuple[int, dict[str, object]]:
    body = {
        "inputs": [{"name": "data", "datatype": "FP32", "shape": shape, "data": [0.5] * int(np.prod(shape))}]
    }
    request = urllib.request.Request(
        f"http://{server.address}/v2/models/{name}/infer", json.dumps(body).encode(), method="POST"
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_the_server_names_layer_and_nearest_sizes(folder: Path) -> None:
    server = Server([str(folder / "free.onnx"), "--device", "cpu"])
    try:
        assert ask(server, "free", 2, 1, 16, 12)[0] == 200
        status, answer = ask(server, "free", 1, 1, 17, 13)
        assert (status, answer["code"], answer["layer"], answer["sizes"]) == (400, "NS727", "p1", {"H": 17})
        assert answer["nearest"] == {"H": [16, 20], "W": [12, 16]}
        assert (
            "4 divides H - 8 = 9 does not hold; the nearest legal sizes are H = 16 or 20, W = 12 or 16"
            in str(answer["error"])
        )
        assert ask(server, "free", 1, 1, 3, 12)[1]["nearest"] == {"H": [8]}
        with urllib.request.urlopen(f"http://{server.address}/v2/models/free") as metadata:
            said = json.loads(json.load(metadata)["parameters"][KEY])
        assert said["axes"]["H"]["text"] == "H = 8 + 4n"
    finally:
        server.stop()


def test_coupled_sizes_are_offered_together(folder: Path) -> None:
    with pytest.raises(SpecError) as found:
        run_once(folder / "tied.onnx", {"data": np.zeros((1, 1, 12, 16), np.float32)}, "cpu")
    (finding,) = found.value.diagnostics
    assert finding.code == "NS727"
    assert "Eltwise e" in finding.fact
    assert "H = 12 and W = 12, H = 16 and W = 16" in finding.fact
    assert open_model(folder / "tied.onnx", "cpu").sizes is not None


def test_an_image_smaller_than_the_crop_is_refused(folder: Path) -> None:
    assert run_once(folder / "cropped.onnx", {"data": np.zeros((1, 1, 17, 12), np.float32)}, "cpu")
    with pytest.raises(SpecError, match=r"data_H = 15.*an image must hold the crop") as found:
        run_once(folder / "cropped.onnx", {"data": np.zeros((1, 1, 15, 12), np.float32)}, "cpu")
    assert found.value.diagnostics[0].code == "NS727"


def test_the_axes_bear_their_symbols(folder: Path) -> None:
    graph = onnx.load(folder / "free.onnx").graph
    assert [d.dim_param or d.dim_value for d in graph.input[0].type.tensor_type.shape.dim] == [
        "N",
        1,
        "H",
        "W",
    ]
    assert [d.dim_param or d.dim_value for d in graph.output[0].type.tensor_type.shape.dim] == [
        "N",
        2,
        "H//4 - 1",
        "W//4 - 1",
    ]


def test_a_net_of_fixed_size_carries_no_conditions(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SPEC % "[N, 1, 16, 16]", encoding="utf-8")
    made = export_model(tmp_path / "a.yaml", tmp_path / "a.onnx", device="cpu", certify=False)
    assert open_model(made.path, "cpu", allow_uncertified=True).sizes is None


DAMAGED = [
    "nonsense", "[]", "{}", '{"axes":{},"parts":[["floor",1]],"demands":[]}', '{"axes":{},"parts":[["exec","1",2]],"demands":[]}',
    '{"axes":{},"parts":[["floor",[[1,0]],2]],"demands":[]}', '{"axes":{"H":{"progressions":[[1,0,null]]}},"parts":[],"demands":[]}',
    '{"axes":{},"parts":[],"demands":[{"layer":"a","type":"b","because":"c","kind":"same","left":[[1,5]],"right":1}]}',
    '{"axes":{},"parts":[],"demands":[{"layer":1,"type":"b","because":"c","kind":"same","left":1,"right":1}]}',
    '{"axes":{"H":3},"parts":[],"demands":[]}', "[" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED)
def test_damaged_conditions_are_a_finding(folder: Path, tmp_path: Path, text: str) -> None:
    model = onnx.load(folder / "free.onnx")
    for prop in model.metadata_props:
        if prop.key == KEY:
            prop.value = text
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(SpecError) as found:
        open_model(tmp_path / "m.onnx", "cpu", allow_uncertified=True)
    assert found.value.diagnostics[0].code == "NS721"


def test_numbers_out_of_all_bounds_are_refused_not_computed(folder: Path) -> None:
    from netspec.serving.sizes import conditions

    parts = [["floor", [[1, "H", "H"]], 1], *(["floor", [[1, i, i]], 1] for i in range(60))]
    demand = {"layer": "a", "type": "b", "because": "c", "kind": "at_least", "left": [[1, 60]], "right": 0}
    found = conditions(json.dumps({"axes": {}, "parts": parts, "demands": [demand]}))
    assert found is not None
    assert found.refusal({"H": 4000}) is not None
    assert found.refusal({"H": 1}) is None


def test_reading_them_needs_no_torch(folder: Path) -> None:
    code = (
        "import sys; from netspec.serving.engine import open_model; "
        f"m = open_model({str(folder / 'free.onnx')!r}, 'cpu'); assert m.sizes.refusal({{'N': 1, 'H': 9, 'W': 8}}); "
        "assert not {'torch', 'yaml', 'netspec.analysis.sizes.legal', 'netspec.layers'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_steps_of_the_spiral() -> None:
    """Of one axis and two every step, of more those along one axis or all; none twice, the shortest first."""
    for axes in (1, 2, 3, 4):
        found = sizes.around_nothing(axes)
        reach = range(-sizes.REACH, sizes.REACH + 1)
        for step in found[:: max(1, len(found) // 300)]:
            moved = [d for d in step if d]
            assert len(step) == axes and all(d in reach for d in step)
            assert axes <= 2 or len(moved) <= 1 or (len(moved) == axes and len(set(moved)) == 1)
        assert (
            len(set(found))
            == len(found)
            == (len(reach) ** axes if axes <= 2 else (axes + 1) * (len(reach) - 1) + 1)
        )
        assert [sum(map(abs, s)) for s in found] == sorted(sum(map(abs, s)) for s in found) and found[0] == (
            0,
        ) * axes
    assert [c for c, _ in zip(sizes.spiral((2, 1)), range(5), strict=False)] == [
        (2, 1),
        (1, 1),
        (2, 2),
        (3, 1),
        (1, 2),
    ]
