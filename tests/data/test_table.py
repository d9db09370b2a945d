"""Tables of pictures: one class, one number or several for each, parts by a column, and every row that does not fit with its line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netspec.data.registry import Place, open_source
from netspec.data.source import Source
from netspec.diagnostics import Diagnostic, SpecError
from netspec.resolve.sections.train import DataSection, SplitSection


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for i in range(6):
        Image.new("RGB", (4, 3), (40 * i, 0, 0)).save(tmp_path / "photos" / f"{i}.png")
    return tmp_path


def opened(
    home: Path, text: str, split: str | None = None, drawn: SplitSection | None = None, **words: Any
) -> Source:
    (home / "t.csv").write_text(text)
    section = DataSection(source="table", path="t.csv", images="photos", **words)
    return open_source(section, split, Place(home, (3, None, None), split=drawn))


def failure(home: Path, text: str, **words: Any) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        opened(home, text, **words)
    return caught.value.diagnostics[0]


def table(head: str, *rows: str) -> str:
    return "\n".join([f"file,{head}", *(f"{i}.png,{row}" for i, row in enumerate(rows))]) + "\n"


def test_words_are_classes_and_pictures_are_those_of_their_rows(home: Path) -> None:
    source = opened(home, table("kind", "cat", "dog", "cat"))
    rows = source.batch(np.array([2, 1]))
    assert source.classes == ("cat", "dog") and np.asarray(rows["label"]).tolist() == [0, 1]
    assert [int(np.asarray(image)[0, 0, 0]) for image in rows["image"]] == [80, 40]


def test_several_columns_are_numbers(home: Path) -> None:
    source = opened(home, table("a,note,b", "1,x,0.5", "0,y,2"), label="a, b")
    assert source.fields["label"].shape == (2,) and source.labels().tolist() == [[1, 0.5], [0, 2]]  # type: ignore[union-attr]


def test_one_column_of_real_numbers_is_a_target(home: Path) -> None:
    labels = opened(home, table("age", "1.5", "2")).labels()
    assert labels is not None and labels.dtype == np.float32 and labels.tolist() == [1.5, 2]


def test_a_column_says_the_parts(home: Path) -> None:
    text = table(
        "kind,split", "cat,train", "dog,Training", "cat,validation", "dog,test", "cat,train", "dog,val"
    )
    assert [len(opened(home, text, split)) for split in ("train", "val", "test", "all", None)] == [
        3,
        2,
        1,
        6,
        3,
    ]


def test_without_one_parts_are_drawn_within_classes(home: Path) -> None:
    text = table("kind", *["cat", "dog"] * 3)
    test = opened(home, text, "test", SplitSection(test=0.34))
    assert np.asarray(test.batch(np.arange(len(test)))["label"]).tolist() == [0, 1] or len(test) == 2


@pytest.mark.parametrize(
    ("text", "words", "code", "said"),
    [
        (
            table("kind", "cat", "", "dog", ""),
            {},
            "NS654",
            "2 of 4 labels cannot be taken line 3: kind: no label",
        ),
        (table("weight", "1.5", "nan", "2"), {}, "NS654", "line 3: weight: the label 'nan' is not a finite"),
        (table("a,b", "1,2", "inf,3"), {}, "NS654", "line 3: a: the label 'inf'"),
        (table("a,b", "1,2", "3,x"), {}, "NS654", "line 3: b is 'x'"),
        (table("kind,split", "cat,train", "dog,later"), {}, "NS654", "line 3: 'later'"),
        (table("kind", "cat"), {"label": "sort"}, "NS641", "file, kind"),
        (table("kind,kind", "cat,1"), {}, "NS654", "kind"),
        (
            "file,kind\n0.png,cat\nnone.png,dog\ngone.png,dog\n",
            {},
            "NS643",
            "none.png (line 3), gone.png (line 4)",
        ),
        ("name,kind\n0,cat\n1,dog\n", {}, "NS654", "no column holds"),
        ("file\n0.png\n", {}, "NS654", ""),
        ("0.png,1\n1.png,0\n", {}, "NS654", ""),
        ("file,kind\n../t.csv.png,cat\n", {}, "NS643", ""),
        ("file,kind\n/etc/x.png,cat\n", {}, "NS642", ""),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    home: Path, text: str, words: dict[str, str], code: str, said: str
) -> None:
    found = failure(home, text, **words)
    assert found.code == code and said in f"{found.fact} {' '.join(found.notes)}", found


def test_rows_without_a_label_can_be_left_out(home: Path) -> None:
    for nothing, others in (("", ("cat", "dog")), ("NaN", ("1", "2"))):
        source = opened(home, table("kind", others[0], nothing, others[1]), on_error="skip")
        assert len(source) == 2 and source.where(1).startswith("line 4")
        assert [line.startswith("line 3: kind: ") for line in source.left_out] == [True]


def test_another_picture_under_the_same_name_is_other_data(home: Path) -> None:
    from netspec.data.identity import identify

    text = table("kind", "cat", "dog")
    before = identify(opened(home, text))
    Image.effect_noise((4, 3), 90).convert("RGB").save(home / "photos" / "1.png")
    assert identify(opened(home, text)) != before


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("file\n0.png\n1.png\n", None),
        (table("kind,size", "cat,3", "dog,4"), None),
        (table("kind", "cat", ""), None),
        (table("kind", "cat", "dog"), ("cat", "dog")),
        (table("size,label", "3,cat", "4,dog"), ("cat", "dog")),
    ],
)
def test_pictures_to_predict_need_no_label(home: Path, text: str, labels: tuple[str, ...] | None) -> None:
    """One that is clear is kept, to be shown beside the answer."""
    (home / "t.csv").write_text(text)
    section = DataSection(source="table", path="t.csv", images="photos")
    source = open_source(section, "all", Place(home, (3, None, None), predicting=True))
    assert source.classes == labels and ("label" in source.fields) == (labels is not None)
    assert np.asarray(source.batch(np.array([1]))["image"][0])[0, 0, 0] == 40
