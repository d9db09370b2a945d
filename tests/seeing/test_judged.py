"""What is judged, and what a view calls the number that it explains."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from netspec.diagnostics import SpecError
from netspec.seeing.subject import open_subject
from tests.seeing.test_views import see

pytestmark = pytest.mark.torch

DENSE = {"name": "score", "type": "InnerProduct", "num_output": 3, "weight_filler": "xavier"}
LOSS = {"type": "SoftmaxWithLoss"}


def write(folder: Path, **document: object) -> Path:
    (folder / "net.yaml").write_text(yaml.safe_dump({"netspec": 1, **document}, sort_keys=False))
    return folder / "net.yaml"


def test_validation_data_are_judged_where_there_is_no_test(tmp_path: Path) -> None:
    """And it is said; of training data alone nothing is."""
    draw = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", data=draw.standard_normal((30, 5)), label=np.arange(30) % 3)
    data = {"source": "npz", "path": "d.npz", "split": "all", "batch_size": 10}
    train = {"data": data, "val_data": data, "loss": [LOSS], "solver": {"base_lr": 0.1, "max_iter": 1}}
    net = {"name": "few", "input": {"data": ["N", 5]}, "layers": [DENSE]}
    subject = open_subject(str(write(tmp_path, **net, train=train)))
    for view in ("confusion", "mistakes"):
        asked, plain = see(view, subject, part="val"), see(view, subject)
        assert {**plain.values} == {**asked.values} and plain.values["part"] == "val"
        assert plain.told == [*asked.told, "of val_data: the section train has no test_data"]
    del train["val_data"]
    with pytest.raises(SpecError, match=r"NS684.*no test_data and no val_data"):
        see("mistakes", write(tmp_path, **net, train=train))


def test_mistakes_of_what_data_layers_read_are_a_table(tmp_path: Path) -> None:
    """Their samples come in order alone: none can be had by its number, to be drawn."""
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["data"] = np.random.default_rng(0).standard_normal((12, 3, 8, 8)).astype(np.float32)
        file["label"] = (np.arange(12) % 3).astype(np.float32)
    (tmp_path / "d.txt").write_text("d.h5\n")
    data = {"name": "data", "type": "HDF5Data", "top": ["data", "label"],
            "hdf5_data_param": {"source": "d.txt", "batch_size": 4}}  # fmt: skip
    loss = {"name": "loss", **LOSS, "bottom": ["score", "label"]}
    layers = [data, {**DENSE, "bottom": "data"}, loss]
    solver = {"base_lr": 0.1, "max_iter": 1, "test_iter": 3, "test_interval": 1}
    net = open_subject(str(write(tmp_path, name="read", layers=layers, train={"solver": solver})))
    assert net.picture
    seen = see("mistakes", net)
    assert seen.values["samples"] == 12 and seen.values["mistakes"] > 0 and "pictures" not in seen.arrays


@pytest.mark.parametrize(
    ("last", "word", "label"),
    [
        ([{"name": "wide", "type": "InnerProduct", "num_output": 64}], "wide[5]", None),
        ([DENSE, {"name": "prob", "type": "Softmax"}], "class 2", "2"),
        ([{**DENSE, "num_output": 1}], "score", None),
    ],
)
def test_what_is_no_class_is_not_called_one(
    last: list[dict[str, object]], word: str, label: str | None, tmp_path: Path
) -> None:
    """A number of a reconstruction is called by its place, one that is alone by its output."""
    net = open_subject(str(write(tmp_path, name="ends", input={"data": ["N", 1, 8, 8]}, layers=last)))
    chosen = {"wide[5]": "5", "class 2": "2"}.get(word)
    for view in ("saliency", "occlusion"):
        seen = see(view, net, label=chosen)
        assert (seen.values["answer"], seen.values["class"]) == (word, label)
        assert seen.told[0].endswith(f", for {word}")
