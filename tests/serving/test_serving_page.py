"""docs/serving.md: its table is the record, its clients run."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from serving_parts import Inside, save

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
    with Inside(path, Limits()) as server:
        for (kind, text), answer in zip(clients, wanted, strict=True):
            words = [sys.executable, "-c"] if kind == "python" else ["sh", "-c"]
            text = text.replace("127.0.0.1:8000", server.address)
            done = subprocess.run([*words, text], capture_output=True, text=True, timeout=60, check=False)
            if "not found" in done.stderr:
                continue  # no curl on this machine
            assert answer in done.stdout, done
