"""Pictures with boxes: COCO and VOC give the same rows in the layout of MultiBoxLoss; what does not fit is told, all of it at once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netspec import driver
from netspec.data.boxes.annotations import COLUMNS, boxes_behind, lacking_boxes
from netspec.data.inventory.take import judge, take_inventory
from netspec.data.registry import Place, open_source
from netspec.data.source import Source
from netspec.data.splits import lacking
from netspec.diagnostics import SpecError
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection
from netspec.strict_xml import BYTES, XmlError, read_xml
from tests.data.boxed_files import (
    BOXES,
    PICTURES,
    Boxed,
    coco_of,
    detector,
    voc_of,
    write_coco,
    write_picture,
    write_voc,
)

CONTRACT = ImageContract(color="gray", resize=(16, 16))


def opened(folder: Path, source: str, split: str | None = "train", **words: Any) -> Source:
    classes = words.pop("classes", None)
    section = DataSection(source=source, path=words.pop("path", "."), **words)
    return open_source(section, split, Place(folder, (1, 16, 16), CONTRACT, classes))


def failures(folder: Path, source: str, **words: Any) -> dict[str, list[str]]:
    """Notes by code."""
    with pytest.raises(SpecError) as caught:
        opened(folder, source, **words)
    return {each.code: [each.fact, *each.notes] for each in caught.value.diagnostics}


def rows_of(source: Source) -> dict[str, Any]:
    """The boxes of each picture by the name of its file."""
    rows = source.batch(np.arange(len(source)))["label"]
    return {Path(source.where(i)).stem: np.asarray(each) for i, each in enumerate(rows)}


def expected(classes: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, list[Any]] = {name: [] for name in PICTURES}
    for each in BOXES:
        w, h = PICTURES[each.picture]
        label = classes.index(each.name)
        instance = sum(row[1] == label for row in found[each.picture])
        x0, y0, x1, y1 = each.corners
        found[each.picture].append([0, label, instance, x0 / w, y0 / h, x1 / w, y1 / h, each.difficult])
    return {name: np.array(rows, np.float32).reshape(-1, len(COLUMNS)) for name, rows in found.items()}


FORMS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "coco": (write_coco, ("background", "cat", "dog", "bird")),
    "voc": (write_voc, ("background", "bird", "cat", "dog")),
}


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_those_of_multibox_loss(tmp_path: Path, form: str) -> None:
    write, classes = FORMS[form]
    write(tmp_path)
    source = opened(tmp_path, form, split="all")
    assert source.classes == classes and source.labels() is None
    found, wanted = rows_of(source), expected(classes)
    assert found.keys() == wanted.keys()
    for name, rows in wanted.items():
        np.testing.assert_allclose(found[name], rows, atol=1e-6)
    assert [(each.code, each.fact) for each in source.remarks()] == [
        ("NS623", "1 of 3 pictures have no box: all in them is background")
    ]


@pytest.mark.parametrize("form", FORMS)
def test_parts_number_their_classes_alike(tmp_path: Path, form: str) -> None:
    more = {"d": (20, 20)}
    birds = (Boxed("d", "bird", (1, 1, 9, 9)),)
    if form == "coco":
        write_coco(tmp_path)
        write_coco(tmp_path, more, birds, "val2017", categories=[{"id": 40, "name": "bird"}])
    else:
        write_voc(tmp_path, {**PICTURES, **more}, (*BOXES, *birds), {"train": [*PICTURES], "val": ["d"]})
    train = opened(tmp_path, form)
    val = opened(tmp_path, form, split="val", classes=train.classes)
    assert (len(train), len(val)) == (3, 1) and val.classes == train.classes
    assert rows_of(val)["d"][0, 1] == (train.classes or ()).index("bird")
    whole = rows_of(opened(tmp_path, form, split="all"))
    assert len(whole) == 4 and whole["d"][0, 1] == (train.classes or ()).index("bird")
    strange = failures(tmp_path, form, split="val", classes=("background", "cat"))
    assert [*strange] == ["NS663"] and "bird" in strange["NS663"][0]


def test_a_list_of_classes_orders_those_of_voc(tmp_path: Path) -> None:
    write_voc(tmp_path)
    (tmp_path / "names.txt").write_text("background\ndog\nbird\ncat\n", encoding="utf-8")
    assert opened(tmp_path, "voc", labels="names.txt").classes == ("background", "dog", "bird", "cat")
    (tmp_path / "names.txt").write_text("dog\ncat\n", encoding="utf-8")
    found = failures(tmp_path, "voc", split="all", labels="names.txt")
    assert [*found] == ["NS622"] and "b.xml" in found["NS622"][1]


PLACES = {
    "coco": lambda folder: write_coco(folder).parents[1],
    "one file": write_coco,
    "beside": lambda folder: moved(
        write_coco(folder, part="images"), folder / "images/_annotations.coco.json"
    ),
    "export": lambda folder: moved(write_coco(folder, part="images"), folder / "result.json"),
    "parts": lambda folder: moved(write_coco(folder, part="train"), folder / "train/_annotations.coco.json"),
}


def test_other_files_beside_the_annotations_are_left_alone(tmp_path: Path) -> None:
    write_coco(tmp_path)
    for name in (
        "package.json",
        "run/run.json",
        "annotations/captions_train2017.json",
        "annotations/person_keypoints_train2017.json",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}", encoding="utf-8")
    assert len(opened(tmp_path, "coco")) == 3


def moved(file: Path, to: Path) -> Path:
    file.rename(to)
    file.parent.rmdir()
    return to.parent if to.stem != "result" else to


@pytest.mark.parametrize("place", PLACES)
def test_coco_lies_where_tools_put_it(tmp_path: Path, place: str) -> None:
    path = PLACES[place](tmp_path)
    if place == "parts":
        path = tmp_path
    assert (
        len(
            opened(
                tmp_path,
                "coco",
                "all" if place in ("one file", "beside", "export") else "train",
                path=str(path),
            )
        )
        == 3
    )


def test_voc_lies_where_tools_put_it(tmp_path: Path) -> None:
    write_voc(tmp_path / "kit/VOCdevkit/VOC2007", parts={"trainval": ["b", "a"], "test": ["c"]})
    source = opened(tmp_path, "voc", path="kit")
    assert [Path(source.where(i)).stem for i in range(2)] == ["b", "a"] and len(source) == 2
    for part, names in {"train": "ab", "valid": "c"}.items():
        for name in names:
            own = [each for each in BOXES if each.picture == name]
            write_picture(tmp_path / f"flat/{part}/{name}.jpg", PICTURES[name], own)
            (tmp_path / f"flat/{part}/{name}.xml").write_text(voc_of(PICTURES[name], own), encoding="utf-8")
    assert len(opened(tmp_path, "voc", path="flat")) == 2
    assert len(opened(tmp_path, "voc", "val", path="flat", classes=("background", "bird", "cat", "dog"))) == 1


OUTSIDE_OF_IT = "lies outside the picture of 30 x 30 pixels"
BAD_BOXES = [
    ("x from 8 to 8 is no width", (8, 0, 8, 10)),
    ("y from 9 to 3 is no height", (0, 9, 5, 3)),
    (OUTSIDE_OF_IT, (30, 0, 40, 10)),
    (OUTSIDE_OF_IT, (-9, 0, 0, 10)),
    (OUTSIDE_OF_IT, (0, 30, 10, 40)),
    (OUTSIDE_OF_IT, (0, -9, 10, 0)),
]


@pytest.mark.parametrize("form", FORMS)
def test_every_box_that_holds_nothing_is_named(tmp_path: Path, form: str) -> None:
    bad = tuple(Boxed("c", "cat", tuple(map(float, box))) for _, box in BAD_BOXES)  # type: ignore[arg-type]
    FORMS[form][0](tmp_path, boxes=(*BOXES, *bad))
    found = failures(tmp_path, form, split="all")
    assert [*found] == ["NS621"] and found["NS621"][0] == "6 of 10 boxes"
    for (words, _), line in zip(BAD_BOXES, found["NS621"][1:], strict=False):
        assert words in line and "cat" in line
    source = opened(tmp_path, form, split="all", on_error="skip")
    assert sum(map(len, rows_of(source).values())) == 4 and len(source) == 3
    assert source.remarks()[0].fact.startswith("left out: ") and len(source.remarks()[0].notes) == 1


@pytest.mark.parametrize("form", FORMS)
def test_boxes_over_the_border_are_cut_and_counted(tmp_path: Path, form: str) -> None:
    over = (Boxed("c", "cat", (-6, 3, 12, 36)), Boxed("c", "dog", (0, 0, 30.2, 30)))
    FORMS[form][0](tmp_path, boxes=(*BOXES, *over))
    source = opened(tmp_path, form, split="all")
    np.testing.assert_allclose(rows_of(source)["c"][:, 3:7], [[0, 0.1, 0.4, 1], [0, 0, 1, 1]], atol=1e-6)
    said = source.remarks()[0]
    assert said.fact == "1 of 6 boxes reach beyond their picture: they are cut there" and not said.notes


def test_what_does_not_belong_together_is_told_at_once_of_coco(tmp_path: Path) -> None:
    write_coco(tmp_path)
    document = coco_of(PICTURES, BOXES)
    document["images"].append({"id": 900, "file_name": "gone.png", "width": 5, "height": 5})
    document["images"].append({"id": 901, "file_name": "a.png", "width": 40, "height": 20})
    document["images"].append({"id": 902, "file_name": "../out.png"})
    document["annotations"] += [
        {"id": 50, "image_id": 7777, "category_id": 3, "bbox": [0, 0, 5, 5]},
        {"id": 51, "image_id": 100, "category_id": 5, "bbox": [0, 0, 5, 5]},
        {"id": 52, "image_id": 100, "category_id": 3, "bbox": [0, 0, "x", 5]},
        {"id": 53, "image_id": 101, "category_id": 3, "bbox": [0, 0, 0, 5]},
        {"id": 54, "image_id": 900, "category_id": 3, "bbox": [9, 9, 1, 1]},
    ]
    document["categories"].append({"id": 8, "name": "cat"})
    (tmp_path / "annotations/instances_train2017.json").write_text(json.dumps(document), encoding="utf-8")
    found = failures(tmp_path, "coco")
    assert [*found] == ["NS621", "NS622"] and len(found["NS621"]) == 3
    text = "\n".join(found["NS622"])
    for words in (
        "gone.png",
        "listed twice",
        "../out.png",
        "7777",
        "category 5",
        "bbox must be",
        "category 8, cat",
    ):
        assert words in text
    assert found["NS622"][0].startswith("8 ")
    left = opened(tmp_path, "coco", on_error="skip")
    assert sorted(rows_of(left)) == ["b", "c"]


def test_what_does_not_belong_together_is_told_at_once_of_voc(tmp_path: Path) -> None:
    write_voc(tmp_path, parts={"train": ["a", "b", "b", "gone"]})
    write_picture(tmp_path / "JPEGImages/a.jpg", (40, 20))
    (tmp_path / "Annotations/b.xml").write_text(
        "<annotation><object><name>cat</name></object></annotation>", encoding="utf-8"
    )
    found = failures(tmp_path, "voc")
    assert [*found] == ["NS622"]
    text = "\n".join(found["NS622"])
    for words in (
        "two pictures have this name",
        "listed twice",
        "gone: there is no picture",
        "b.xml, line 1: cat needs a bndbox",
    ):
        assert words in text


@pytest.mark.parametrize("form", FORMS)
def test_pictures_of_another_size_are_found_by_their_headers(tmp_path: Path, form: str) -> None:
    FORMS[form][0](tmp_path)
    folder = tmp_path / ("train2017" if form == "coco" else "JPEGImages")
    write_picture(folder / "a.png", (20, 10))
    parts = {"all": opened(tmp_path, form, split="all")}
    (finding,) = judge(take_inventory(parts))
    assert (
        finding.code == "NS622" and "the annotations say 40 x 20, the picture is 20 x 10" in finding.notes[0]
    )


def test_a_picture_that_its_tag_turns_is_seen_upright(tmp_path: Path) -> None:
    write_coco(tmp_path)
    file = tmp_path / "train2017/a.png"
    sideways = Image.new("L", (20, 40))
    sideways.putpixel((3, 3), 200)
    exif = sideways.getexif()
    exif[0x0112] = 6
    sideways.save(file, "JPEG", exif=exif)
    assert judge(take_inventory({"all": opened(tmp_path, "coco", split="all")})) == []


def test_sizes_that_are_not_said_are_those_of_the_pictures(tmp_path: Path) -> None:
    write_voc(tmp_path)
    whole = rows_of(opened(tmp_path, "voc", split="all"))
    for file in (tmp_path / "Annotations").glob("*.xml"):
        file.write_text(file.read_text(encoding="utf-8").replace("width", "w"), encoding="utf-8")
    for name, rows in rows_of(opened(tmp_path, "voc", split="all")).items():
        np.testing.assert_array_equal(rows, whole[name])


BOMB = '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;">]><annotation>&y;</annotation>'
OUTSIDE = '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>'
XML = {
    "entities": (BOMB, "document type"),
    "another file": (OUTSIDE, "document type"),
    "depth": ("<a>" * 40, "nested deeper"),
    "torn": ("<annotation><object>", "no element"),
    "none": ("xyz", "line 1"),
    "encoding": ('<?xml version="1.0" encoding="klingon"?><a/>', "encoding"),
    "long": ("<a>" + "x" * BYTES, "bytes"),
    "many": ("<a>" + "<b/>" * 100_001 + "</a>", "elements"),
}


@pytest.mark.parametrize("kind", XML)
def test_xml_of_strangers_is_refused(kind: str) -> None:
    text, words = XML[kind]
    with pytest.raises(XmlError, match=words):
        read_xml(text.encode())


def test_all_annotations_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    write_voc(tmp_path)
    for name in "ab":
        (tmp_path / f"Annotations/{name}.xml").write_text(BOMB, encoding="utf-8")
    found = failures(tmp_path, "voc", split="all")
    assert [*found] == ["NS620"] and found["NS620"][0] == "2 of 2 annotations" and len(found["NS620"]) == 3


DOCUMENTS = {
    "no JSON": "{",
    "a list": "[]",
    "no categories": '{"images": [], "annotations": []}',
    "no objects": '{"images": [1], "annotations": [], "categories": []}',
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_json_of_strangers_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x.json").write_text(DOCUMENTS[kind], encoding="utf-8")
    assert [*failures(tmp_path, "coco", path="x.json")] == ["NS620"]


def test_boxes_are_counted(tmp_path: Path) -> None:
    write_coco(tmp_path)
    (part,) = take_inventory({"train": opened(tmp_path, "coco")}).parts
    assert part.counts == {"cat": 1, "dog": 2, "bird": 1} and part.boxes is not None
    assert (part.boxes.total, part.boxes.most, part.boxes.without, part.boxes.difficult) == (4, 3, 1, 1)


def test_a_part_without_a_class_is_told(tmp_path: Path) -> None:
    write_voc(tmp_path, parts={"train": ["a"], "val": ["b", "c"]})
    source = opened(tmp_path, "voc")
    (found,) = lacking_boxes(source, "training")
    assert found.code == "NS668" and "no box of bird" in found.fact and lacking(source, "training") == ()


def test_drawn_parts_keep_their_boxes(tmp_path: Path) -> None:
    write_coco(tmp_path, part="images")
    whole, part = (rows_of(opened(tmp_path, "coco", split)) for split in ("all", "train"))
    assert 0 < len(part) < len(whole) == 3
    for name, rows in part.items():
        np.testing.assert_array_equal(rows, whole[name])
    behind = boxes_behind(opened(tmp_path, "coco", "train"))
    assert behind is not None and behind[0].count(behind[1])[0].sum() == sum(map(len, part.values()))


@pytest.mark.torch
def test_a_batch_has_the_boxes_of_all_its_samples(tmp_path: Path) -> None:
    import torch

    from netspec.training.batches.sheet import open_data
    from netspec.training.nets import twins

    write_coco(tmp_path)
    (tmp_path / "spec.yaml").write_text(detector("source: coco, path: ., shuffle: false"), encoding="utf-8")
    feeds, typed = open_data(driver.load(str(tmp_path / "spec.yaml")))
    net = twins(typed, typed).train
    batches = feeds.batches("train", typed, net, 0, torch.device("cpu"))
    try:
        first, second = next(batches), next(batches)
    finally:
        batches.close()
    rows = expected(FORMS["coco"][1])
    a, b = rows["a"].copy(), rows["b"].copy()
    b[:, 0] = 1
    assert first["label"].shape == (1, 1, 4, 8) and first["data"].shape == (2, 1, 16, 16)
    np.testing.assert_allclose(first["label"][0, 0].numpy(), np.concatenate((a, b)), atol=1e-6)
    a[:, 0] = 1  # c, which has none, and then a again
    np.testing.assert_allclose(second["label"][0, 0].numpy(), a, atol=1e-6)


@pytest.mark.torch
def test_a_net_of_too_few_classes_is_refused(tmp_path: Path) -> None:
    from netspec.training.batches.sheet import open_data

    write_coco(tmp_path)
    text = detector("source: coco, path: .").replace("classes: 4", "classes: 3")
    (tmp_path / "spec.yaml").write_text(text, encoding="utf-8")
    feeds, typed = open_data(driver.load(str(tmp_path / "spec.yaml")))
    section = feeds.program.resolved.file.train
    assert section is not None and section.data is not None and feeds.train is not None
    with pytest.raises(SpecError) as caught:
        feeds.feed("train", typed, feeds.train, section.data)
    (finding,) = caught.value.diagnostics
    assert finding.code == "NS624" and "3 classes apart, the data have 4" in finding.fact


def test_a_corner_beyond_every_number_is_none(tmp_path: Path) -> None:
    file = write_coco(tmp_path)
    file.write_text(
        file.read_text(encoding="utf-8").replace("[4, 5, 16, 10]", "[4, 5, 1e999, 10]"), encoding="utf-8"
    )
    found = failures(tmp_path, "coco")
    assert [*found] == ["NS621"] and "a corner is no number" in found["NS621"][1]
