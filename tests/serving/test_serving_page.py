"""docs/serving.md: its table is the record, its clients run."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image
from serving_parts import Inside, save

from netspec.serving.lifecycle import DRAIN
from netspec.serving.limits import Limits, limits_table

pytestmark = pytest.mark.onnx
PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")


def test_the_table_is_the_record() -> None:
    assert limits_table() in PAGE


def test_the_clients_run(tmp_path: Path) -> None:
    sides = [("x", TensorProto.FLOAT, ["N", 3])], [("y", TensorProto.FLOAT, ["N", 3])]
    nodes = [helper.make_node("Mul", ["x", "f"], ["y"])]
    path = save(tmp_path / "lenet.onnx", nodes, *sides, {"f": np.float32(2)}, {"netspec.rows": "apart"})
    clients = re.findall(r"<!-- run: (\w+) -->\n```\w+\n(.*?)```", PAGE, re.S)
    wanted = ["2.0,4.0,6.0", "[2.0, 4.0, 6.0, 8.0, 10.0, 12.0]", "[[2. 2. 2.]\n [2. 2. 2.]]"]
    wanted.append("['255.000000:1:day', '0.000000:0:night', '0.000000:2']")
    Image.new("RGB", (2, 2), (0, 255, 0)).save(tmp_path / "cat.png")
    sides = [("data", TensorProto.FLOAT, ["N", 3, 1, 1])], [("prob", TensorProto.FLOAT, ["N", 3])]
    said = {"netspec.image.data": '{"resize": [1, 1]}', "netspec.labels": '["night", "day"]'}
    cats = save(
        tmp_path / "cats.onnx", [helper.make_node("Flatten", ["data"], ["prob"])], *sides, metadata=said
    )
    with Inside(path, Limits()) as server, Inside(cats, Limits()) as other:
        for (kind, text), answer in zip(clients, wanted, strict=True):
            words = [sys.executable, "-c"] if kind == "python" else ["sh", "-c"]
            asked = other if "/cats/" in text else server
            text = text.replace("127.0.0.1:8000", asked.address)
            done = subprocess.run(
                [*words, text], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
            )
            if "not found" in done.stderr:
                continue  # no curl on this machine
            assert answer in done.stdout, done


def test_the_seconds_that_the_end_may_take_are_those_told() -> None:
    assert f"what was accepted is answered, within {DRAIN:g} seconds" in PAGE
