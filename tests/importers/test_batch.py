"""A deploy file's batch is opened where nothing depends on it, and kept with a word where something does."""

from pathlib import Path
from typing import Any

import pytest

from netspec.importers.caffe import Converted, convert

HEAD = 'input: "data" input_shape { dim: 10 dim: 8 dim: 4 dim: 4 }\n'
IP = (
    'layer { name: "ip" type: "InnerProduct" bottom: "%s" top: "ip" inner_product_param { num_output: 3 } }\n'
)


def brought(folder: Path, text: str, **options: Any) -> Converted:
    (folder / "net.prototxt").write_text(text, encoding="utf-8")
    return convert(folder / "net.prototxt", **options)


def layer(type_: str, words: str, bottom: str = "data", top: str = "r") -> str:
    return f'layer {{ name: "r" type: "{type_}" bottom: "{bottom}" top: "{top}" {words} }}\n'


OPEN = {
    "plain": HEAD + IP % "data",
    "an Input layer": 'layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 10 dim: 8 } } }'
    + IP % "data",
    "four numbers": 'input: "data" input_dim: 10 input_dim: 8 input_dim: 4 input_dim: 4\n' + IP % "data",
    "a batch of one": HEAD.replace("10", "1") + IP % "data",
    "copied": HEAD + layer("Reshape", "reshape_param { shape { dim: 0 dim: -1 } }") + IP % "r",
    "implied": HEAD + layer("Reshape", "reshape_param { shape { dim: -1 dim: 128 } }") + IP % "r",
    "flat": HEAD + layer("Flatten", "") + IP % "r",
    "in train alone": HEAD + layer("Dropout", "include { phase: TRAIN }", top="data") + IP % "data",
}


@pytest.mark.parametrize("text", OPEN.values(), ids=OPEN)
@pytest.mark.parametrize("flat", [True, False])
def test_it_is_opened(text: str, flat: bool, tmp_path: Path) -> None:
    done = brought(tmp_path, text, flat=flat)
    assert done.tree["input"]["data"][0] == "N"
    assert done.findings == []
    assert "data: [N, 8" in done.text
    kept = brought(tmp_path, text, flat=flat, keep_batch=True)
    assert kept.tree["input"]["data"][0] in (1, 10)
    assert kept.findings == []


KEPT = {
    "a fixed shape": (layer("Reshape", "reshape_param { shape { dim: 10 dim: 128 } }") + IP % "r", "layer r"),
    "a batch into channels": (
        layer("Reshape", "reshape_param { shape { dim: 1 dim: -1 dim: 4 dim: 4 } }") + IP % "r",
        "weight",
    ),
    "a slice of samples": (
        'layer { name: "r" type: "Slice" bottom: "data" top: "r" top: "s" slice_param { axis: 0 } }'
        + IP % "r",
        "layer r",
    ),
    "an inner product over samples": (IP.replace("{ num", "{ axis: 0 num") % "data", "weight"),
    "in a stage alone": (
        layer("Reshape", "include { stage: 'x' } reshape_param { shape { dim: 10 dim: 128 } }") + IP % "data",
        "layer r",
    ),
    "a weight in train alone": (
        IP.replace("{ num", "{ axis: 0 num").replace("bottom", "include { phase: TRAIN } bottom", 1) % "data",
        "weight",
    ),
    "in train alone": (
        layer("Reshape", "include { phase: TRAIN } reshape_param { shape { dim: 10 dim: 8 dim: 16 } }")
        + IP % "data",
        "layer r",
    ),
}


@pytest.mark.parametrize(("text", "named"), KEPT.values(), ids=KEPT)
def test_it_is_kept_where_something_depends_on_it(text: str, named: str, tmp_path: Path) -> None:
    done = brought(tmp_path, HEAD + text)
    assert done.tree["input"]["data"][0] == 10
    (finding,) = done.findings
    assert finding.code == "NS041"
    assert "data takes batches of 10 only" in finding.fact
    assert named in finding.fact
    assert finding.span is not None
    assert finding.span.begin == (1, 15)


def test_a_recurrent_net_keeps_its_time(tmp_path: Path) -> None:
    text = 'input: "x" input: "cont" input_shape { dim: 5 dim: 2 dim: 3 } input_shape { dim: 5 dim: 2 }\n'
    text += 'layer { name: "l" type: "LSTM" bottom: "x" bottom: "cont" top: "l" recurrent_param { num_output: 3 } }'
    done = brought(tmp_path, text)
    assert done.tree["input"] == {"x": [5, 2, 3], "cont": [5, 2]}
    assert "axis 0 is time" in done.findings[0].fact


def test_what_is_given_and_what_has_another_number_stay(tmp_path: Path) -> None:
    text = 'input: "data" input: "rois" input: "given" input_shape { dim: 2 dim: 8 dim: 9 dim: 9 } input_shape { dim: 7 dim: 5 }'
    text += (
        " input_shape { dim: 2 dim: 3 }\n"
        + layer("ROIPooling", 'bottom: "rois" roi_pooling_param { pooled_h: 2 pooled_w: 2 }')
        + IP % "r"
    )
    done = brought(tmp_path, text, inputs={"given": [2, 3]})
    assert done.tree["input"] == {"data": ["N", 8, 9, 9], "rois": [7, 5], "given": [2, 3]}


def test_inputs_of_one_batch_have_one_letter_and_others_their_own(tmp_path: Path) -> None:
    text = 'input: "data" input: "rois" input: "more" input_shape { dim: 1 dim: 8 dim: 9 dim: 9 } input_shape { dim: 1 dim: 5 }'
    text += (
        " input_shape { dim: 1 dim: 3 }\n"
        + layer("ROIPooling", 'bottom: "rois" roi_pooling_param { pooled_h: 2 pooled_w: 2 }')
        + IP % "r"
    )
    text += 'layer { name: "ip2" type: "InnerProduct" bottom: "data" top: "ip2" inner_product_param { num_output: 3 } }\n'
    text += 'layer { name: "sum" type: "Eltwise" bottom: "ip2" bottom: "more" top: "sum" }\n'
    done = brought(tmp_path, text)
    assert done.tree["input"] == {"data": ["N", 8, 9, 9], "rois": ["N2", 5], "more": ["N", 3]}
    assert done.findings == []


def test_a_faulty_net_is_left_alone(tmp_path: Path) -> None:
    done = brought(tmp_path, HEAD + layer("Mystery", "") + IP % "r")
    assert done.tree["input"]["data"][0] == 10
    assert [d.code for d in done.findings] == ["NS022"]
