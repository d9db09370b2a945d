"""Folders of pictures as people have them: parts under any usual name, one folder too high, stray folders, links that lead round."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from data_files import only, opened, write_image

import netspec
from netspec.cli import group
from netspec.data.binding import refuse_one_class
from netspec.data.folder_layout import name_role, read_layout
from netspec.data.inventory.oddities import judge_classes_of
from netspec.data.inventory.parts import open_parts
from netspec.data.registry import Place, open_sources
from netspec.diagnostics import SpecError
from netspec.resolve.sections.train import DataSection

PETS = ("cat", "dog")


def make(top: Path, *places: str) -> Path:
    for place in places:
        write_image(top / place / "0.png")
        write_image(top / place / "1.png", value=9)
    return top


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *((name, "train") for name in ("train", "Train", "TRAINING", "trainset", "Train_Set", "seg_train")),
        *((name, "train") for name in ("train2017", "trainSet", "train-images", "training data", "01_train")),
        *((name, "val") for name in ("val", "Valid", "validation", "VALIDATION", "dev", "val_set")),
        *((name, "test") for name in ("test", "Testing", "eval", "testset", "seg_test", "Test Images")),
        *(
            (name, None)
            for name in ("tram", "trains", "contest", "attrain", "validated", "train_test", "cat")
        ),
    ],
)
def test_a_part_is_known_by_its_name(name: str, role: str | None) -> None:
    assert name_role(name)[0] == role


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Train", "Test"),
        ("train", "Validation"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("TRAINING", "dev"),
        ("train/images", "val/images"),
        ("asl_alphabet_train", "asl_alphabet_test"),
        ("trainset", "testset"),
        ("train2017", "eval2017"),
    ],
)
def test_parts_under_any_usual_name(tmp_path: Path, train: str, test: str) -> None:
    make(tmp_path / "d", *(f"{train}/{name}" for name in PETS), f"{test}/dog", "d/.cache", "__MACOSX/train")
    section = DataSection(source="images", path="d")
    place = Place(tmp_path, (3, 8, 8))
    first, second = open_sources(
        section.replace(split="train"), section.replace(split="test", batch_size=2), place
    )
    assert second is not None and first.classes == second.classes == PETS
    assert first.batch(np.arange(4))["label"].tolist() == [0, 0, 1, 1]
    assert second.batch(np.arange(2))["label"].tolist() == [1, 1]
    every = opened(tmp_path, "all", shape=(3, 8, 8), source="images", path="d")
    assert every.classes == PETS and len(every) == 6


def test_classes_that_hold_the_parts(tmp_path: Path) -> None:
    make(tmp_path, *(f"{name}/{part}" for name in PETS for part in ("Train", "Test")))
    layout = read_layout(tmp_path, [tmp_path])
    assert layout.roles == ("train", "test")
    assert layout.part("test")[1] == {name: (tmp_path / name / "Test",) for name in PETS}


def test_classes_that_are_called_like_parts(tmp_path: Path) -> None:
    make(tmp_path / "a", "train", "car", "bus")
    make(tmp_path / "b", "train/steam", "train/diesel", "car", "bus")
    make(tmp_path / "c", "train station", "test station")
    for name, classes in (
        ("a", {"train", "car", "bus"}),
        ("b", {"train", "car", "bus"}),
        ("c", {"train station", "test station"}),
    ):
        layout = read_layout(tmp_path / name, [tmp_path])
        assert not layout.roles and set(layout.part("train")[1]) == classes


def test_folders_that_hold_all_the_same_are_no_classes(tmp_path: Path) -> None:
    make(tmp_path / "d", *(f"{part}/{name}" for part in ("A", "B") for name in PETS))
    with pytest.raises(SpecError) as error:
        opened(tmp_path, source="images", path="d")
    found = only(error.value)
    assert found.code == "NS664" and "A, B all hold the same folders, cat, dog" in found.fact
    make(tmp_path / "d", "B/eel")
    assert opened(tmp_path, source="images", path="d").classes == ("A", "B")


def test_one_class_alone(tmp_path: Path) -> None:
    make(tmp_path / "upload", *(f"pets/{name}" for name in PETS))
    with pytest.raises(SpecError) as error:
        refuse_one_class(opened(tmp_path, source="images", path="upload"))
    found = only(error.value)
    assert found.code == "NS664" and "all 4 samples are of one class, pets" in found.fact
    assert f"{tmp_path / 'upload' / 'pets'} holds cat, dog" in found.notes[0]
    (tmp_path / "t.csv").write_text("a,label\n1,yes\n2,yes\n")
    with pytest.raises(SpecError, match=r"NS664.*one class, yes"):
        refuse_one_class(opened(tmp_path, source="csv", path="t.csv"))


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (("train/cat", "train/dog", "dev_test/cat", "notes/old"), ("dev_test",)),
        (("train/cat", "train/dog", "val/cat", "more/dog", "papers/draft"), ("more",)),
        (("train/cat", "train/dog", "test/cat"), ()),
    ],
)
def test_folders_beside_the_parts_are_told_where_they_hold_classes(
    tmp_path: Path, places: tuple[str, ...], said: tuple[str, ...]
) -> None:
    layout = read_layout(make(tmp_path, *places), [tmp_path])
    assert tuple(folder.name for folder in layout.beside) == said
    found = [each.fact for each in judge_classes_of(open_parts(tmp_path)) if "is not read" in each.fact]
    assert len(found) == len(said) and all(name in found[0] for name in said)


def test_classes_below_folders_of_one_folder_are_pointed_at(tmp_path: Path) -> None:
    """An archive of an archive: each holds one folder alone."""
    make(tmp_path, "all/raw/v2/cat", "all/raw/v2/dog")
    with pytest.raises(SpecError) as caught:
        refuse_one_class(open_parts(tmp_path)["all"])
    assert f"{tmp_path}/all/raw/v2 holds cat, dog" in caught.value.diagnostics[0].notes[0]


def test_a_part_that_is_not_there(tmp_path: Path) -> None:
    make(tmp_path / "d", "Train/cat", "Train/dog")
    with pytest.raises(SpecError, match=r"NS643.*has the parts Train but none called test or val"):
        opened(tmp_path, "test", source="images", path="d")


def test_an_empty_class_says_how_to_go_on(tmp_path: Path) -> None:
    make(tmp_path / "d", *PETS)
    (tmp_path / "d" / "eel").mkdir()
    (tmp_path / "d" / "eel" / "a.HEIC").write_bytes(b"")
    with pytest.raises(SpecError) as error:
        opened(tmp_path, source="images", path="d")
    found = only(error.value)
    assert found.code == "NS649" and "1 entries, which end in .heic" in found.fact
    assert "the classes are then cat, dog" in found.notes[1]
    assert len(opened(tmp_path, source="images", path="d", classes=("cat", "dog", "eel"))) == 4


def test_hidden_folders_are_left_out_at_every_depth(tmp_path: Path) -> None:
    make(tmp_path / "d", *PETS, "__MACOSX/cat", "@eaDir", ".ipynb_checkpoints", "cat/.ipynb_checkpoints")
    write_image(tmp_path / "d" / "cat" / "._0.png")
    source = opened(tmp_path, source="images", path="d")
    assert source.classes == PETS and len(source) == 4


def test_links_that_lead_round(tmp_path: Path) -> None:
    """A ring is refused; folders that many links lead to are read once, or 30 of them would take for ever."""
    make(tmp_path / "ring", *PETS)
    (tmp_path / "ring" / "cat" / "back").symlink_to("..")
    with pytest.raises(SpecError, match=r"NS734.*leads back"):
        opened(tmp_path, source="images", path="ring")
    make(tmp_path / "own", "train")
    (tmp_path / "own" / "train" / "train").symlink_to("..")
    with pytest.raises(SpecError, match=r"NS734.*leads back"):
        opened(tmp_path, source="images", path="own")
    for name in ("self", "cat/0.png"):
        make(tmp_path / f"at {name[:3]}", *PETS)
        link = tmp_path / f"at {name[:3]}" / name
        link.unlink(missing_ok=True)
        link.symlink_to(link.name)
        for path in (f"at {name[:3]}", str(link.relative_to(tmp_path))):
            with pytest.raises(SpecError, match=r"NS734.*leads to itself"):
                opened(tmp_path, source="images", path=path)
    make(tmp_path / "net", *PETS)
    inside = tmp_path / "net" / "cat"
    for i in range(30):
        (inside / f"{i}").mkdir()
        (inside / f"{i}" / "left").symlink_to(f"../{i + 1}")
        (inside / f"{i}" / "right").symlink_to(f"../{i + 1}")
    make(inside / "30", "x")
    assert len(opened(tmp_path, source="images", path="net")) == 6


@pytest.mark.torch
def test_one_class_is_nothing_to_learn_whatever_the_net_makes_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with one output, which a softmax always gets right; and `netspec data` says so of a folder too high."""
    monkeypatch.chdir(tmp_path)
    for i in range(6):
        write_image(tmp_path / f"d/train/cat/{i}.png", value=i)
    net = "input: {data: [N, 3, 8, 8]}\nlayers: [{name: ip, type: InnerProduct, num_output: 1, weight_filler: xavier}]\n"
    net += "train: {data: {source: images, path: d, batch_size: 2}, solver: {base_lr: 0.1, max_iter: 1}}\n"
    Path("net.yaml").write_text(net)
    with pytest.raises(SpecError, match="NS664"):
        netspec.train("net.yaml", "run")
    for place in ("d", "net.yaml"):
        assert "error[NS664]" in CliRunner().invoke(group, ["data", place]).output
