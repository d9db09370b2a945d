"""What is told of the files that a net's own data layers read: what their sizes hang on, and all
that is wrong with their pictures before the first step.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from netspec import driver
from netspec.diagnostics import Diagnostic, SpecError
from netspec.read_options import PLAIN
from netspec.source import Source
from netspec.training.batches.feeds import Feeds
from netspec.training.data_findings import class_findings, data_findings
from netspec.training.session import session
from tests.data.data_files import CAFFE, write_image

pytestmark = pytest.mark.torch
NET = """
netspec: 1
name: own
layers:
{data}
  - {{name: ip, type: InnerProduct, num_output: 9, bottom: data, weight_filler: xavier}}
  - {{name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}}
train: {{solver: {{type: SGD, base_lr: 0.1, lr_policy: fixed, max_iter: 2}}}}
"""
STORE = "  - {name: data, type: Data, top: [data, label], source: store, batch_size: 2, backend: LMDB}"
LIST = (
    "  - {name: data, type: ImageData, top: [data, label], source: PART.txt, batch_size: 2, new_height: 8,"
    " new_width: 8, include: [{phase: PHASE}]}"
)
TWO = "\n".join(LIST.replace("PART", part).replace("PHASE", part.upper()) for part in ("train", "test"))


def net(folder: Path, layers: str) -> Source:
    return Source(str(folder / "net.yaml"), NET.format(data=layers))


def feeds_of(folder: Path, layers: str) -> Feeds:
    program = driver.load_source(net(folder, layers))
    return Feeds.open(program, program.training_graph("train"), program.training_graph("test"))


def write_list(folder: Path, part: str, labels: list[int]) -> None:
    for number in range(len(labels)):
        write_image(folder / f"{part}{number}.png", value=number + 50 * (part == "test"))
    rows = [f"{part}{number}.png {label}\n" for number, label in enumerate(labels)]
    (folder / f"{part}.txt").write_text("".join(rows))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:6000])


@pytest.mark.parametrize(
    ("code", "damage"),
    [
        ("NS644", cut),
        ("NS645", lambda file: file.write_bytes(b"")),
        ("NS645", lambda file: file.write_bytes(bytes(range(256)) * 64)),
        ("NS643", Path.unlink),
    ],
)
def test_a_store_that_tells_no_sizes_is_the_cause(
    code: str, damage: Callable[[Path], object], tmp_path: Path
) -> None:
    """Not the weight whose shape is then open."""
    shutil.copytree(CAFFE / "data_lmdb", tmp_path / "store")
    assert driver.findings(net(tmp_path, STORE), PLAIN) == []
    damage(tmp_path / "store/data.mdb")
    (found,) = driver.findings(net(tmp_path, STORE), PLAIN)
    assert found.code == code and found.fact.rpartition(": ")[2].startswith(str(tmp_path / "store"))
    assert found.span is not None and found.span.text == "store"


def test_sizes_that_a_file_would_tell_are_open_without_it(tmp_path: Path) -> None:
    (found,) = driver.findings(net(tmp_path, STORE), PLAIN)
    assert found.code == "NS304" and "store is not there" in found.notes[-1]


def test_all_bad_pictures_of_a_list_are_told_before_the_first_step(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write_list(tmp_path, part, [0, 1, 0, 1])
    (tmp_path / "train1.png").write_bytes((tmp_path / "train1.png").read_bytes()[:40])
    (tmp_path / "test3.png").write_bytes(b"GIF89a, no more")
    (tmp_path / "test0.png").unlink()
    with pytest.raises(SpecError) as error:
        session(driver.load_source(net(tmp_path, TWO)), torch.device("cpu"))
    told = {each.code: " ".join(each.notes) for each in error.value.diagnostics}
    assert {
        code: [name for name in sorted_names() if f"{name}.png" in text] for code, text in told.items()
    } == {
        "NS647": ["test3", "train1"],
        "NS643": ["test0"],
    }


def sorted_names() -> list[str]:
    return sorted(f"{part}{number}" for part in ("train", "test") for number in range(4))


def test_what_one_layer_reads_in_both_phases_counts_once(tmp_path: Path) -> None:
    write_list(tmp_path, "train", [0, 1, 2])
    write_list(tmp_path, "test", [0, 1])
    assert {part: len(each) for part, each in feeds_of(tmp_path, TWO).parts().items()} == {
        "train": 3,
        "test": 2,
    }
    both = LIST.replace("PART", "train").partition(", include")[0] + "}"
    once = feeds_of(tmp_path, both)
    assert list(once.parts()) == ["train"] and once.own["test"].source is once.own["train"].source


def test_a_test_on_the_training_samples_is_told(tmp_path: Path) -> None:
    write_list(tmp_path, "train", [*range(9)] * 2)
    write_list(tmp_path, "test", [*range(9)])
    one = LIST.replace("PART", "train").partition(", include")[0] + "}"
    for layers, told in ((one, True), (TWO, False)):
        feeds = feeds_of(tmp_path, layers)
        found = [each.fact for each in data_findings(feeds, feeds.program.training_graph("train"))]
        assert any("reads the training samples for the test too" in fact for fact in found) == told


def test_several_layers_of_a_phase_are_told_apart(tmp_path: Path) -> None:
    write_list(tmp_path, "train", [0, 1, 2])
    write_list(tmp_path, "test", [0, 1])
    second = "  - {name: more, type: ImageData, top: [other, number], source: test.txt, new_height: 8, new_width: 8}"
    both = LIST.replace("PART", "train").partition(", include")[0] + "}"
    parts = feeds_of(tmp_path, f"{both}\n{second}").parts()
    assert {part: len(each) for part, each in parts.items()} == {"train data": 3, "train more": 2}


def test_what_a_part_lacks_of_the_classes_is_told_before_a_training(tmp_path: Path) -> None:
    for name in ("train/cat", "train/dog", "train/owl", "test/cat", "val/dog", "val/owl"):
        write_image(tmp_path / "pets" / name / "0.png")
    roles = "".join(
        f", {part}_data: {{source: images, path: pets, split: {part}}}" for part in ("val", "test")
    )
    text = NET.format(data="").replace("layers:", "input: {data: [N, 3, 8, 8]}\nlayers:")
    text = text.partition("  - {name: loss")[0] + (
        f"train: {{data: {{source: images, path: pets}}{roles}, solver: {{max_iter: 2, base_lr: 0.1}}}}"
    )
    program = driver.load_source(Source(str(tmp_path / "net.yaml"), text))
    graphs = program.training_graph("train"), program.training_graph("test")
    found = [each.fact for each in class_findings(Feeds.open(program, *graphs), graphs[0])]
    assert found == [
        "ip tells 9 classes apart, the training data hold 3: no sample is of 3, 4, 5, 6, 7, 8",
        "the validation data have no sample of cat",
        "the test data have no sample of dog, owl",
    ]


def test_rare_classes_of_a_list_are_told(tmp_path: Path) -> None:
    write_list(tmp_path, "train", [0] * 10 + [1])
    write_list(tmp_path, "test", [0, 1])
    feeds = feeds_of(tmp_path, TWO)
    found: list[Diagnostic] = list(class_findings(feeds, feeds.program.training_graph("train")))
    assert [each.code for each in found] == ["NS668", "NS668"] and "no sample is of 2, 3" in found[0].fact
    assert "1 of class 1, 10 of class 0" in found[1].fact


def test_classes_without_names_of_which_a_test_has_none_are_told(tmp_path: Path) -> None:
    write_list(tmp_path, "train", [0, 1, 5, 7])
    write_list(tmp_path, "test", [1, 8, 0])
    feeds = feeds_of(tmp_path, TWO)
    idle, found = class_findings(feeds, feeds.program.training_graph("train"))
    # between those that are there some are missing: fewer outputs would not do
    assert "hold 4: no sample is of 2, 3, 4, 6, 8" in idle.fact and "enough" not in idle.notes[0]
    assert found.fact == "the test data have no sample of 5, 7" and found.notes == (
        "2 of 4 classes are measured",
    )
