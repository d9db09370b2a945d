"""What the sweeps share: heavy libraries imported once, and a finished run with its model."""

import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.arena import run
from tests.hostile.cases import SPEC


@pytest.fixture(scope="module")
def torch_at_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Imported and tried once, so that a child costs a fork; but onnxruntime, which begins a thread.

    A server ends once it has loaded its model.
    """
    import h5py  # noqa: F401
    import onnx  # noqa: F401
    import torch
    from PIL import Image

    import netspec.data.inventory.take
    import netspec.exporters.export
    import netspec.recipes.bag
    import netspec.recipes.prune
    import netspec.recipes.sweep
    import netspec.seeing.samples
    import netspec.serving.http
    import netspec.serving.server  # noqa: F401
    from netspec.cli import main
    from netspec.seeing.registry import find_view, view_names

    for name in view_names():
        find_view(name)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    Image.init()
    before = len(os.listdir("/proc/self/task"))  # what distributes the tests has threads of its own
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("warm"))
        patch.setattr(sys, "argv", ["netspec", "train", "spec.yaml", "--run", "out"])
        Path("spec.yaml").write_text(SPEC)
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
    assert len(os.listdir("/proc/self/task")) == before, (
        "a forked child would wait for threads that it has not"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("netspec.serving.server.run_loop", lambda main: None)
        for place in ("netspec.serving.server", "netspec.serving.trial"):
            # what a model does in a process of its own would be seen by nobody
            patch.setattr(f"{place}.try_apart", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, torch_at_hand: None) -> Path:
    """A folder with a finished run, its model, a picture and the weights by themselves."""
    from PIL import Image

    from netspec.read_options import PLAIN
    from netspec.recipes.sweep import SWEEP, Plan, plan_text, read_axis

    folder = tmp_path_factory.mktemp("finished") / "in"
    folder.mkdir()
    (folder / "spec.yaml").write_text(SPEC)
    Image.frombytes("L", (8, 8), bytes(range(64))).save(folder / "p.png")
    for words in (["train", "spec.yaml", "--run", "out"], ["export", "out", "-o", "model.onnx"]):
        outcome = run(words, folder)
        assert outcome.code == 0, outcome.words
    axes = (read_axis("train.solver.base_lr=0.01,0.1"),)
    (folder / SWEEP).write_text(plan_text(Plan("spec.yaml", axes), PLAIN))
    shutil.copy(folder / "out" / "weights.safetensors", folder / "w.safetensors")
    return folder
