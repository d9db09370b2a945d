"""Words of other frameworks: none is accepted, each is answered with Caffe's."""

import pytest

from netspec import layers
from netspec.diagnostics.model import Diagnostic
from netspec.kinds import Bounds
from netspec.layers.common import foreign_words as elsewhere
from netspec.repair.check import check_source, fix_source
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.solver import SolverParameter
from netspec.resolve.sections.spec_file import LayerFields, SpecFile
from netspec.source import Source
from tests.each import each

HEAD = "input: {data: [N, 3, 32, 32]}\nlayers:\n  - "


def errors(entry: str) -> list[Diagnostic]:
    return [found for found in check_source(Source("s.yaml", HEAD + entry)) if found.severity == "error"]


@each("name", sorted(elsewhere.TYPES))
def test_every_name_leads_to_a_type_and_is_none(name: str) -> None:
    assert layers.find(elsewhere.TYPES[name].type) is not None
    known = [each for each in (*layers.types(),) if elsewhere.fold(each) == name]
    assert known in ([], [elsewhere.TYPES[name].type]), "a name of ours that is said to be another"


def test_every_word_of_ours_exists() -> None:
    parameters = {name for cls in layers.every() for name in cls.names} | set(SolverParameter.names)
    values = {str(word) for text in map(str, [cls.schema() for cls in layers.every()] + [SolverParameter.kind().schema(Bounds())])
              for word in text.replace("'", " ").split()}  # fmt: skip
    ours = {word for each in elsewhere.WORDS.values() for word in each}
    assert ours <= parameters | values | {*LayerFields.names, *SpecFile.names, *ImageContract.names}


@pytest.mark.parametrize(
    ("entry", "label"),
    [
        ("{name: a, type: Linear, num_output: 3}", "did you mean InnerProduct?"),
        (
            "{name: a, type: nn.MaxPool2d, kernel_size: 2}",
            "did you mean Pooling with pool: MAX, and a stride (left out it is 1)?",
        ),
        ("{name: a, type: Conv2DTranspose, num_output: 3, kernel_size: 2}", "did you mean Deconvolution?"),
        (
            "{name: a, type: BatchNormalization}",
            "did you mean BatchNorm and after it a Scale with bias_term: true for gamma and beta?",
        ),
        ("{name: a, type: Convolution, filters: 3, kernel_size: 2}", "did you mean num_output?"),
        ("{name: a, type: Convolution, num_output: 3, kernel_size: 2, padding: 1}", "did you mean pad?"),
        ("{name: a, type: Pooling, mode: MAX, kernel_size: 2}", "did you mean pool?"),
        ("{name: a, type: Pooling, pool: mean, kernel_size: 2}", "did you mean AVE?"),
        (
            "{name: a, type: InnerProduct, num_output: 2, weight_filler: glorot_uniform}",
            "did you mean xavier?",
        ),
    ],
)
def test_one_finding_with_caffe_s_word(entry: str, label: str) -> None:
    (found,) = errors(entry)
    assert found.label == label


@pytest.mark.parametrize(
    ("entry", "remark"),
    [
        (
            "{name: a, type: Convolution, in_channels: 3, num_output: 3, kernel_size: 2}",
            "follows from the bottom",
        ),
        ("{name: a, type: InnerProduct, num_output: 3, activation: relu}", "a layer of its own"),
    ],
)
def test_what_has_no_counterpart_is_explained(entry: str, remark: str) -> None:
    (found,) = errors(entry)
    assert remark in found.notes[-1]


def test_a_layer_in_another_tongue_is_translated() -> None:
    said = "{name: a, type: Conv2d, out_channels: 8, kernel: 3, padding: 1, strides: 2, groups: 1, bias: false}\n"
    repair = fix_source(Source("s.yaml", HEAD + said.replace("Conv2d", "Convolution")))
    want = "{name: a, type: Convolution, num_output: 8, kernel_size: 3, pad: 1, stride: 2, group: 1, bias_term: false}\n"
    assert repair.source.text == HEAD + want


FLOW = "{name: a, type: nn.Conv2d, out_channels: 3, kernel_size: 2, padding: 1, stridse: 2}"
BLOCK = "name: a\n    type: Conv2D\n    filters: 3\n    kernel_size: 2"
TORCH = """input: {data: [N, 1, 28, 28]}
layers:
  - {name: c, type: Conv2d, out_channels: 6, kernel_size: 5, padding: 2}
  - {name: f, type: Linear, out_features: 10}
  - name: g
    type: Dense
    units: 10
    activation: relu
"""


@pytest.mark.parametrize(
    ("entry", "mended"),
    [
        (FLOW, "{name: a, type: Convolution, num_output: 3, kernel_size: 2, pad: 1, stride: 2}"),
        (BLOCK, "name: a\n    type: Convolution\n    num_output: 3\n    kernel_size: 2"),
    ],
)
def test_a_layer_of_another_framework_is_translated_whole(entry: str, mended: str) -> None:
    repair = fix_source(Source("s.yaml", HEAD + entry + "\n"))
    assert repair.source.text == HEAD + mended + "\n"
    assert [d for d in check_source(repair.source) if d.severity == "error"] == []


def test_what_has_no_word_is_left_and_said() -> None:
    repair = fix_source(Source("s.yaml", TORCH))
    assert "type: Convolution, num_output: 6, kernel_size: 5, pad: 2" in repair.source.text
    assert "type: InnerProduct, num_output: 10" in repair.source.text
    assert "    type: InnerProduct\n    num_output: 10\n    activation: relu" in repair.source.text
    (found,) = [d for d in check_source(repair.source) if d.severity == "error"]
    assert found.fact == "InnerProduct g has no activation" and "a layer of its own" in found.notes[0]


def test_a_type_is_named_though_its_words_need_more() -> None:
    """The edit alone would bring other errors to light: it stays a word of help."""
    (found,) = errors(FLOW)
    assert [(fix.text, fix.edits) for fix in found.fixes] == [("write Convolution", ())]
