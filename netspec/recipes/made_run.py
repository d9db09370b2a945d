"""A run that no training made: a net and weights that were computed from other runs. In: a program and
tensors; out: a folder that test, predict, export and train take as any run.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from netspec import driver
from netspec.diagnostics import fail
from netspec.file_reading import read_bytes
from netspec.file_writing import write_text
from netspec.training.job_building import hash_of
from netspec.training.run.folder import CLASSES, RECORD, record_of, write_run
from netspec.training.run.owner import own
from netspec.training.run.weights import WEIGHTS, write_tensors

__all__ = ["write_made_run"]

COPIED = (CLASSES, "data.json")
"""What the data of the run that it is made from have fixed."""
LONGEST = 1 << 26


def write_made_run(
    folder: Path,
    program: driver.Program,
    tensors: Mapping[str, Tensor],
    *,
    like: Path,
    seed: int,
    more: Mapping[str, Any],
) -> None:
    """Write a run. like: one that learned from the same data. more: what run.json says besides.
    NS677: the folder holds a run.
    """
    if (folder / RECORD).exists():
        raise fail("NS677", f"it holds {RECORD}", path=str(folder))
    trained = program.resolved.file.train is not None
    typed = program.training_graph("train") if trained else program.graph("deploy")
    with own(folder, False):
        for name in COPIED:
            if (like / name).is_file():
                text = read_bytes(like / name, [like], LONGEST).decode("utf-8")
                write_text(folder / name, text, "NS673", follow=False)
        record = record_of(program, seed, "cpu", hash_of(typed))
        write_run(folder, program, {**record, **more})
        write_tensors(folder / WEIGHTS, tensors, {})
