"""A run that all tests of views share: a small convolutional net on the digits, trained for a moment."""

from pathlib import Path

import pytest
import yaml

from netspec.driver import load
from netspec.exporters.export import export_model
from netspec.training.session import train_program
from tests.training.specs import document

LAYERS = [
    {
        "name": "conv1",
        "type": "Convolution",
        "num_output": 6,
        "kernel_size": 5,
        "pad": 2,
        "weight_filler": "xavier",
    },
    {"name": "relu1", "type": "ReLU"},
    {"name": "pool1", "type": "Pooling", "pool": "MAX", "kernel_size": 2, "stride": 2},
    {"name": "conv2", "type": "Convolution", "num_output": 8, "kernel_size": 3, "weight_filler": "xavier"},
    {"name": "relu2", "type": "ReLU"},
    {"name": "ip", "type": "InnerProduct", "num_output": 10, "weight_filler": "xavier"},
    {"name": "prob", "type": "Softmax"},
]


def write(path: Path, **more: object) -> Path:
    path.write_text(yaml.safe_dump(document(layers=LAYERS, **more), sort_keys=False))
    return path


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeing")
    train_program(
        load(str(write(folder / "tiny.yaml", solver={"max_iter": 40, "snapshot": 40}))), folder / "run"
    )
    return folder / "run"


@pytest.fixture(scope="session")
def model(run: Path) -> Path:
    """The run's net as a file."""
    return export_model(run, run.parent / "tiny.onnx", device="cpu", certify="quick").path
