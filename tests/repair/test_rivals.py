"""Which of two places a finding on names stands at: the one whose change alone makes the net agree."""

from netspec.diagnostics.model import Diagnostic
from netspec.repair.check import check_source
from netspec.source import Source

SOUND = """\
netspec: 1
input: {data: [N, 1, 28, 28]}
output: prob
layers:
  - {name: stem, type: Convolution, num_output: 8, kernel_size: 3, pad: 1}
  - {name: side, type: Convolution, bottom: stem, num_output: 8, kernel_size: 3, pad: 1}
  - {name: sum, type: Eltwise, bottom: [stem, side]}
  - {name: squeeze, type: Pooling, pool: MAX, kernel_size: 2, stride: 2}
  - {name: score, type: InnerProduct, num_output: 10}
  - {name: prob, type: Softmax}
expect: {shapes: {squeeze: [N, 8, 14, 14], prob: [N, 10]}}
"""


def check(text: str) -> list[Diagnostic]:
    return check_source(Source("spec.yaml", text))


def only(text: str) -> Diagnostic:
    (found,) = check(text)
    return found


def test_the_sound_spec_is_sound() -> None:
    assert check(SOUND) == []


def test_the_earlier_of_two_is_blamed_if_renaming_it_makes_the_net_agree() -> None:
    found = only(SOUND.replace("name: squeeze", "name: prob"))
    assert (found.code, found.span and found.span.begin[0]) == ("NS203", 8)
    assert [fix.edits[0].text for fix in found.fixes] == ["squeeze"]
    assert [label.span.begin[0] for label in found.others] == [10]


def test_the_later_of_two_is_blamed_if_that_helps_more() -> None:
    found = only(SOUND.replace("name: squeeze", "name: stem"))
    assert (found.code, found.span and found.span.begin[0]) == ("NS203", 8)


def test_bottoms_that_miss_the_name_go_with_it() -> None:
    found = only(SOUND.replace("name: stem", "name: prob"))
    assert (found.code, found.span and found.span.begin[0]) == ("NS203", 5)
    assert found.notes[-1].endswith("have the same cause")
    assert [fix.edits[0].text for fix in found.fixes] == ["stem"]


def test_a_misspelt_layer_is_blamed_for_all_that_read_it() -> None:
    found = only(SOUND.replace("name: stem", "name: stme"))
    assert (found.code, found.span and found.span.text) == ("NS201", "stme")
    assert [label.span.begin[0] for label in found.others] == [6, 7]
    assert [fix.edits[0].text for fix in found.fixes] == ["stem"]


def test_a_misspelt_bottom_is_blamed_itself() -> None:
    found = only(SOUND.replace("bottom: stem", "bottom: stme"))
    assert (found.code, found.span and (found.span.text, found.span.begin[0])) == ("NS201", ("stme", 6))
    assert [label.span.text for label in found.others] == ["stem"]


def test_expectations_tell_a_misspelt_layer_from_a_misspelt_output() -> None:
    found = only(SOUND.replace("name: prob", "name: porb"))
    assert (found.code, found.span and (found.span.text, found.span.begin[0])) == ("NS208", ("porb", 10))
    other = only(SOUND.replace("output: prob", "output: porb"))
    assert (other.code, other.span and (other.span.text, other.span.begin[0])) == ("NS208", ("porb", 3))


def test_a_name_that_others_read_rightly_is_not_blamed() -> None:
    """Renaming the input would mend two readers, break three, and hide the sizes that are wrong behind those."""
    line = "  - {{name: b{0}, type: Convolution, bottom: {1}, num_output: 8, kernel_size: 3, group: {2}}}\n"
    rows = [
        line.format(i, bottom, group)
        for i, (bottom, group) in enumerate([("data", 7), ("data", 7), ("dta", 1), ("dta", 1), ("data", 7)])
    ]
    found = check_source(
        Source("spec.yaml", "netspec: 1\ninput: {data: [N, 3, 32, 32]}\nlayers:\n" + "".join(rows))
    )
    assert sorted(
        (d.code, d.span.begin[0]) for d in found if d.severity == "error" and d.span is not None
    ) == [
        ("NS201", 6),
        ("NS201", 7),
        ("NS302", 4),
        ("NS302", 5),
        ("NS302", 8),
    ]
