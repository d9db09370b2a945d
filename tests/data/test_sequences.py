"""FASTA files as one-hot maps: letters, lengths, labels from headers, tables and files, and what is no FASTA."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import driver
from netspec.data.facts import check_facts
from netspec.data.registry import Place, open_source
from netspec.data.samples import Taken, from_words
from netspec.data.source import Source
from netspec.diagnostics import SpecError
from netspec.resolve.sections.train import DataSection
from netspec.source import Source as Text
from netspec.strict_json import JsonError

ROOMY = ">a one\nACG\nTN\n\n>b two\nac\n"


def opened(folder: Path, text: str | bytes = ROOMY, name: str = "x.fa", **words: Any) -> Source:
    data = text.encode() if isinstance(text, str) else text
    (folder / name).write_bytes(data)
    return open_source(DataSection(source="sequences", path=name, **words), None, Place(folder))


def data_of(source: Source) -> Any:
    return source.batch(np.arange(len(source)))["data"]


def test_letters_are_channels_and_what_is_none_counts_as_all(tmp_path: Path) -> None:
    """Two letters stand in the middle of five: of the three others, one is before them."""
    data = data_of(opened(tmp_path))
    one, other = np.eye(4, dtype=np.float32), np.full(4, 0.25, np.float32)
    assert data.shape == (2, 4, 5) and data.dtype == np.float32
    np.testing.assert_array_equal(data[0].T, [*one, other])
    np.testing.assert_array_equal(data[1].T, [other, one[0], one[1], other, other])


@pytest.mark.parametrize(("length", "kept"), [(1, "G"), (2, "CG"), (3, "CGT"), (5, "ACGTA")])
def test_longer_ones_lose_both_ends(tmp_path: Path, length: int, kept: str) -> None:
    data = data_of(opened(tmp_path, ">a\nACGTA\n", length=length))
    assert "".join("ACGT"[i] for i in data[0].argmax(0)) == kept


def test_uracil_is_thymine_where_only_one_of_them_has_a_channel(tmp_path: Path) -> None:
    text = ">a\nUT\n"
    for letters in ("ACGT", "ACGU"):
        np.testing.assert_array_equal(data_of(opened(tmp_path, text, alphabet=letters))[0].argmax(0), [3, 3])
    np.testing.assert_array_equal(data_of(opened(tmp_path, text, alphabet="TU"))[0].argmax(0), [1, 0])


def test_packed_files_are_unpacked(tmp_path: Path) -> None:
    packed = opened(tmp_path, gzip.compress(ROOMY.encode()), "x.fa.gz")
    np.testing.assert_array_equal(data_of(packed), data_of(opened(tmp_path)))


@pytest.mark.parametrize(
    ("text", "words", "labels"),
    [
        (">a 1\nA\n>b 0\nC\n", {}, [1, 0]),
        (">a x 0.5\nA\n>b y 2\nC\n", {}, [0.5, 2]),
        (">a label=1 z\nA\n>b q label=0\nC\n", {}, [1, 0]),
        (">a bound=yes\nA\n>b bound=no\nC\n", {"label": "bound"}, [1, 0]),
    ],
)
def test_labels_stand_in_headers(
    tmp_path: Path, text: str, words: dict[str, str], labels: list[float]
) -> None:
    assert opened(tmp_path, text, **words).labels().tolist() == labels  # type: ignore[union-attr]


def test_without_labels_it_can_be_predicted(tmp_path: Path) -> None:
    assert opened(tmp_path).label is None


def test_a_table_gives_one_label_or_several_by_id(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("id,class\nb,bound\na,free\n")
    one = opened(tmp_path, labels="one.csv")
    assert (one.classes, one.labels().tolist()) == (("bound", "free"), [1, 0])  # type: ignore[union-attr]
    (tmp_path / "more.csv").write_text("id,p,q\nb,1,0\na,0,1\n")
    more = opened(tmp_path, labels="more.csv")
    assert more.fields["label"].shape == (2,)
    np.testing.assert_array_equal(more.labels(), [[0, 1], [1, 0]])


def test_files_of_a_folder_are_classes(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/free.fa").write_text(">a\nA\n")
    (tmp_path / "d/bound.fasta").write_text(">b\nC\n>c\nG\n")
    source = open_source(DataSection(source="sequences", path="d"), None, Place(tmp_path))
    assert (source.classes, source.labels().tolist()) == (("bound", "free"), [0, 0, 1])  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "words", "code", "said"),
    [
        ("ACGT\n", {}, "NS645", "line 1"),
        ("ACGT\nAC1\nACG\n", {}, "NS645", "line 1: a FASTA file begins with a header"),
        (">a\nAC1T\n", {}, "NS645", "line 2"),
        (">a\nAC1T\nA2\nA3\n>b\nC\n>c\nC4\nC5\n", {}, "NS645", "2 places"),
        ("", {}, "NS650", ""),
        (b">a\n\xff\n", {}, "NS645", "byte 3"),
        (b"\x1f\x8b broken", {}, "NS645", ""),
        (gzip.compress(b">a\nACGT\n", mtime=0)[:-9], {}, "NS645", ""),
        (">a label=1\nA\n>b\nC\n", {}, "NS654", "b has no label="),
        (ROOMY, {"label": "bound"}, "NS654", "no header has bound="),
        (">a label=1\nA\n>b\nC\n>c\nG\n", {}, "NS654", "2 of 3 labels cannot be taken"),
        (">a label=nan\nA\n>b label=1\nC\n", {}, "NS654", "line 1: the label 'nan' is not a finite"),
        (ROOMY, {"alphabet": "ACCG"}, "NS641", "ACCG"),
        (ROOMY, {"alphabet": "ac"}, "NS641", "ac"),
        (ROOMY, {"labels": "lost.csv"}, "NS654", "b"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    tmp_path: Path, text: str | bytes, words: dict[str, str], code: str, said: str
) -> None:
    (tmp_path / "lost.csv").write_text("id,class\na,free\n")
    with pytest.raises(SpecError) as caught:
        opened(tmp_path, text, **words)
    found = caught.value.diagnostics[0]
    assert found.code == code and said in found.fact, found


@pytest.mark.parametrize(
    ("text", "labels", "kept", "lost"),
    [
        (">a label=1\nA\n>b\nC\n>c label=0\nG\n", "", [1, 0], ["line 3: the header of b has no label="]),
        (">a label=nan\nA\n>c label=0\nG\n", "", [0], ["line 1: the label 'nan' is not a finite number"]),
        (">a\nA\n>b\nC\n>c\nG\n", "id,x\nc,3\nb,\n", [3], ["no row for a", "line 3: no label, its cell is"]),
        (">a\nA\n>c\nG\n", "id,x,y\na,1,no\nc,1,0\n", [[1, 0]], ["line 2: 'no' is not a finite number"]),
    ],
)
def test_skip_leaves_out_sequences_without_a_label(
    tmp_path: Path, text: str, labels: str, kept: list[Any], lost: list[str]
) -> None:
    (tmp_path / "l.csv").write_text(labels)
    words = {"labels": "l.csv"} if labels else {}
    source = opened(tmp_path, text, on_error="skip", **words)
    assert source.labels().tolist() == kept and len(data_of(source)) == len(kept)  # type: ignore[union-attr]
    assert "c, line" in source.where(len(source) - 1)
    assert len(source.left_out) == len(lost), source.left_out
    assert all(map(str.startswith, source.left_out, lost)), source.left_out
    with pytest.raises(SpecError, match="NS654"):
        opened(tmp_path, text.split(">c", 1)[0].replace("=1", "="), on_error="skip", **words)


def test_several_faults_are_one_finding_of_the_first_one_s_code(tmp_path: Path) -> None:
    """Whichever comes first in the order of the files."""
    codes = []
    for first, second in (("a", "b"), ("b", "a")):
        folder = tmp_path / first
        folder.mkdir()
        (folder / f"{first}.fa").mkdir()
        (folder / f"{second}.fa").write_text(">a\nC4\n")
        with pytest.raises(SpecError) as caught:
            open_source(DataSection(source="sequences", path=first), None, Place(tmp_path))
        (finding,) = caught.value.diagnostics
        assert finding.fact == "2 places" and len(finding.notes) == 2
        codes.append(finding.code)
    assert codes == ["NS643", "NS645"]


def test_a_short_packed_file_does_not_become_any_number_of_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.data.sources.sequences.MOST", 1000)
    with pytest.raises(SpecError) as caught:
        opened(tmp_path, gzip.compress(b">a\n" + b"A" * 5000))
    assert caught.value.diagnostics[0].code == "NS645"


@pytest.mark.torch
def test_deepbind_learns_from_a_file(tmp_path: Path) -> None:
    """Whole numbers as labels feed a loss that takes real ones."""
    from netspec.training.session import train_program

    draw = np.random.RandomState(0)
    text = "".join(f">s{i} {i % 2}\n{''.join(draw.choice(list('ACGT'), 40))}\n" for i in range(12))
    (tmp_path / "x.fa").write_text(text)
    spec = (
        "base: zoo:genomics/deepbind.yaml\ntrain:\n  data: {source: sequences, path: x.fa, batch_size: 4}\n"
    )
    spec += "  solver: {base_lr: 0.01, max_iter: 3, random_seed: 1}\n"
    program = driver.load_source(Text(str(tmp_path / "net.yaml"), spec))
    assert np.isfinite(train_program(program, tmp_path / "run", device="cpu").loss)


def test_the_other_strand_reads_partners_from_the_other_end(tmp_path: Path) -> None:
    """AAGT from the other strand is ACTT; an unknown letter stays one."""
    from netspec.augmentation.kernels.sequences import read_other_strand

    torch = pytest.importorskip("torch")
    text = ">a\nAAGT\n>b\nNCGN\n"
    turned = read_other_strand(torch.from_numpy(data_of(opened(tmp_path, text)))).numpy()
    np.testing.assert_array_equal(turned, data_of(opened(tmp_path, ">a\nACTT\n>b\nNCGN\n", "y.fa")))


@pytest.mark.parametrize(("cell", "said"), [("nan", "the label 'nan' is not"), (" ", "no label")])
def test_a_wrong_label_is_shown_where_the_table_has_it(tmp_path: Path, cell: str, said: str) -> None:
    """The line of its row, in a table that is in another order than the sequences."""
    (tmp_path / "one.csv").write_text(f"id,class\nb,1\na,{cell}\n")
    with pytest.raises(SpecError) as error:
        opened(tmp_path, labels="one.csv")
    (found,) = error.value.diagnostics
    assert found.code == "NS654" and found.fact.startswith("line 3") and said in found.fact


@pytest.mark.torch
def test_what_training_knew_of_letters_holds_for_a_file_to_predict(tmp_path: Path) -> None:
    """Its alphabet, and how many letters the net takes: shorter ones are filled, longer ones and broken
    ones cost their line, and labels that some lack are not asked for.
    """
    facts = dict(opened(tmp_path, ">a 1\nACGT\n>b 0\nAAAC\n", alphabet="TGCA").facts)
    (tmp_path / "new.fa").write_text(">c label=1\nAC\n>d\nACGTA\n>e\nAC1T\n>f\nGGGG\n")
    taken = {"data": Taken((4, 4))}
    samples = list(from_words([str(tmp_path / "new.fa")], taken, check_facts(facts)))
    said = [each.error and (each.error.code, each.error.fact) for each in samples]
    assert said[0] is not None and said[0][0] == "NS645" and "line 6: 'AC1T'" in said[0][1]
    assert said[2] == ("NS652", "the input takes 4 letters, d has 5") and [said[1], said[3]] == [None, None]
    first = samples[1].arrays["data"][0]
    np.testing.assert_array_equal(first[:, 1:3], [[0, 0], [0, 0], [0, 1], [1, 0]])  # A is the last of TGCA
    assert (first[:, [0, 3]] == 0.25).all() and samples[1].label is None
    other = str(tmp_path / "none.fa")
    (tmp_path / "none.fa").write_text("no header\n")
    assert [each.error is None for each in from_words([other, other], taken)] == [False, False]
    with pytest.raises(SpecError, match="NS645"):
        list(from_words([other], taken))


def test_sequences_are_as_long_as_the_input_takes(tmp_path: Path) -> None:
    """And as the longest where one is longer, which the input then refuses; `length:` cuts."""
    (tmp_path / "x.fa").write_text(">a\nACGT\n>b\nAC\n")
    for room, words, side in (
        ((4, 6), {}, 6),
        ((4, 3), {}, 4),
        ((4, 3), {"length": 3}, 3),
        ((4, None), {}, 4),
    ):
        section = DataSection(source="sequences", path="x.fa", **words)
        found = open_source(section, "all", Place(tmp_path, room))
        assert found.fields["data"].shape == (4, side), (room, words)
    kept = open_source(
        DataSection(source="sequences", path="x.fa"), "all", Place(tmp_path, facts=found.facts)
    )
    assert kept.fields["data"].shape == (4, 4)


@pytest.mark.parametrize("fact", [{"alphabet": 3}, {"alphabet": "A1"}, {"length": 0}, {"length": "4"}])
def test_facts_of_letters_are_checked(fact: dict[str, Any]) -> None:
    with pytest.raises(JsonError):
        check_facts(fact)
