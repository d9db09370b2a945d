"""How the tests make small ONNX models, and a real server in a process of its own."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

PROGRAM = ("-m", "netspec")


def save(path: Path, nodes, inputs, outputs, weights=None, metadata=None) -> Path:
    """Write a model; inputs and outputs are (name, type, shape), weights arrays by name."""
    tensors = [helper.make_tensor_value_info(*t) for t in (*inputs, *outputs)]
    constants = [numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "g", tensors[: len(inputs)], tensors[len(inputs) :], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    helper.set_model_props(model, metadata or {})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def random(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


class Server:
    """A running server: its address, and how to end it."""

    def __init__(self, arguments: list[str], program: Sequence[str] = PROGRAM) -> None:
        command = [sys.executable, *program, "serve", *arguments, "--port", "0", "--allow-uncertified"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        watchdog = threading.Timer(60, self.process.kill)
        watchdog.start()
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        watchdog.cancel()
        found = re.fullmatch(r"serving (.+) on http://(\S+):(\d+)\n", self.line)
        assert found, f"{self.line!r} {self.process.communicate()[1]}"
        self.name, self.host, self.port = found[1], found[2], int(found[3])
        self.address = f"{self.host}:{self.port}"

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Exit status and what was printed."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err
