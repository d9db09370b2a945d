"""A run is made again to the bit, on any number of cores; where it is not, that is said."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from netspec import driver
from netspec.diagnostics import SpecError
from netspec.training.reproduce import hash_weights, reproduce
from netspec.training.run.weights import read_tensors, write_tensors
from netspec.training.session import train_program
from tests.training.specs import write

pytestmark = pytest.mark.torch
LAYERS = [
    {"name": "conv", "type": "Convolution", "num_output": 8, "kernel_size": 3, "weight_filler": "xavier"},
    {"name": "drop", "type": "Dropout"},
    {"name": "ip", "type": "InnerProduct", "num_output": 10, "weight_filler": "xavier"},
    {"name": "prob", "type": "Softmax"},
]


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def trained(folder: Path, threads: int = 1, **more: Any) -> Path:
    torch.set_num_threads(threads)
    spec = write(folder / "spec.yaml", layers=LAYERS, solver={"max_iter": 4, "random_seed": -1} | more)
    run = folder / f"run{threads}"
    train_program(driver.load(str(spec)), run, device="cpu", reproducible=True)
    return run


def test_the_same_bits_for_any_number_of_threads(tmp_path: Path) -> None:
    hashes = {hash_weights(trained(tmp_path, threads, random_seed=3)) for threads in (1, 2, 8)}
    assert len(hashes) == 1 and torch.get_num_threads() == 8
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_run_is_made_again(tmp_path: Path) -> None:
    """Its seed was drawn; then versions that were others, and weights that are."""
    run = trained(tmp_path)
    again = reproduce(run, tmp_path / "again")
    assert again.before == again.now == hash_weights(tmp_path / "again") and again.findings == ()
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"versions": record["versions"] | {"numpy": "1.0"}}))
    tensors, facts = read_tensors(run / "weights.safetensors")
    facts.pop("crc32", None)
    write_tensors(run / "weights.safetensors", tensors | {"ip.bias": tensors["ip.bias"] + 1e-7}, facts)
    other = reproduce(run, tmp_path / "other")
    assert [found.code for found in other.findings] == ["NS636", "NS635"] and other.before != other.now
    assert other.now == again.now and "numpy 1.0 then" in other.findings[0].fact


def test_a_run_without_an_end_is_not_made_again(tmp_path: Path) -> None:
    run = trained(tmp_path)
    lines = (run / "log.jsonl").read_text().splitlines()
    (run / "log.jsonl").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(SpecError) as error:
        reproduce(run, tmp_path / "again")
    assert [d.code for d in error.value.diagnostics] == ["NS637"] and not (tmp_path / "again").exists()
