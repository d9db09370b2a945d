"""What an inventory tells of data: every damaged file in one finding, copies, plain pictures, ranges; and what it remembers."""

import io
import json
import os
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from data_files import write_image
from PIL import Image

from netspec.cli import group
from netspec.cli.output.inventory_text import sound_lines, tell_sizes
from netspec.data.binding import LabelRule, check_labels
from netspec.data.identity import identify
from netspec.data.inventory.cache import NAME, read_cache, write_cache
from netspec.data.inventory.classes import judge_labels
from netspec.data.inventory.oddities import judge_classes_of, rare
from netspec.data.inventory.parts import open_parts
from netspec.data.inventory.pictures import Picture, look_at
from netspec.data.inventory.take import Inventory, judge, take_inventory
from netspec.data.registry import Place, open_source
from netspec.data.source import Array, ArraySource, Field, Rows, Source, Subset
from netspec.diagnostics import SpecError
from netspec.imaging.decode import to_pixels
from netspec.imaging.headers import read_header
from netspec.imaging.remarks import Remarks
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection

ENDED = ("PNG", "JPEG", "BMP", "GIF", "PPM", "WEBP", "TIFF")


def noise(side: int = 48, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.RandomState(seed).randint(0, 256, (side, side, 3)).astype(np.uint8))


def saved(kind: str) -> bytes:
    file = io.BytesIO()
    noise().save(file, kind)
    return file.getvalue()


def folder(tmp_path: Path, counts: dict[str, int]) -> Path:
    """A folder of different pictures per class."""
    for number, (name, count) in enumerate(counts.items()):
        for i in range(count):
            place = tmp_path / "photos" / name / f"{i}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            noise(8, 1000 * number + i).save(place)
    return tmp_path / "photos"


def look(place: Path, decoding: bool = False) -> Picture:
    """What is told of one file."""

    def decode(image: Image.Image) -> np.ndarray:  # type: ignore[type-arg]
        return to_pixels(image, ImageContract(color="rgb"), str(place), Remarks())

    return look_at(place, [place.parent], decode, decoding)


def looked(place: Path, decoding: bool = False) -> Inventory:
    return take_inventory(open_parts(place), decoding)


@pytest.mark.parametrize("kind", ENDED)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.99])
def test_a_file_cut_short_is_seen_by_its_header_and_end(tmp_path: Path, kind: str, share: float) -> None:
    """Whatever Pillow cannot decode of it is told without decoding the sound ones."""
    whole = saved(kind)
    sound, cut = tmp_path / "sound.png", tmp_path / "cut.png"
    sound.write_bytes(whole)
    cut.write_bytes(whole[: int(len(whole) * share)])
    assert look(sound).fault == ""
    assert look(cut).fault == look(cut, decoding=True).fault != ""


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_bytes_after_the_end_are_no_damage(tmp_path: Path, kind: str) -> None:
    """Cameras and editors append what no decoder reads."""
    place = tmp_path / "x.jpg"
    place.write_bytes(saved(kind) + b"\0" * 5000)
    found = look(place)
    assert (found.fault, found.format, found.width) == ("", kind, 48)


def test_sound_files_are_not_decoded_unless_asked(tmp_path: Path) -> None:
    place = tmp_path / "x.png"
    place.write_bytes(saved("PNG"))
    assert not look(place).decoded
    assert look(place, decoding=True).decoded


def test_all_bad_files_are_in_one_finding_with_their_reasons(tmp_path: Path) -> None:
    place = folder(tmp_path, {"cat": 4, "dog": 4})
    (place / "cat" / "0.png").write_bytes(b"")
    (place / "dog" / "3.png").write_bytes((place / "dog" / "3.png").read_bytes()[:60])
    (found,) = judge(looked(place))
    assert (found.code, found.fact) == ("NS647", "2 of 8 pictures")
    assert [note.split(": ")[0] for note in found.notes] == [
        str(place / "cat/0.png"),
        str(place / "dog/3.png"),
    ]


def test_many_bad_files_are_counted(tmp_path: Path) -> None:
    place = folder(tmp_path, {"cat": 30, "dog": 1})
    for file in (place / "cat").iterdir():
        file.write_bytes(b"no picture")
    (found,) = judge(looked(place))
    assert len(found.notes) == 21 and "10 more" in found.notes[-1]


def test_damage_in_the_middle_is_seen_by_decoding(tmp_path: Path) -> None:
    place = folder(tmp_path, {"cat": 2, "dog": 2})
    noise(64).save(place / "cat" / "0.png")
    data = bytearray((place / "cat" / "0.png").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (place / "cat" / "0.png").write_bytes(data)
    assert looked(place).bad == ()
    assert [each.path for each in looked(place, decoding=True).bad] == [str(place / "cat/0.png")]


def test_copies_are_told_where_they_mislead(tmp_path: Path) -> None:
    """In one class a copy is counted; under two classes, or in two parts, it is a finding."""
    place = folder(tmp_path, {"cat": 3, "dog": 3})
    (place / "cat" / "copy.png").write_bytes((place / "cat" / "0.png").read_bytes())
    same = looked(place)
    assert len(same.copies) == 1 and judge(same) == []
    (place / "dog" / "copy.png").write_bytes((place / "cat" / "0.png").read_bytes())
    (found,) = judge(looked(place))
    assert (found.code, found.severity) == ("NS669", "warning")
    assert "cat/0.png (cat)" in found.notes[0] and "dog/copy.png (dog)" in found.notes[0]
    assert found.fact == "1 picture stands in two places, 1 of them under two classes"


def test_one_file_under_two_labels_of_a_list_is_told(tmp_path: Path) -> None:
    for name in "abc":
        write_image(tmp_path / f"{name}.png", (8, 8 + ord(name) % 5))
    rows = ["file,label", "a.png,cat", "b.png,dog", "a.png,dog", "c.png,cat", "c.png,cat"]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    source = open_source(DataSection(source="table", path="list.csv"), "all", Place(tmp_path))
    (found,) = judge(take_inventory({"train": source}, False))
    assert found.notes == (f"{tmp_path / 'a.png'} (cat) = {tmp_path / 'a.png'} (dog)",)


def test_files_of_one_length_and_equal_ends_are_no_copies(tmp_path: Path) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (64, 64, 3)).astype(np.uint8)
    for name, value in (("cat", 0), ("dog", 255)):
        pixels[32, 32] = value
        (tmp_path / "p" / name).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "p" / name / "x.bmp")
    found = looked(tmp_path / "p")
    marks = {picture.mark for picture in found.parts[0].pictures.values()}
    assert len(marks) == 1 and found.copies == ()


def test_parts_are_counted_by_class(tmp_path: Path) -> None:
    for part, cats in (("train", 3), ("test", 2)):
        for i in range(cats):
            write_image(tmp_path / "p" / part / "cat" / f"{i}.png", (8, 8 + i))
        write_image(tmp_path / "p" / part / "dog" / "0.png", (9, 9))
    found = looked(tmp_path / "p")
    assert {part.name: part.counts for part in found.parts} == {
        "train": {"cat": 3, "dog": 1},
        "test": {"cat": 2, "dog": 1},
    }


def test_classes_of_which_little_is_learned_are_told(tmp_path: Path) -> None:
    """Two names that differ by case, a class that a part lacks, one that is rare; not the others."""
    top = folder(tmp_path, {"train/Cat": 11, "train/cat": 2, "train/dog": 1, "test/Cat": 1, "test/cat": 1})
    parts = open_parts(top)
    found = [each.fact for each in (*judge_classes_of(parts), *rare(parts["train"]))]
    assert found == [
        "classes whose names differ by case or blanks alone: Cat and cat",
        "the test data have no sample of dog",
        "training samples: 1 of dog, 11 of Cat",
    ]
    result = CliRunner().invoke(group, ["data", str(top)])
    assert result.exit_code == 0 and all(fact in result.output for fact in found)


def test_what_parts_of_one_file_leave_out_is_counted_once(tmp_path: Path) -> None:
    """A label that is NaN: the table, how many rows are out of it, and the finding."""
    rows = [f"{i},{i % 2}.0" for i in range(10)]
    (tmp_path / "t.csv").write_text("\n".join(["a,label", *rows[:4], "4,nan", *rows[5:]]) + "\n")
    for source in ("csv", "table"):
        (tmp_path / "net.yaml").write_text(
            f"""netspec: 1
input: {{data: [N, 1]}}
layers:
  - {{name: ip1, type: InnerProduct, num_output: 2, weight_filler: xavier}}
train:
  data: {{source: {source}, path: t.csv}}
  val_data: {{source: {source}, path: t.csv}}
  split: {{val: 0.2}}
  solver: {{base_lr: 0.1, max_iter: 1}}
"""
        )
        result = CliRunner().invoke(group, ["data", str(tmp_path / "net.yaml")], standalone_mode=False)
        said = " ".join(result.output.split())
        assert result.return_value == 1 and "left out 1 that" in said, result.output
        assert "all 7 2" in said and "NS654" in said and "line 6" in said and "'nan'" in said


def test_pictures_of_one_colour_are_named(tmp_path: Path) -> None:
    place = folder(tmp_path, {"cat": 2, "dog": 2})
    Image.new("RGB", (8, 8), (255, 0, 40)).save(place / "dog" / "red.png")
    found = looked(place, decoding=True)
    assert found.plain == (str(place / "dog/red.png"),)


def arrays(**values: np.ndarray) -> Source:  # type: ignore[type-arg]
    return ArraySource("x.npz", values, "label" if "label" in values else None)


def test_fields_tell_their_range_and_what_is_not_finite() -> None:
    data = np.arange(24, dtype=np.float32).reshape(6, 4)
    data[2, 1], data[4] = np.nan, 7
    part = take_inventory({"all": arrays(data=data, label=np.array([0, 1, 1, 0, 5, 1]))}).parts[0]
    field = part.fields["data"]
    assert (field.low, field.high, field.missing, field.plain) == (0, 23, (2,), (4,))
    assert part.counts == {"0": 2, "1": 3, "5": 1}


def test_samples_that_are_named_are_bounded() -> None:
    data = np.full((5000, 3), np.nan)
    field = take_inventory({"all": arrays(data=data)}).parts[0].fields["data"]
    assert (len(field.missing), field.missing_count, field.low) == (1000, 5000, None)


def test_what_is_known_is_not_read_again(tmp_path: Path) -> None:
    """By size and time: a file that changed is looked at, the others are as they were said to be."""
    place = folder(tmp_path, {"cat": 2, "dog": 1})
    pictures = looked(place).parts[0].pictures
    lies = {path: picture._replace(width=999) for path, picture in pictures.items()}
    changed = place / "cat" / "0.png"
    os.utime(changed, ns=(0, 1))
    again = take_inventory(open_parts(place), known=lies).parts[0].pictures
    assert {path: picture.width for path, picture in again.items()} == {
        path: 8 if path == str(changed) else 999 for path in pictures
    }


def test_the_cache_gives_back_what_was_written(tmp_path: Path) -> None:
    pictures = {
        "a b.png": Picture(1, 2, 3, "PNG", "RGB", 4, 5),
        "ü\n.png": Picture(7, low=1, high=2, plain=True, fault="x"),
    }
    write_cache(tmp_path / NAME, pictures)
    assert read_cache(tmp_path / NAME) == pictures
    assert read_cache(tmp_path / "none") == {}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{}",
        "[",
        "[1]",
        "[" * 5000,
        json.dumps(["x", *Picture()][:-1]),
        json.dumps(["x", *Picture(plain=1)]),
        '["x", 1e999]',
    ],  # type: ignore[arg-type]
)
def test_a_strange_line_of_the_cache_is_left_out(tmp_path: Path, line: str) -> None:
    (tmp_path / NAME).write_text(f"{line}\n{json.dumps(['good', *Picture(1)])}\n")
    assert read_cache(tmp_path / NAME) == {"good": Picture(1)}


@pytest.mark.parametrize("place", range(len(Picture())))
def test_a_value_of_another_kind_is_no_picture_s(tmp_path: Path, place: int) -> None:
    """Each by itself, where it has a default and where it is a number in its place."""
    for bare in (Picture(), Picture(low=1, high=2)):
        for wrong in ({}, [], None, "a", 1, 1.5, True):
            line = ["x", *bare]
            line[place + 1] = wrong
            alike = [Picture()[place], Picture(low=1, high=2)[place]]
            (tmp_path / NAME).write_text(json.dumps(line) + "\n")
            assert bool(read_cache(tmp_path / NAME)) == (type(wrong) in map(type, alike)), (place, wrong)


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({(6, 4): 1}, "6x4 (1)"),
        ({(6, 4): 1, (3, 9): 1200}, "3x9 (1,200), 6x4 (1)"),
        ({(6, 4): 2, (3, 9): 5, (2, 5): 1}, "3x9 (5), 6x4 (2) and 1 other, from 2x5 to 3x9"),
        ({(6, 4): 2, (3, 9): 5, (2, 5): 1, (9, 9): 1}, "3x9 (5), 6x4 (2) and 2 others, from 2x5 to 9x9"),
    ],
)
def test_the_commonest_sizes_are_told_and_the_bounds_of_all(
    counts: dict[tuple[int, int], int], text: str
) -> None:
    assert tell_sizes(Counter(counts)) == text


@pytest.mark.parametrize(
    ("lengths", "text"),
    [
        ([], []),
        ([5, 5, 7], ["lengths    5 (2), 7 (1), from 5 to 7 samples"]),
        ([5, 5, 5, 7, 7, 2], ["lengths    5 (3), 7 (2) and 1 other, from 2 to 7 samples"]),
        ([5, 5, 5, 7, 7, 2, 1000], ["lengths    5 (3), 7 (2) and 2 others, from 2 to 1,000 samples"]),
    ],
)
def test_the_commonest_lengths_are_told_and_the_bounds_of_all(lengths: list[int], text: list[str]) -> None:
    part: Any = SimpleNamespace(facts={"rate": 8000}, fields={"data": SimpleNamespace(lengths=lengths)})
    assert list(sound_lines((part, part)))[1:] == [
        re.sub(r"\((\d+)\)", lambda m: f"({2 * int(m[1])})", line) for line in text
    ]
    assert next(sound_lines((part, part))) == "rate       8,000 Hz"


def test_data_are_told_from_other_data(tmp_path: Path) -> None:
    base = np.arange(12, dtype=np.float32).reshape(6, 2)
    other = base.copy()
    other[3, 1] += 1
    same = {
        identify(arrays(data=base)),
        identify(arrays(data=base.copy(order="F"))),
        identify(arrays(data=base.astype(">f4"))),
    }
    assert len(same) == 1
    rest = [arrays(data=other), arrays(data=base[:5]), arrays(other=base), arrays(data=base.reshape(6, 1, 2))]
    assert len({*same, *map(identify, rest)}) == 5


def test_a_folder_is_told_by_names_and_lengths(tmp_path: Path) -> None:
    place = folder(tmp_path, {"cat": 2, "dog": 1})
    before = identify(open_parts(place)["all"])
    os.utime(place / "cat" / "0.png", ns=(0, 1))
    assert identify(open_parts(place)["all"]) == before
    (place / "cat" / "0.png").rename(place / "cat" / "00.png")
    assert identify(open_parts(place)["all"]) != before
    part = open_parts(place)["all"]
    assert identify(Subset(part, np.array([0, 1]))) != identify(Subset(part, np.array([0, 2])))


def test_the_command_tells_it_in_80_columns(tmp_path: Path) -> None:
    place = folder(tmp_path, {"cat": 2, "dog" * 30: 1})
    run = CliRunner().invoke(group, ["data", str(place), "--decode"])
    assert run.exit_code == 0 and "PNG 3" in run.output and "8x8 (3)" in run.output
    assert max(map(len, run.output.removeprefix(str(place)).splitlines())) <= 80


def test_several_labels_of_a_sample_are_counted_by_their_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y,red,round\n" + "0.5,1,1,0\n0.25,2,1,1\n0.75,3,0,0\n")
    section = DataSection(source="table", path="t.csv", label="red,round")
    source = open_source(section, "all", Place(tmp_path))
    part = Subset(source, np.array([1, 2]))
    found = take_inventory({"train": source, "test": part})
    assert [each.counts for each in found.parts] == [{"red": 2, "round": 1}, {"red": 1, "round": 1}]
    bare = ArraySource("a", {"x": np.zeros((2, 3)), "y": np.array([[0, 1], [0.5, 1]])}, "y")
    assert take_inventory({"all": bare}).parts[0].counts == {}


def test_many_classes_are_shown_by_the_largest_and_the_smallest(tmp_path: Path) -> None:
    place = folder(tmp_path, {f"c{i:02}": 1 + i // 20 for i in range(30)})
    lines = CliRunner().invoke(group, ["data", str(place)]).output.splitlines()
    assert any("10 more" in line for line in lines)
    assert sum(line.startswith("c") and not line.startswith("class") for line in lines) == 20


def test_json_holds_every_file(tmp_path: Path) -> None:
    place = folder(tmp_path, {"cat": 2, "dog": 1})
    (place / "dog" / "0.png").write_bytes(b"")
    run = CliRunner().invoke(group, ["data", str(place), "--json"], standalone_mode=False)
    said = json.loads(run.stdout)
    assert run.return_value == 1 and len(said["parts"][0]["pictures"]) == 3
    assert [each["path"] for each in said["bad"]] == [str(place / "dog/0.png")]


def test_the_page_escapes_names_and_loads_nothing(tmp_path: Path) -> None:
    name = '<script>alert(1)</script>"x'.replace("/", "")
    place = folder(tmp_path, {name: 2, "dog": 1})
    (place / "dog" / "0.png").write_bytes(b"")
    CliRunner().invoke(group, ["data", str(place), "--html", str(tmp_path / "x.html")])
    text = (tmp_path / "x.html").read_text()
    assert "<script" not in text and "http" not in text and text.count("<img") == 2


class OnDisk(Source):
    """Maps of classes that are read with their samples alone; sample 300 of 400 holds a 9."""

    def __init__(self) -> None:
        self.name, self.label = "stored", "label"
        self.fields = {
            "data": Field((1, 4, 5), np.dtype(np.uint8)),
            "label": Field((4, 5), np.dtype(np.uint8)),
        }

    def __len__(self) -> int:
        return 400

    def batch(self, indices: Array) -> Rows:
        maps = np.zeros((len(indices), 4, 5), np.uint8)
        maps[indices == 301, 2, 3] = 9
        return {"data": maps[:, None], "label": maps}


def test_labels_on_disk_are_looked_at_with_their_samples() -> None:
    """Some of them before a training, which may miss one; all where that is asked for."""
    rules = {"label": LabelRule(3, layer="score")}
    (found,) = judge_labels(OnDisk(), rules, True)
    assert found.code == "NS651" and "sample 301 has 9 at row 2, column 3" in found.fact
    assert [*judge_labels(OnDisk(), {"label": LabelRule(10)}, True)] == []
    assert [*judge_labels(Subset(OnDisk(), np.array([301])), rules, False)] == [found]


def test_headers_are_those_that_pillow_reads() -> None:
    """Or nobody's: what is turned, unusual or doubtful is Pillow's to judge."""
    known = 0
    for kind in ("PNG", "JPEG"):
        for mode in ("L", "RGB", "P", "LA", "RGBA", "1", "CMYK", "I;16"):
            for words in (
                {},
                {"progressive": True},
                {"comment": b"x" * 300},
                {"dpi": (72, 72), "icc_profile": b"p" * 90},
            ):
                file = io.BytesIO()
                try:
                    Image.new(mode, (37, 19)).save(file, kind, **words)  # type: ignore[arg-type]
                except OSError:
                    continue
                found, image = read_header(file.getvalue()), Image.open(file)
                known += found is not None
                if found is not None:
                    assert found == (kind, image.mode, 37, 19)
                for end in range(0, file.tell(), 3):
                    cut = read_header(file.getvalue()[:end])
                    assert cut in (None, found)
    assert known == 4 * 5 + 4 * 2
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("PNG", "JPEG", "BMP", "GIF"):
        file = io.BytesIO()
        noise().save(file, kind, exif=exif) if kind in ("PNG", "JPEG") else noise().save(file, kind)
        assert read_header(file.getvalue()) is None
    random = np.random.RandomState(0)
    for kind in ("PNG", "JPEG"):
        whole = bytearray(saved(kind))
        for _ in range(300):
            bad = bytearray(whole)
            for at in random.randint(0, 60, 3):
                bad[at] = random.randint(256)
            found = read_header(bytes(bad))
            assert found is None or found.width * found.height <= 1 << 26


def test_every_label_that_is_no_class_is_counted_and_some_are_placed() -> None:
    labels = np.array([0, 3, 1, -1, 2, *[7] * 8])
    with pytest.raises(SpecError) as caught:
        check_labels(labels, LabelRule(3, (-1,)), "t.csv", 10, "line {}".format)
    (found,) = caught.value.diagnostics
    assert "line 11 has 3" in found.fact
    assert found.notes[-1] == f"so it is with {', '.join(f'line {n}' for n in range(15, 21))} and 2 more"
    with pytest.raises(SpecError) as caught:
        check_labels(np.array([0, 3, 1]), LabelRule(3), "t.csv")
    assert [note.partition(":")[0] for note in caught.value.diagnostics[0].notes] == ["labels are 0, 1, 3"]


def test_a_table_whose_cells_are_parted_otherwise_says_by_what(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("file;label\na.png;cat\nb.png;dog\n")
    with pytest.raises(SpecError) as caught:
        open_source(DataSection(source="table", path="list.csv"), "all", Place(tmp_path))
    (found,) = caught.value.diagnostics
    assert (found.code, found.fact) == ("NS654", "the first line is one cell, file;label")
    assert "parted by semicolons" in found.notes[0]
