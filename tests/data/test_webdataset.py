"""Shards: which samples they hold, in what order they come, what is wrong with a shard, and what none of them may do."""

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netspec.data.registry import Place, open_source
from netspec.data.shards.braces import count_names, expand_names
from netspec.data.shards.index import Member, ShardIndex, read_label
from netspec.data.shards.kept import NAME, Key, read_kept, write_kept
from netspec.data.source import Source
from netspec.data.sources import webdataset
from netspec.data.sources.webdataset import OPEN, index_file, shards_behind
from netspec.diagnostics import SpecError
from netspec.resolve.sections.train import DataSection


def picture(shade: int, ending: str = "png") -> bytes:
    made = io.BytesIO()
    pixels = np.full((4, 4, 3), shade, np.uint8)
    pixels[0, 0] = 255 - shade
    Image.fromarray(pixels).save(made, {"jpg": "JPEG"}.get(ending, ending))
    return made.getvalue()


def write_shard(path: Path, members: dict[str, bytes], kind: int = tarfile.USTAR_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=kind) as shard:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            shard.addfile(info, io.BytesIO(data))
    return path


def write_shards(folder: Path, count: int = 3, each: int = 5, label: str = "cls") -> None:
    for n in range(count):
        members: dict[str, bytes] = {}
        for i in range(n * each, (n + 1) * each):
            members |= {f"{i:04d}.png": picture(10 * i % 256), f"{i:04d}.{label}": str(i % 2).encode()}
        write_shard(folder / "shards" / f"{n:04d}.tar", members)


def opened(
    folder: Path, path: str = "shards/{0000..0002}.tar", split: str | None = "all", **words: Any
) -> Source:
    return open_source(DataSection(source="webdataset", path=path, **words), split, Place(folder))


def refused(folder: Path, path: str = "shards", **words: Any) -> Any:
    with pytest.raises(SpecError) as caught:
        opened(folder, path, **words)
    return caught.value.diagnostics[0]


def test_names_count_with_the_zeros_of_the_first() -> None:
    assert [*expand_names("a{08..10}/{0..1}.tar")] == [
        f"a{n}/{m}.tar" for n in ("08", "09", "10") for m in (0, 1)
    ]
    assert [*expand_names("{a..b}.tar")] == ["{a..b}.tar"]
    assert count_names("{0..99999}{0..99999}") == 10**10 and count_names("{5..1}") == 0


@pytest.mark.parametrize("path", ["shards/{0000..0002}.tar", "shards"])
def test_samples_come_in_any_order_with_their_own_labels(tmp_path: Path, path: str) -> None:
    write_shards(tmp_path)
    source = opened(tmp_path, path)
    order = np.array([14, 0, 7, 7])
    rows = source.batch(order)
    assert [int(image[0, 3, 3]) for image in rows["image"]] == [10 * i for i in order]
    assert rows["label"].tolist() == [i % 2 for i in order]  # type: ignore[union-attr]
    assert source.where(7) == f"{tmp_path / 'shards/0001.tar'}, 0007.png"
    assert len(opened(tmp_path, path, "test")) == 4 and len(opened(tmp_path, path, "train")) == 11


def test_labels_are_numbers_words_or_in_json(tmp_path: Path) -> None:
    def labels(members: dict[str, bytes], **words: Any) -> Any:
        write_shard(tmp_path / "s.tar", {k: v for n, v in members.items() for k, v in ((f"{n}.jpg", picture(9, "jpg")), (n + ".cls", v))})  # fmt: skip
        source = opened(tmp_path, "s.tar", **words)
        return source.labels().tolist(), source.classes  # type: ignore[union-attr]

    assert labels({"a": b"3\n", "b": b"1"}) == ([3, 1], None)
    assert labels({"a": b"0.5", "b": b"1"}) == ([0.5, 1], None)
    assert labels({"a": b"wolf", "b": b"dog"}) == ([1, 0], ("dog", "wolf"))
    for odd in (b"wolf", b"nan", b"inf"):  # among numbers: then all are words
        assert labels({"a": b"7", "b": odd}) == ([0, 1], ("7", odd.decode()))
    write_shard(tmp_path / "s.tar", {"a.png": picture(1), "a.json": b'{"label": 4, "kind": "x"}'})
    assert opened(tmp_path, "s.tar").labels().tolist() == [4]  # type: ignore[union-attr]
    assert opened(tmp_path, "s.tar", label="kind").classes == ("x",)


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_names(tmp_path: Path, kind: int) -> None:
    name = "a/" * 90 + "ü" * 40
    write_shard(tmp_path / "s.tar", {f"{name}.png": picture(3), f"{name}.cls": b"1"}, kind)
    source = opened(tmp_path, "s.tar")
    assert source.where(0).endswith("ü.png") and len(source.batch(np.array([0]))["image"]) == 1


def cut(folder: Path, keep: int) -> None:
    path = folder / "shards/0001.tar"
    path.write_bytes(path.read_bytes()[:keep])


def write_link(folder: Path) -> None:
    path = folder / "shards/0001.tar"
    with tarfile.open(path, "a") as shard:
        info = tarfile.TarInfo("evil.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        shard.addfile(info)


def spoil(folder: Path, members: dict[str, bytes]) -> None:
    write_shard(folder / "shards/0001.tar", members)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: cut(f, 1024 * 3 + 300), "0006"),
        (lambda f: cut(f, 1024 * 4), "without the mark of its end: it was cut short"),
        (lambda f: cut(f, 0), "empty file"),
        (write_link, "evil.png: a link, a device"),
        (
            lambda f: spoil(f, {"a.png": picture(1), "b.png": picture(2), "b.cls": b"1", "a.cls": b"1"}),
            "a: its .cls stands apart",
        ),
        (lambda f: spoil(f, {"a.png": picture(1)}), "a: no label (.cls, .json, .txt), it has .png"),
        (
            lambda f: spoil(f, {"a.cls": b"1", "b.png": picture(1), "b.cls": b"1"}),
            "a: no picture, it has .cls",
        ),
        (lambda f: spoil(f, {"a.png": b"", "a.cls": b"1"}), "a: its .png is empty"),
        (lambda f: spoil(f, {"a.png": b"text", "a.cls": b"1"}), "a: its .png is no picture"),
        (lambda f: spoil(f, {"a.png": picture(1), "a.cls": b""}), "a: its .cls is empty"),
        (
            lambda f: spoil(f, {"a.png": picture(1), "a.json": b'{"label": []}'}),
            "no number and no text label",
        ),
        (lambda f: spoil(f, {"a.png": picture(1), "a.json": b"{"}), "a: its .json cannot be read"),
        (lambda f: (f / "shards/0001.tar").write_bytes(b"\x1f\x8b" + bytes(600)), "packed by gzip"),
        (
            lambda f: (f / "shards/0001.tar").write_bytes(b"no tar at all" * 100),
            "0001.tar, after its beginning",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_shard_and_may_be_left_out(
    tmp_path: Path, damage: Any, said: str
) -> None:
    write_shards(tmp_path)
    damage(tmp_path)
    found = refused(tmp_path)
    assert found.code == "NS632" and said in " ".join(found.notes) and "0001.tar" in found.notes[0], found
    kept = opened(tmp_path, on_error="skip")
    assert 10 <= len(kept) <= 15 and kept.left_out
    kept.batch(np.arange(len(kept)))


def test_shards_that_are_not_there_are_named(tmp_path: Path) -> None:
    write_shards(tmp_path)
    found = refused(tmp_path, "shards/{0001..0004}.tar")
    assert found.code == "NS643" and "2 of 4" in found.fact and "0003.tar, 0004.tar" in found.fact
    assert refused(tmp_path, "shards/{0..999999}.tar").code == "NS641"
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path, "empty").code == "NS643"


def test_a_picture_that_does_not_decode_is_named_by_shard_and_member(tmp_path: Path) -> None:
    write_shards(tmp_path)
    spoil(tmp_path, {"x.png": picture(1)[:40], "x.cls": b"1"})
    with pytest.raises(SpecError, match=r"0001\.tar, x\.png.*NS647"):
        opened(tmp_path).batch(np.arange(11))


def test_a_header_that_claims_gigabytes_costs_nothing(tmp_path: Path) -> None:
    """A name of GNU's long form may have any length, and a header after it another."""
    write_shards(tmp_path)
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 6 << 30
    data = info.tobuf(tarfile.GNU_FORMAT)
    path = tmp_path / "shards/0001.tar"
    path.write_bytes(data)
    os.truncate(path, 6 << 30)  # holes: nothing is written
    assert "claims" in refused(tmp_path).notes[0]
    info.size = 0
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) * 20_000)
    assert refused(tmp_path).code == "NS632", "a chain of long names is no stack overflow"


def test_more_shards_than_are_held_open(tmp_path: Path) -> None:
    write_shards(tmp_path, 70, 1)
    source = opened(tmp_path, "shards")
    order = np.random.RandomState(0).permutation(70)
    for i in order.tolist():
        assert int(source.batch(np.array([i]))["image"][0][0, 3, 3]) == 10 * i % 256
    assert len(source.held) == OPEN  # type: ignore[attr-defined]


def test_names_of_members_are_no_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute ones, and those that lead out, are names like any other: nothing but the shard is opened."""
    names = ("/etc/passwd", "../../up", "a/../../b", "./c", "/dev/zero")
    members = {f"{name}.{end}": data for name in names for end, data in (("png", picture(1)), ("cls", b"1"))}
    (tmp_path / "shards").mkdir()
    write_shard(tmp_path / "shards/0000.tar", members)
    source = opened(tmp_path, "shards", "all")
    before = os.open
    touched: list[str] = []
    monkeypatch.setattr(
        os, "open", lambda path, *rest, **more: (touched.append(str(path)), before(path, *rest, **more))[1]
    )
    source.batch(np.arange(len(source)))
    assert len(source) == 5
    assert not any("passwd" in each or "zero" in each or ".." in each for each in touched)


def keep(folder: Path) -> Source:
    """The source, and in folder/run what a run keeps of its shards."""
    source = opened(folder, "shards")
    (folder / "run").mkdir(exist_ok=True)
    write_kept(folder / "run" / NAME, shards_behind([source]))
    index_file.cache_clear()
    read_kept.cache_clear()
    return source


def reopened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Source, list[str]]:
    """The source as a later start opens it, and the shards that it went through."""
    gone_through: list[str] = []

    def index(key: Key, roots: tuple[Path, ...]) -> ShardIndex:
        gone_through.append(Path(key.path).name)
        return index_file(key, roots)

    monkeypatch.setattr(webdataset, "index_file", index)
    place = Place(folder, runs=[folder / "none", folder / "run"])
    return open_source(DataSection(source="webdataset", path="shards"), "all", place), gone_through


def test_a_later_start_goes_only_through_shards_that_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shards(tmp_path, label="json")
    write_shards(tmp_path)
    before, numbers = keep(tmp_path), np.arange(15)
    after, gone_through = reopened(tmp_path, monkeypatch)
    assert gone_through == [] and after.signatures() == before.signatures()
    for name, values in after.batch(numbers).items():
        np.testing.assert_array_equal(values, before.batch(numbers)[name])
    shard = tmp_path / "shards" / "0001.tar"
    write_shard(shard, {"a.png": picture(3), "a.cls": b"1"})
    after, gone_through = reopened(tmp_path, monkeypatch)
    assert gone_through == ["0001.tar"] and len(after) == 11
    index_file.cache_clear()
    times = shard.stat()
    os.utime(tmp_path / "shards" / "0002.tar", ns=(times.st_atime_ns, times.st_mtime_ns + 10**9))
    assert reopened(tmp_path, monkeypatch)[1] == ["0001.tar", "0002.tar"]


def test_shards_with_faults_are_gone_through_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shards(tmp_path)
    write_shard(tmp_path / "shards" / "0002.tar", {"a.png": picture(3), "b.png": picture(4), "b.cls": b"1"})
    source = opened(tmp_path, "shards", on_error="skip")
    assert [Path(key.path).name for key in shards_behind([source])] == ["0000.tar", "0001.tar"]


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (None, "{"), (None, []), (0, 3), (1, "9"), (1, True), (2, None), (3, 4), (4, "AAAA"), (4, "!"), (5, [1]), (5, {}), (5, []),
        (1, 600),  # samples would lie outside of the file
    ],
)  # fmt: skip
def test_a_strange_line_of_what_was_kept_is_left_out(tmp_path: Path, at: int | None, value: Any) -> None:
    write_shards(tmp_path, 2)
    keep(tmp_path)
    path = tmp_path / "run" / NAME
    first, second = path.read_text().splitlines()
    line = json.loads(first)
    if at is not None:
        line[at] = value
    path.write_text((json.dumps(line) if at is not None else str(value)) + "\n" + second + "\n")
    assert [Path(key.path).name for key in read_kept(path, (0, 0))] == ["0001.tar"]


def test_labels_of_what_was_kept_are_among_those_that_are_there(tmp_path: Path) -> None:
    write_shards(tmp_path, 1)
    keep(tmp_path)
    path = tmp_path / "run" / NAME
    ((key, index),) = read_kept(path, (0, 0)).items()
    assert key.label is None and (tmp_path / "shards" / "0000.tar").stat().st_size == key.size
    write_kept(path, {key: index._replace(codes=index.codes + 1)})
    assert not read_kept(path, (1, 1))


@pytest.mark.parametrize(("word", "label"), [(None, "7"), ("kind", "cat"), ("far", "")])
def test_a_label_stands_under_the_word_asked_for(word: str | None, label: str) -> None:
    """Under `label` where none is."""
    data = json.dumps({"label": 7, "kind": " cat "}).encode()
    found, why = read_label(io.BytesIO(data), Member("a", "json", 0, 0, len(data)), word)
    assert found == label and (not why if label else "no number and no text far" in why)
