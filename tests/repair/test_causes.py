"""Findings that name the cause, where a change elsewhere would quiet them too: each way out that is offered is made."""

import pytest

from netspec.analysis.lint.pictures import WHITE
from netspec.diagnostics.model import Diagnostic
from netspec.repair.edits import apply_edits
from netspec.source import Source
from tests.analysis.analysis_specs import findings, net

IP = "name: ip, type: InnerProduct, bottom: data, num_output: {n}, weight_filler: xavier\n"


def first(text: str) -> Diagnostic:
    return findings(text)[0]


def mended(text: str, found: Diagnostic, at: int = 0) -> str:
    source = apply_edits(Source("spec.yaml", text), found.fixes[at].edits)
    assert source is not None
    return source.text


@pytest.mark.parametrize("batch", ["64", "N", "8", "5"])
@pytest.mark.parametrize(
    ("layer", "top_k", "limit"),
    [
        ("Accuracy, bottom: [ip, label]", 5, 2),
        ("ArgMax, bottom: ip", 3, 2),
        ("ArgMax, axis: 1, bottom: ip", 7, 4),
    ],
)
def test_more_guesses_than_classes(batch: str, layer: str, top_k: int, limit: int) -> None:
    """Whatever number stands by: a batch of 64 is no number of classes."""
    text = net(
        f"[{batch}, 3], label: [{batch}]", IP.format(n=limit) + f"name: acc, type: {layer}, top_k: {top_k}"
    )
    found = first(text)
    assert (found.code, found.span.text if found.span else "") == ("NS302", str(top_k))
    assert [[edit.text for edit in fix.edits] for fix in found.fixes] == [[str(limit)]]
    assert [d for d in findings(mended(text, found)) if d.severity == "error"] == []


@pytest.mark.parametrize(
    ("shape", "turned"),
    [
        ("[N, 28, 28, 1]", "[N, 1, 28, 28]"),
        ("[N, 224, 200, 3]", "[N, 3, 224, 200]"),
        ("[16, H, W, 3]", "[16, 3, H, W]"),
    ],
)
@pytest.mark.parametrize("pad", [0, 1])
def test_channels_last(shape: str, turned: str, pad: int) -> None:
    """Refused or not: a window of 3 does not fit the width 1, and does slide over three colours."""
    text = net(
        shape, f"name: c, type: Convolution, num_output: 4, kernel_size: 3, pad: {pad}, weight_filler: msra"
    )
    found = first(text)
    assert mended(text, found) == text.replace(shape, turned)
    assert not any("28 in place of 1" in fix.text for fix in found.fixes)
    assert findings(mended(text, found)) == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [("1/255", "0.00392156862745098"), ("1 / 255", "0.00392156862745098"), ("-1.5/2", "-0.75")],
)
def test_a_fraction_for_a_number(written: str, meant: str) -> None:
    text = net(f"{{shape: [N, 3, 8, 8], image: {{scale: {written}}}}}", "name: r, type: ReLU")
    found = first(text)
    assert [edit.text for edit in found.fixes[0].edits] == [meant]
    assert [found.code for found in findings(mended(text, found)) if found.code != "NS446"] == []  # below 0


@pytest.mark.parametrize("written", ["1/0", "a/2", "1/2/3"])
def test_what_is_no_fraction(written: str) -> None:
    found = first(net(f"{{shape: [N, 3, 8, 8], image: {{scale: {written}}}}}", "name: r, type: ReLU"))
    assert (found.code, found.fixes) == ("NS104", ())


def test_small_means_are_written_for_white_255() -> None:
    text = net("{shape: [N, 3, 8, 8], image: {mean_value: [0.485, 0.456, 0.406]}}", "name: r, type: ReLU")
    found = first(text)
    assert found.code == "NS417"
    assert "[123.675, 116.28, 103.53]" in mended(text, found)
    assert pytest.approx(123.675) == WHITE * 0.485


def test_a_deviation_for_each_channel_has_its_word() -> None:
    text = net("{shape: [N, 3, 8, 8], image: {color: rgb, std: [58.4, 57.1, 57.4]}}", "name: r, type: ReLU")
    found = first(text)
    assert found.code == "NS102"
    assert "std_value: [58.4, 57.1, 57.4]" in mended(text, found)
    assert findings(mended(text, found)) == []


@pytest.mark.parametrize("data", ["digts", "{source: digts, batch_size: 8}"])
@pytest.mark.parametrize("role", ["data", "test_data"])
def test_a_source_that_nothing_knows(data: str, role: str) -> None:
    sound = "data: digits, " if role == "test_data" else ""
    rest = f"train: {{{sound}{role}: {data}, solver: {{base_lr: 0.1, max_iter: 10}}}}\n"
    text = net("[N, 1, 8, 8]", "name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier", rest)
    found = [d for d in findings(text) if d.code == "NS640"]
    assert [d.span.text for d in found if d.span] == ["digts"]
    assert "NS640" not in [d.code for d in findings(mended(text, found[0]))]


@pytest.mark.parametrize("data", ["3", "{source: 1.5, batch_size: 8}", "true"])
def test_a_source_that_is_a_number_is_read_as_a_text(data: str) -> None:
    rest = f"train: {{data: {data}, solver: {{base_lr: 0.1, max_iter: 10}}}}\n"
    text = net("[N, 1, 8, 8]", "name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier", rest)
    (found,) = [d for d in findings(text) if d.severity == "error"]
    assert (found.code, found.notes[0][:9]) == ("NS640", "there are")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("ImageFolder", "images"),
        ("image-folder", "images"),
        ("fasta", "sequences"),
        ("WAV", "audio"),
        ("parquet", "table"),
    ],
)
def test_a_source_by_the_name_that_others_give_it(word: str, meant: str) -> None:
    rest = f"train: {{data: {{source: {word}, path: p}}, solver: {{base_lr: 0.1, max_iter: 10}}}}\n"
    text = net("[N, 1, 8, 8]", "name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier", rest)
    (found,) = [d for d in findings(text) if d.code == "NS640"]
    assert f"source: {meant}," in mended(text, found)


def test_the_names_of_sources_are_those_that_can_be_opened() -> None:
    from netspec.data import registry
    from netspec.resolve.sections.train import SOURCES

    assert tuple(registry.SOURCES) == SOURCES


@pytest.mark.parametrize(("size", "code"), [("225, 225", 0), ("H, W", 0), ("224, 225", 0)])
def test_sizes_are_told_of_a_net_whose_own_do_not_fit(tmp_path, size: str, code: int) -> None:
    from click.testing import CliRunner

    from netspec.cli import group

    text = net(
        f"[N, 3, {size}]",
        "name: enc, type: Convolution, num_output: 8, kernel_size: 3, pad: 1\n"
        "name: down, type: Pooling, kernel_size: 2, stride: 2, round_mode: FLOOR\n"
        "name: up, type: Deconvolution, num_output: 8, kernel_size: 2, stride: 2\nname: cat, type: Concat, bottom: [up, enc]",
    )
    (tmp_path / "u.yaml").write_text(text, encoding="utf-8")
    result = CliRunner().invoke(group, ["sizes", str(tmp_path / "u.yaml")], standalone_mode=False)
    assert result.exception is None, result.exception
    assert [
        line.split("   ")[0] for line in result.output.splitlines() if "=" in line and "not" not in line
    ] == [
        "H = 2 + 2n",
        "W = 2 + 2n",
    ]
    assert result.return_value == code


def test_sizes_of_a_net_with_another_fault_are_not_told(tmp_path) -> None:
    from netspec import driver
    from netspec.diagnostics.model import SpecError

    text = net(
        "[N, 3, 8, 8]",
        "name: c, type: Convolution, num_output: 8, kernel_size: 3, group: 2, weight_filler: msra",
    )
    with pytest.raises(SpecError) as raised:
        driver.load_source(Source("net.yaml", text)).sized_graph()
    assert [d.code for d in raised.value.diagnostics] == ["NS302"]
