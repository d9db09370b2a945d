"""What is written: pages that load nothing, folders, one picture; and findings in place of any of it."""

import json
import re
import xml.etree.ElementTree as ET
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

from netspec.diagnostics import SpecError
from netspec.pictures.shapes import Drawing, Image, Line, Rect, Text
from netspec.pictures.svg import svg_file
from netspec.seeing.registry import describe_views, find_view, view_names
from netspec.seeing.seen import Asked
from netspec.seeing.subject import open_subject
from netspec.seeing.whole import look
from tests.each import each
from tests.training.specs import Line as Command

pytestmark = pytest.mark.torch


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


class Reader(HTMLParser):
    """What a page would load, and what is wrong with its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.faults: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "link", "iframe", "object"):
            self.faults.append(tag)
        self.loaded += [given[word] or "" for word in ("src", "srcset", "href", "data") if given.get(word)]
        if tag == "img" and not given.get("alt"):
            self.faults.append("a picture without words")
        if tag not in ("meta", "img", "br", "rect", "image", "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect" and (not self.open or self.open.pop() != tag):
            self.faults.append(f"{tag} ends what it did not begin")


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def test_all_is_one_page_that_loads_nothing(run: Path, tmp_path: Path, line: Command) -> None:
    assert line("see", "all", run, "-o", tmp_path / "r.html", "--json") == 0
    text = (tmp_path / "r.html").read_text()
    reader = read(text)
    assert reader.faults == []
    assert [each for each in reader.loaded if not each.startswith(("data:image/png;base64,", "#"))] == []
    assert "@import" not in text and not re.search(r"url\(", text)
    assert text.count("<h1>") == 1 and "prefers-color-scheme:dark" in text and "width=device-width" in text
    seen = json.loads(line.out)
    assert {"filters", "maps", "confusion", "mistakes", "curves", "output"} <= set(seen)
    left = seen["left-out"]
    assert left["motifs"]["code"] == "NS750" and {*left}.isdisjoint(seen) and "Left out" in text
    assert {*left, *seen} == {*view_names(), "left-out"} and "letters" in text.partition("Left out")[2]
    head = text.partition("<main>")[0]
    assert "parameters" in head and "best test" in head and all(f"#{name}" in head for name in seen)


def test_a_folder_holds_pictures_values_and_a_page(run: Path, tmp_path: Path, line: Command) -> None:
    assert line("see", "curves", run, "-o", tmp_path / "c") == 0
    names = {path.name for path in (tmp_path / "c").iterdir()}
    assert {"curves-01-loss.png", "curves-01-loss.svg", "values.json", "index.html"} <= names
    assert not any(name.endswith(".part") for name in names)


def test_a_folder_is_replaced_whole_or_not_at_all(
    run: Path, tmp_path: Path, line: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netspec.seeing import writing

    target = tmp_path / "deep" / "c"
    assert line("see", "confusion", run, "-o", target) == 0
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    assert line("see", "curves", run, "-o", target) == 1
    assert "NS501" in line.err and "--force" in line.err
    made = []

    def encode(pixels: object) -> bytes:
        made.append(pixels)
        if len(made) > 1:
            raise OSError(28, "No space left on device")
        return b"one"

    with monkeypatch.context() as full:
        full.setattr(writing, "encode", encode)
        assert line("see", "curves", run, "-o", target, "--force") == 1
        assert "No space" in line.err and len(made) == 2
        assert line("see", "curves", run, "-o", tmp_path / "new") == 1
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert {path.name for path in tmp_path.rglob("*") if path.is_dir()} == {"deep", "c"}
    assert line("see", "curves", run, "-o", target, "--force") == 0
    names = {path.name for path in target.iterdir()}
    assert "curves-01-loss.png" in names and not any(name.startswith("confusion") for name in names)
    (target / "mine.txt").write_text("kept")
    assert line("see", "curves", run, "-o", target, "--force") == 1 and "mine.txt" in line.err
    assert (target / "mine.txt").read_text() == "kept"
    (tmp_path / "empty").mkdir()
    assert line("see", "curves", run, "-o", tmp_path / "empty") == 0


def test_what_cannot_be_written_leaves_nothing(run: Path, tmp_path: Path, line: Command) -> None:
    """Arrays are not written where the picture cannot be."""
    assert line("see", "filters", run, "-o", tmp_path / "f.svg", "--npz", tmp_path / "f.npz") == 1
    assert list(tmp_path.iterdir()) == []


def test_drawings_too_large_for_pixels_are_kept_as_lines(tmp_path: Path) -> None:
    from netspec.diagnostics import SpecError
    from netspec.pictures.figure import Figure
    from netspec.pictures.page import Section
    from netspec.seeing.writing import files_of

    large = Figure("Large", Drawing(1000, 100_000, (Text(1, 1, "x"),)))
    assert [name for name, _ in files_of(Section("net", "", [], [large]))] == ["net-01-large.svg"]
    with pytest.raises(SpecError, match="NS753"):
        large.pixels()
    half = Figure("Half", Drawing(1000, 10_000, ())).pixels()
    assert half is not None and half.shape == (10_000, 1000, 3)


REFUSED = [
    (("see", "maps", "RUN", "--layer", "conv3"), "NS751", "conv"),
    (("see", "curves", "zoo:lenet"), "NS750", "only a run"),
    (("see", "confusion", "zoo:vae-digits"), "NS750", "classes"),
    (("see", "filters", "zoo:lstm"), "NS750", "no layer"),
    (("see", "sample", "zoo:lenet"), "NS750", "codes"),
    (("see", "motifs", "zoo:lenet"), "NS750", "letters"),
    (("see", "matrix", "RUN", "--window", "99"), "NS753", "columns"),
    (("see", "filters", "RUN", "-o", "x.svg"), "NS756", "pixels"),
    (("see", "maps", "RUN", "none.png"), "NS643", "none.png"),
    (("see", "maps", "RUN", "--npz", "x.png"), "NS756", ".npz"),
    (("see", "curves", "BROKEN"), "NS755", "line 2"),
    (("see", "maps", "RUN", "--layer", "conv1", "--unit", "6"), "NS757", "there are 6"),
    (("see", "filters", "RUN", "--unit", "8"), "NS757", "there are 8"),
    (("see", "confusion", "RUN", "--part", "train"), "NS750", "test, val"),
    (("see", "output", "zoo:lenet-digits", "--index", "99999"), "NS685", "99999"),
    (("see", "net", "RUN", "--method", "folded"), "NS757", "layers"),
    (("see", "maps", "zoo:u-net", "--data", "digits"), "NS", ""),
]


@each("row", REFUSED)
def test_refusals(row: tuple[tuple[str, ...], str, str], request: pytest.FixtureRequest) -> None:
    run, folder = request.getfixturevalue("run"), request.getfixturevalue("tmp_path_factory").mktemp("r")
    command = Command(request.getfixturevalue("monkeypatch"), request.getfixturevalue("capsys"))
    words, code, told = row
    broken = folder / "broken"
    broken.mkdir()
    for path in run.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    lines = (run / "log.jsonl").read_text().splitlines()
    (broken / "log.jsonl").write_text("\n".join([lines[0], "{", *lines[1:]]))
    request.getfixturevalue("monkeypatch").chdir(folder)
    before = set(folder.rglob("*"))
    assert command(*({"RUN": run, "BROKEN": broken}.get(word, word) for word in words)) == 1, command.err
    assert code in command.err and told in command.err
    assert set(folder.rglob("*")) == before


UNREAD = [
    (("see", "output", "RUN", "--class", "3"), "--class goes with cam,"),
    (("see", "filters", "RUN", "x.png"), "INPUT goes with cam,"),
    (("see", "all", "RUN", "--unit", "3"), "--unit goes with deconv,"),
    (("see", "maps", "RUN", "x.png", "--index", "3"), "INPUT and --index"),
    (("see", "maps", "RUN", "--split", "all"), "--split goes with --data"),
]


@each("row", UNREAD)
def test_no_word_is_ignored(row: tuple[tuple[str, ...], str], request: pytest.FixtureRequest) -> None:
    command = Command(request.getfixturevalue("monkeypatch"), request.getfixturevalue("capsys"))
    words, told = row
    run = request.getfixturevalue("run")
    assert command(*({"RUN": run}.get(word, word) for word in words)) == 2 and told in command.err


@pytest.mark.parametrize("net", ["RUN", "zoo:vae-digits", "zoo:deepbind"])
def test_views_read_the_words_that_they_take(net: str, run: Path) -> None:
    """No field of Asked is read beside those of TAKES."""

    class Noted:
        def __init__(self) -> None:
            self.read: set[str] = set()

        def __getattr__(self, word: str) -> object:
            self.read.add(word)
            return {"count": 12}.get(word, getattr(Asked(), word))

    subject = open_subject({"RUN": str(run)}.get(net, net))
    for name in view_names():
        noted, view = Noted(), find_view(name)
        with suppress(SpecError):
            view.see(subject, noted)  # type: ignore[arg-type]
        assert noted.read <= {*view.TAKES, "seed", "given", "reading"}, name


def test_memory_that_ends_is_a_finding(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = open_subject(str(run))
    for greedy in (lambda: torch.empty(1 << 55), lambda: np.empty(1 << 55)):
        monkeypatch.setattr(subject, "call", lambda feed, greedy=greedy: greedy())
        for view in ("output", "occlusion"):
            with pytest.raises(SpecError, match="NS753") as error:
                look(view, subject, Asked())
            assert "memory ends" in str(error.value)


def test_a_view_is_one_file() -> None:
    described = describe_views()
    assert tuple(described) == view_names() and len(described) >= 7
    for name, said in described.items():
        view = find_view(name)
        assert said.endswith((".", ":")) or len(said) > 20
        assert isinstance(view.WHOLE, bool) and callable(view.see) and callable(view.draw)


def test_shapes_are_svg() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    shapes = (
        Rect(1, 2, 3, 4, title="a < b"),
        Line(((0, 0), (1, 1)), "soft", 2, True),
        Text(1, 1, "<&>"),
        Image(0, 0, 4, 4, pixels),
    )
    text = svg_file(Drawing(10, 10, shapes), 'it is "so"')
    root = ET.fromstring(text)
    assert [each.tag.rpartition("}")[2] for each in root] == [
        "style",
        "rect",
        "rect",
        "polyline",
        "text",
        "image",
    ]
    assert root.get("aria-label") == 'it is "so"'
