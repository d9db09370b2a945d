"""From prototxt to spec: the upgrade of every generation, inputs, wiring, solver, and what is said about the rest."""

from pathlib import Path
from typing import Any

import pytest

from netspec.diagnostics import Diagnostics, SpecError
from netspec.driver import load_source
from netspec.importers.prototxt import Imported, import_prototxt
from netspec.read_options import Reading
from netspec.source import Source
from netspec.syntax.located import plain
from netspec.syntax.reader import read

CASES = Path(__file__).parents[1] / "conformance" / "caffe" / "cases"
SOLVERS = CASES.parent / "solver"
INPUT = 'input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n'


@pytest.fixture
def imported(tmp_path: Path) -> Any:
    def run(text: str, solver: str | None = None) -> Imported:
        (tmp_path / "net.prototxt").write_text(text)
        if solver is None:
            return import_prototxt(tmp_path / "net.prototxt")
        (tmp_path / "solver.prototxt").write_text(solver)
        return import_prototxt(tmp_path / "net.prototxt", solver=tmp_path / "solver.prototxt")

    return run


SSD = (
    INPUT
    + """
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 8 kernel_size: 3 } }
layer { name: "p" type: "PriorBox" bottom: "c" bottom: "data" top: "p" prior_box_param { min_size: 4 } }
layer { name: "loc" type: "Flatten" bottom: "c" top: "loc" }
layer { name: "conf" type: "Flatten" bottom: "c" top: "conf" }
layer { name: "d" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "p" top: "d" detection_output_param {
  num_classes: 2 visualize: true visualize_threshold: 0.5 save_file: "out.avi" save_output_param { resize_param { height: 3 width: 3 } } } }
layer { name: "in" type: "Data" top: "x" top: "l" include { phase: TRAIN } data_param {
  source: "db" batch_size: 2 cache: true shuffle: true }
  transform_param { resize_param { prob: 1 resize_mode: WARP height: 300 width: 300 } distort_param { hue_prob: 0.5 } crop_size: 8 } }
"""
)


def test_what_ssd_draws_and_how_it_resizes_is_left_out(imported: Any) -> None:
    result = imported(SSD)
    left = [d for d in result.findings if d.code == "NS025"]
    assert {d.fact.partition(" of ")[0] for d in left} == {
        "visualize", "visualize_threshold", "save_file", "cache", "shuffle", "resize_param", "distort_param",
    }  # fmt: skip
    assert all(d.span is not None and d.span.text == d.fact.partition(" of ")[0] for d in left)
    assert not any(d.code == "NS102" for d in driver_findings(result.text))


def driver_findings(text: str) -> list[Any]:
    from netspec.repair.check import check_source

    return check_source(Source("net.yaml", text))


def test_several_test_nets(imported: Any) -> None:
    result = imported(
        SSD,
        "net: 'n' test_iter: 100 test_iter: 7 test_interval: 5 base_lr: 0.1 max_iter: 9 lr_policy: 'fixed'",
    )
    assert result.tree["train"]["solver"]["test_iter"] == 100
    assert any("one for each of 2 test nets" in d.fact for d in result.findings)


def test_what_ssd_s_solvers_say_of_tests_is_mapped_or_named(imported: Any) -> None:
    words = "eval_type: 'detection' ap_version: '11point' show_per_class_result: true debug_info: false"
    result = imported(
        SSD, f"net: 'n' base_lr: 0.1 max_iter: 9 lr_policy: 'fixed' {words} snapshot_after_train: true"
    )
    assert result.tree["train"]["solver"]["ap_version"] == "11point"
    left = {d.fact.partition(" of the solver: ")[::2] for d in result.findings if "of the solver" in d.fact}
    assert {word for word, _ in left} == {
        "net", "eval_type", "show_per_class_result", "debug_info", "snapshot_after_train",
    }  # fmt: skip
    assert all("no such word" not in why for _, why in left)


def codes(result: Imported) -> list[str]:
    return [d.code for d in result.findings]


@pytest.mark.parametrize("path", sorted(CASES.glob("*.prototxt")), ids=lambda path: path.stem)
def test_recorded_nets_import_and_the_text_reads_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES.parent)
    result = import_prototxt(path)
    diagnostics = Diagnostics()
    tree = read(Source("out.yaml", result.text), diagnostics)
    assert tree is not None
    assert plain(tree) == result.tree
    assert codes(result) == []


OLDEST = """
name: "oldest"
input: "data" input_dim: 1 input_dim: 3 input_dim: 20 input_dim: 20
layers { layer { name: "pad1" type: "padding" pad: 2 } bottom: "data" top: "pad1" }
layers {
  layer { name: "conv1" type: "conv" num_output: 8 kernelsize: 5 stride: 2 group: 1 biasterm: false
    weight_filler { type: "gaussian" std: 0.01 } blobs_lr: 1. blobs_lr: 2. weight_decay: 1. weight_decay: 0. }
  bottom: "pad1" top: "conv1"
}
layers { layer { name: "relu1" type: "relu" } bottom: "conv1" top: "conv1" }
layers { layer { name: "pool1" type: "pool" pool: AVE kernelsize: 3 stride: 2 } bottom: "conv1" top: "pool1" }
layers { layer { name: "norm1" type: "lrn" local_size: 5 alpha: 0.0001 beta: 0.75 } bottom: "pool1" top: "norm1" }
layers { layer { name: "fc" type: "innerproduct" num_output: 10 bias_filler { type: "constant" } } bottom: "norm1" top: "fc" }
layers { layer { name: "drop" type: "dropout" dropout_ratio: 0.4 } bottom: "fc" top: "fc" }
layers { layer { name: "prob" type: "softmax" } bottom: "fc" top: "prob" }
"""


def test_v0(imported: Any) -> None:
    result = imported(OLDEST)
    assert codes(result) == []
    assert result.tree["input"] == {"data": [1, 3, 20, 20]}
    assert result.tree["layers"] == [
        {
            "name": "conv1",
            "type": "Convolution",
            "param": [{"lr_mult": 1.0, "decay_mult": 1.0}, {"lr_mult": 2.0, "decay_mult": 0.0}],
            "convolution_param": {
                "num_output": 8,
                "kernel_size": 5,
                "stride": 2,
                "group": 1,
                "bias_term": False,
                "weight_filler": {"type": "gaussian", "std": 0.01},
                "pad": 2,
            },
        },
        {"name": "relu1", "type": "ReLU", "top": "conv1"},
        {"name": "pool1", "type": "Pooling", "pooling_param": {"pool": "AVE", "kernel_size": 3, "stride": 2}},
        {"name": "norm1", "type": "LRN", "lrn_param": {"local_size": 5, "alpha": 0.0001, "beta": 0.75}},
        {
            "name": "fc",
            "type": "InnerProduct",
            "inner_product_param": {"num_output": 10, "bias_filler": {"type": "constant"}},
        },
        {"name": "drop", "type": "Dropout", "top": "fc", "dropout_param": {"dropout_ratio": 0.4}},
        {"name": "prob", "type": "Softmax"},
    ]


def test_v0_data_and_fields_that_do_not_belong(imported: Any) -> None:
    result = imported("""
        layers { layer { name: "d" type: "data" source: "db" meanfile: "mean" batchsize: 32 cropsize: 20 mirror: true scale: 0.5
                         rand_skip: 3 kernelsize: 3 }
                 top: "data" top: "label" }
        layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "data" top: "pad" }
        layers { layer { name: "loss" type: "softmax_loss" } bottom: "data" bottom: "label" }""")
    data, loss = result.tree["layers"]
    assert data == {
        "name": "d",
        "type": "Data",
        "top": ["data", "label"],
        "data_param": {"source": "db", "batch_size": 32, "rand_skip": 3},
        "transform_param": {"mean_file": "mean", "crop_size": 20, "mirror": True, "scale": 0.5},
    }
    assert loss == {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["data", "label"]}
    facts = [d.fact.split(":")[0] for d in result.findings]
    assert facts == ["layer d reads db, which is not here", "kernelsize of layer d", "layer pad"]


def test_v0_padding_that_cannot_be_folded(imported: Any) -> None:
    with pytest.raises(SpecError) as caught:
        imported(
            INPUT
            + """
            layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "data" top: "pad" }
            layers { layer { name: "relu" type: "relu" } bottom: "pad" top: "relu" }"""
        )
    assert [d.code for d in caught.value.diagnostics] == ["NS023"]


def test_v1(imported: Any) -> None:
    result = imported(
        INPUT
        + """
        layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" param: "w" param: "b" blob_share_mode: PERMISSIVE
          blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0 convolution_param { num_output: 4 kernel_size: 3 } }
        layers { name: "t" type: TANH bottom: "c" top: "c" include { phase: TRAIN } }
        layers { name: "p" type: POOLING bottom: "c" top: "p" pooling_param { pool: MAX kernel_size: 2 } }
        layers { name: "loss" type: SOFTMAX_LOSS bottom: "p" bottom: "label" loss_weight: 0.3 }"""
    )
    conv, tanh, pool, loss = result.tree["layers"]
    assert conv["param"] == [
        {"name": "w", "share_mode": "PERMISSIVE", "lr_mult": 1, "decay_mult": 1},
        {"name": "b", "lr_mult": 2, "decay_mult": 0},
    ]
    assert tanh == {"name": "t", "type": "TanH", "top": "c", "include": {"phase": "TRAIN"}}
    assert pool["bottom"] == "c", "the layer before is only in one phase, so the default could mean another"
    assert (loss["type"], loss["loss_weight"]) == ("SoftmaxWithLoss", 0.3)


def test_mixed_generations_keep_the_order_of_the_file(imported: Any) -> None:
    result = imported(
        INPUT
        + """
        layer { name: "a" type: "ReLU" bottom: "data" top: "a" }
        layers { name: "b" type: SIGMOID bottom: "a" top: "b" }
        layers { layer { name: "c" type: "tanh" } bottom: "b" top: "c" }
        layer { name: "d" type: SOFTMAX bottom: "c" top: "d" }
        layers { name: "e" type: "ReLU" bottom: "d" top: "e" param { lr_mult: 0 } }"""
    )
    assert [(layer["name"], layer["type"]) for layer in result.tree["layers"]] == [
        ("a", "ReLU"),
        ("b", "Sigmoid"),
        ("c", "TanH"),
        ("d", "Softmax"),
        ("e", "ReLU"),
    ]
    assert result.tree["layers"][4]["param"] == [{"lr_mult": 0}]


def test_transforms_move_only_where_caffe_moves_them(imported: Any) -> None:
    v1 = imported(
        'layers { name: "d" type: DATA top: "data" data_param { source: "x" batch_size: 1 scale: 0.5 crop_size: 3 } }'
    )
    assert v1.tree["layers"][0]["transform_param"] == {"scale": 0.5, "crop_size": 3}
    assert v1.tree["layers"][0]["data_param"] == {"source": "x", "batch_size": 1}
    v2 = imported(
        'layer { name: "d" type: "Data" top: "data" data_param { source: "x" batch_size: 1 scale: 0.5 } }'
    )
    assert "transform_param" not in v2.tree["layers"][0]
    assert codes(v2) == ["NS033", "NS025"]


def test_batch_norm_blobs_are_not_trained(imported: Any) -> None:
    result = imported(
        INPUT
        + """
        layer { name: "b" type: "BatchNorm" bottom: "data" top: "b" param { lr_mult: 1 } param {} param { name: "x" } }"""
    )
    assert result.tree["layers"][0]["param"] == [
        {"lr_mult": 0, "decay_mult": 0},
        {"lr_mult": 0, "decay_mult": 0},
        {"name": "x", "lr_mult": 0, "decay_mult": 0},
    ]


@pytest.mark.parametrize(
    "text",
    [
        'input: "a" input: "b" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4 input_dim: 5 input_dim: 6 input_dim: 7 input_dim: 8 ',
        'input: "a" input: "b" input_shape { dim: 1 dim: 2 dim: 3 dim: 4 } input_shape { dim: 5 dim: 6 dim: 7 dim: 8 }',
        'input: ["a", "b"] input_shape [{ dim: [1, 2, 3, 4] }, { dim: [5, 6, 7, 8] }]',
        """layer { name: "in" type: "Input" top: "a" top: "b"
       input_param { shape { dim: 1 dim: 2 dim: 3 dim: 4 } shape { dim: 5 dim: 6 dim: 7 dim: 8 } } }""",
        """input: "a" input_shape { dim: 1 dim: 2 dim: 3 dim: 4 }
       layer { name: "b" type: "Input" top: "b" input_param { shape { dim: 5 dim: 6 dim: 7 dim: 8 } } }""",
    ],
)
def test_inputs_in_every_spelling(text: str, imported: Any) -> None:
    result = imported(text + 'layer { name: "s" type: "Eltwise" bottom: "a" bottom: "b" top: "s" }')
    assert result.tree["input"] == {"a": [1, 2, 3, 4], "b": [5, 6, 7, 8]}
    assert result.tree["layers"] == [{"name": "s", "type": "Eltwise", "bottom": ["a", "b"]}]


def test_one_shape_for_all_tops_and_inputs_of_one_phase(imported: Any) -> None:
    result = imported("""
        layer { name: "in" type: "Input" top: "a" top: "b" input_param { shape { dim: 1 dim: 2 } } }
        layer { name: "only" type: "Input" top: "c" input_param { shape { dim: 3 } } include { phase: TRAIN } }""")
    assert result.tree["input"] == {"a": [1, 2], "b": [1, 2]}
    assert result.tree["layers"] == [
        {
            "name": "only",
            "type": "Input",
            "top": "c",
            "include": {"phase": "TRAIN"},
            "input_param": {"shape": {"dim": [3]}},
        }
    ]


@pytest.mark.parametrize(
    "text",
    [
        'input: "a" input_dim: 1 input_dim: 2 input_dim: 3',
        'input: "a" input: "b" input_shape { dim: 1 }',
        'input: "a" layer { name: "r" type: "ReLU" bottom: "a" top: "r" }',
        'layer { name: "in" type: "Input" top: "a" }',
        'input: "a" input_shape { dim: "x" }',
        INPUT + 'layer { name: "c" type: "Convolution" convolution_param { num_output: -3 } }',
        INPUT + 'layer { name: "c" type: "Convolution" convolution_param { num_output: "3" } }',
        INPUT + 'layer { name: "c" type: "Convolution" convolution_param { bias_term: 2 } }',
        INPUT + 'layer { name: "c" type: "Convolution" convolution_param: 3 }',
        INPUT + 'layer { name: "p" type: "Pooling" pooling_param { pool: MAXIMUM } }',
        INPUT + 'layer { name: { x: 1 } type: "ReLU" }',
    ],
)
def test_values_that_do_not_suit_are_errors_with_a_place(text: str, imported: Any) -> None:
    with pytest.raises(SpecError) as caught:
        imported(text)
    assert {d.code for d in caught.value.diagnostics} == {"NS023"}
    assert all(d.span is not None for d in caught.value.diagnostics)


def test_wiring_is_written_only_where_the_default_differs(imported: Any) -> None:
    layers = imported(
        INPUT
        + """
        layer { name: "c1" type: "Convolution" bottom: "data" top: "c1" convolution_param { num_output: 3 kernel_size: 1 } }
        layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
        layer { name: "c2" type: "Convolution" bottom: "c1" top: "other" convolution_param { num_output: 3 kernel_size: 1 } }
        layer { name: "sum" type: "Eltwise" bottom: "c1" bottom: "other" top: "sum" }
        layer { name: "loss" type: "EuclideanLoss" bottom: "sum" bottom: "data" top: "loss" }
        layer { name: "r2" type: "ReLU" bottom: "sum" top: "r2" }
        layer { name: "r3" type: "ReLU" bottom: "data" top: "r3" }
        layer { name: "quiet" type: "Silence" bottom: "r3" }
        layer { name: "r4" type: "ReLU" bottom: "r3" top: "r4" }"""
    ).tree["layers"]
    assert {layer["name"]: (layer.get("bottom"), layer.get("top")) for layer in layers} == {
        "c1": (None, None),
        "r1": (None, "c1"),
        "c2": (None, "other"),
        "sum": (["c1", "other"], None),
        "loss": (["sum", "data"], None),
        "r2": (None, None),
        "r3": ("data", None),
        "quiet": (None, None),
        "r4": (None, None),
    }


def test_rules_and_net_fields(imported: Any) -> None:
    result = imported("""force_backward: true state { phase: TEST level: 2 stage: "deploy" }
        layer { name: "a" type: "DummyData" top: "a" include { phase: TEST stage: "deploy" stage: "x" not_stage: "y" min_level: 1 }
          include { phase: TRAIN } dummy_data_param { shape { dim: 2 } num: 3 } }
        layer { name: "b" type: "ReLU" bottom: "a" top: "b" exclude { phase: TEST } propagate_down: false }""")
    a, b = result.tree["layers"]
    assert a["include"] == [
        {"phase": "TEST", "stage": ["deploy", "x"], "not_stage": "y", "min_level": 1},
        {"phase": "TRAIN"},
    ]
    assert (b["exclude"], b["propagate_down"]) == ({"phase": "TEST"}, False)
    assert [d.fact.split(" of ")[0] for d in result.findings] == ["force_backward", "state"]


def test_unknown_fields_and_types_are_kept_and_listed_with_line_and_layer(imported: Any) -> None:
    result = imported(
        INPUT
        + """
layer { name: "c" type: "Convolutoin" bottom: "data" top: "c" }
layer { name: "d" type: "Convolution" bottom: "c" top: "d"
  convolution_param { num_output: 4 kernel_sise: 3 }
  my_param { deep { x: 1 x: 2 } on: true }
}"""
    )
    found = [(d.code, d.span.begin[0] if d.span else 0, d.label) for d in result.findings]
    assert found[:2] == [
        ("NS022", 3, "did you mean Convolution or Deconvolution?"),
        ("NS021", 5, "did you mean kernel_size?"),
    ]
    assert [place[:2] for place in found[2:]] == [("NS021", 6)]
    assert all("layer d" in d.fact for d in result.findings[1:])
    first, second = result.tree["layers"]
    assert first["type"] == "Convolutoin"
    assert second["convolution_param"] == {"num_output": 4, "kernel_sise": 3}
    assert second["my_param"] == {"deep": {"x": [1, 2]}, "on": True}


def test_text_that_specs_would_read_otherwise(imported: Any) -> None:
    result = imported(
        'name: "no" '
        + INPUT.replace("data", "1e3")
        + r'layer { name: "a$b: {c}" type: "ReLU" bottom: "1e3" top: "${x}" }'
    )
    diagnostics = Diagnostics()
    tree = read(Source("out.yaml", result.text), diagnostics)
    assert tree is not None
    assert plain(tree) == {
        "netspec": 1,
        "name": "no",
        "input": {"1e3": [1, 3, 8, 8]},
        "layers": [{"name": "a$$b: {c}", "type": "ReLU", "top": "$${x}"}],
    }


def test_numbers_and_words_in_every_spelling(imported: Any) -> None:
    (layer,) = imported(
        INPUT
        + """layer { name: "p" type: "Pooling" bottom: "data" top: "p"
        pooling_param { pool: ave kernel_size: 0x3 stride: 02 pad: 1 global_pooling: 0 } }"""
    ).tree["layers"]
    assert layer["pooling_param"] == {
        "pool": "AVE",
        "kernel_size": 3,
        "stride": 2,
        "pad": 1,
        "global_pooling": False,
    }
    (layer,) = imported(
        INPUT + 'layer { name: "p" type: "Pooling" bottom: "data" pooling_param { pool: 1 } }'
    ).tree["layers"]
    assert layer["pooling_param"] == {"pool": "AVE"}


def test_a_field_given_twice(imported: Any) -> None:
    result = imported(INPUT + 'layer { name: "r" name: "s" type: "ReLU" bottom: "data" top: "r" }')
    assert codes(result) == ["NS024"]
    assert result.tree["layers"][0]["name"] == "s"


def test_an_unknown_field_is_told_once_with_what_becomes_of_it(imported: Any) -> None:
    """Of a layer, at any depth, it is kept; a spec has no place for one of the net or of the solver."""
    layer = (
        'layer { name: "c" type: "ReLU" bottom: "data" top: "c" odd_1: 1 include { phase: TEST odd_2: 2 } }'
    )
    net = (
        INPUT.replace("input_shape {", "input_shape { odd_3: 3 ") + f"odd_4: 4 state {{ odd_5: 5 }}\n{layer}"
    )
    assert "odd_3" in net
    result = imported(net, "base_lr: 0.1 odd_6: 6 test_state { odd_7: 7 }")
    for n in range(1, 8):
        [said] = [d for d in result.findings if f"odd_{n}" in d.fact]
        kept = f"odd_{n}:" in result.text
        assert (said.code, kept, "kept" in said.fact, "left out" in said.fact) == (
            "NS021",
            n < 3,
            n < 3,
            n > 2,
        )


SOLVER = """net: "train.prototxt" solver_type: ADAGRAD base_lr: 0.01 lr_policy: "multistep" stepvalue: 10 stepvalue: 20 gamma: 0.1
test_iter: 5 max_iter: 100 solver_mode: GPU momentum_typo: 1"""


def test_solver(imported: Any) -> None:
    result = imported(INPUT + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }', SOLVER)
    assert result.tree["train"] == {
        "solver": {
            "type": "AdaGrad",
            "base_lr": 0.01,
            "lr_policy": "multistep",
            "stepvalue": [10, 20],
            "gamma": 0.1,
            "test_iter": 5,
            "max_iter": 100,
        }
    }
    assert sorted(d.fact.split(" of ")[0] for d in result.findings) == [
        "momentum_typo",
        "net",
        "solver_mode",
    ]


@pytest.mark.parametrize("words", ['type: "Adam" solver_type: SGD', 'solver_type: SGD type: "Adam"'])
def test_a_type_and_an_older_one(imported: Any, words: str) -> None:
    result = imported(INPUT + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }', words)
    assert result.tree["train"] == {"solver": {"type": "Adam"}}
    assert [d.fact.split(" of ")[0] for d in result.findings] == ["solver_type"]


def test_a_solver_that_stops_learning_is_told_at_its_place(imported: Any) -> None:
    layer = INPUT + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }'
    words = 'base_lr: 0.01 lr_policy: "step" stepsize: 20 max_iter: 60 delta: 0.1 type: "SGD"'
    found = [d for d in imported(layer, words).findings if d.code != "NS025"]
    assert [(d.code, d.severity, d.fact) for d in found] == [
        (
            "NS426",
            "warning",
            "solver: the learning rate is 0 from iteration 20 of 60 on, by lr_policy step: gamma is not given",
        ),
        ("NS425", "warning", "solver: type SGD reads no delta"),
    ]
    assert [d.span.begin[1] for d in found if d.span is not None] == [15, 59]
    plain = imported(
        layer,
        'base_lr: 0.01 lr_policy: "step" gamma: 0.1 stepsize: 20 max_iter: 60 solver_type: ADAM momentum2: 0.9 delta: 0.1',
    )
    assert plain.findings == []
    for odd in ('lr_policy: "plateau" ', 'type: "Momentum" ', 'lr_policy: "step" '):
        assert [
            d.code for d in imported(layer, f"base_lr: 0.01 max_iter: 60 {odd}").findings if d.code != "NS025"
        ] == []


@pytest.mark.parametrize("path", sorted(SOLVERS.glob("*.solver.prototxt")), ids=lambda path: path.name)
def test_recorded_solvers_are_understood(path: Path) -> None:
    result = import_prototxt(SOLVERS / "net.prototxt", solver=path)
    left_out = {d.fact.split(" of ")[0] for d in result.findings}
    assert left_out <= {"net", "solver_mode", "snapshot_prefix", "snapshot_format", "snapshot_after_train"}
    assert result.tree["train"]["solver"]["max_iter"] == 20


def test_solver_that_holds_its_net(imported: Any) -> None:
    net = 'name: "in" ' + INPUT + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }'
    result = imported(f"base_lr: 0.1 max_iter: 5 net_param {{ {net} }}")
    assert (result.tree["name"], result.tree["train"]) == ("in", {"solver": {"base_lr": 0.1, "max_iter": 5}})


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "NS028"),
        (b"# nothing", "NS028"),
        (b"base_lr: 0.1", "NS028"),
        (b"\x0a\x05hello\0\0", "NS002"),
        (b"layer {", "NS020"),
        (b"a {" * 100, "NS007"),
    ],
)
def test_files_that_are_no_net(content: bytes, code: str, tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_bytes(content)
    with pytest.raises(SpecError) as caught:
        import_prototxt(tmp_path / "net.prototxt")
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        import_prototxt(tmp_path / "none")
    assert [d.code for d in caught.value.diagnostics] == ["NS001"]


def test_comments_in_another_encoding(tmp_path: Path) -> None:
    net = INPUT.encode() + b'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }'
    (tmp_path / "net.prototxt").write_bytes("# Krähenbühl\n".encode("latin-1") + net)
    assert codes(import_prototxt(tmp_path / "net.prototxt")) == ["NS029"]
    (tmp_path / "net.prototxt").write_bytes(b"\xef\xbb\xbf" + net)
    assert codes(import_prototxt(tmp_path / "net.prototxt")) == []


def test_ceil_mode_of_a_fork(imported: Any) -> None:
    pool = 'layer { name: "p%d" type: "Pooling" bottom: "data" top: "p%d" pooling_param { kernel_size: 2 ceil_mode: %s } }\n'
    result = imported(INPUT + pool % (1, 1, "false") + pool % (2, 2, "true"))
    assert codes(result) == []
    assert [layer["pooling_param"]["round_mode"] for layer in result.tree["layers"]] == ["FLOOR", "CEIL"]


def test_two_layers_of_one_name(imported: Any) -> None:
    layer = 'layer { name: "act" type: "%s" bottom: "%s" top: "%s" %s }\n'
    result = imported(
        INPUT
        + layer % ("ReLU", "data", "a", "")
        + layer % ("TanH", "a", "b", "")
        + layer % ("AbsVal", "b", "c", "")
    )
    assert codes(result) == ["NS032", "NS032"]
    assert [entry["name"] for entry in result.tree["layers"]] == ["act", "act_2", "act_3"]
    assert result.renamed == {"act_2": "act", "act_3": "act"}
    rules = [f"include {{ phase: {phase} }}" for phase in ("TRAIN", "TEST")]
    apart = imported(INPUT + "".join(layer % ("ReLU", "data", "a", rule) for rule in rules))
    assert (codes(apart), apart.renamed) == ([], {})
    staged = [f'include {{ phase: TEST stage: "{stage}" }}' for stage in "ab"]
    assert codes(imported(INPUT + "".join(layer % ("ReLU", "data", "a", rule) for rule in staged))) == []


CAPTIONER = """
layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TEST stage: "val" } image_data_param { source: "a.txt" } }
layer { name: "data" type: "HDF5Data" top: "cont" top: "words" top: "target" include { phase: TEST stage: "val" }
  hdf5_data_param { source: "b.txt" } }
layer { name: "silence" type: "Silence" bottom: "label" }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 6 } }
layer { name: "embed" type: "Embed" bottom: "words" top: "embed" embed_param { num_output: 5 input_dim: 11 bias_term: false } }
layer { name: "lstm" type: "LSTM" bottom: "embed" bottom: "cont" bottom: "fc" top: "lstm" include { stage: "one" }
  recurrent_param { num_output: 7 } }
layer { name: "lstm" type: "LSTM" bottom: "embed" bottom: "cont" top: "lstm" include { stage: "two" } recurrent_param { num_output: 8 } }
layer { name: "predict" type: "InnerProduct" bottom: "lstm" top: "predict" inner_product_param { num_output: 11 axis: 2 } }
"""


def test_a_captioner_of_several_stages(imported: Any) -> None:
    """Two data layers of one name in one net, and layers of one name in different stages; shapes by Caffe's rules."""
    result = imported(CAPTIONER)
    assert codes(result) == ["NS033", "NS032", "NS033"]
    assert [entry["name"] for entry in result.tree["layers"][:2]] == ["data", "data_2"]
    shapes = "input: {data: [3, 1, 4, 4], label: [3], cont: [2, 3], words: [2, 3], target: [2, 3]}\nlayers:\n"
    text = result.text.replace("layers:\n", shapes)
    for stage, width in (("one", 7), ("two", 8)):
        typed = load_source(Source("spec.yaml", text), Reading(frozenset({"val", stage}))).graph("test")
        found = {value.name: typed.types[value].shape for node in typed.graph.nodes for value in node.tops}
        assert found == {"fc": (3, 6), "embed": (2, 3, 5), "lstm": (2, 3, width), "predict": (2, 3, 11)}


def test_a_net_of_the_test_phase_only(imported: Any) -> None:
    shape = 'layer { name: "r" type: "Reshape" bottom: "data" top: "t" include { phase: TEST } '
    shape += "reshape_param { shape { dim: 1 dim: -1 } } }\n"
    dense = 'layer { name: "f" type: "InnerProduct" bottom: "t" top: "f" inner_product_param { num_output: 2 } }\n'
    result = imported(INPUT + shape + dense)
    assert codes(result) == ["NS025"]
    assert "include" not in result.tree["layers"][0]
    other = imported(INPUT + shape + 'layer { name: "t" type: "ReLU" bottom: "data" top: "u" }\n')
    assert other.tree["layers"][0]["include"] == {"phase": "TEST"}


@pytest.mark.parametrize(("more", "code"), [(0, "NS002"), (1, "NS008")])
def test_a_file_may_have_64_mebibytes(tmp_path: Path, more: int, code: str) -> None:
    path = tmp_path / "net.prototxt"
    with path.open("wb") as file:
        file.truncate(64 * 1024 * 1024 + more)  # holes: nothing is written
    with pytest.raises(SpecError) as error:
        import_prototxt(path)
    assert error.value.diagnostics[0].code == code


def trained_only(conditions: str = "", accuracy: str = "") -> str:
    lines = (
        'layer { name: "data" type: "HDF5Data" top: "data" top: "label" include { phase: TRAIN }'
        ' hdf5_data_param { source: "train.txt" batch_size: 4 } }',
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3 } }',
        f'layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" {conditions} }}',
        accuracy,
    )
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        trained_only(),
        trained_only("include { phase: TRAIN }"),
        trained_only(
            accuracy='layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc" include { phase: TEST } }'
        ),
    ],
)
def test_data_of_a_net_that_is_only_trained_stand_for_both_phases(imported: Any, text: str) -> None:
    """Caffe trains such a file without a test net; a spec is deployed too."""
    found = imported(text)
    layers = {layer["name"]: layer for layer in found.tree["layers"]}
    assert "include" not in layers["data"]
    assert [each.fact for each in found.findings if each.code == "NS025"] == [
        "include of layer data: the net has no data in the test phase, so these stand for both"
    ]
    # what the file says of others stays
    assert ("include" in layers["loss"]) == ("TRAIN } top" in text or text.count("phase: TRAIN") == 2)


def test_data_of_each_phase_keep_it(imported: Any) -> None:
    first = trained_only().partition("\n")[0]
    both = first.replace("TRAIN", "TEST").replace('"data" type', '"tested" type') + trained_only()
    layers = imported(both).tree["layers"]
    assert [layer.get("include") for layer in layers if layer["type"] == "HDF5Data"] == [
        {"phase": "TEST"},
        {"phase": "TRAIN"},
    ]
