"""What training adds to a net, and what it leaves out."""

from typing import Any

import pytest
import yaml

from netspec.diagnostics import SpecError
from netspec.ir.graph import TypedGraph
from netspec.repair.check import check_source
from netspec.source import Source
from tests.training.specs import LAYERS, document, program


def names(typed: TypedGraph) -> list[str]:
    return [node.name for node in typed.graph.nodes]


def bottoms(typed: TypedGraph, name: str) -> list[str]:
    return [value.name for node in typed.graph.nodes if node.name == name for value in node.bottoms]


def label(typed: TypedGraph) -> str:
    return next(
        f"{typed.types[i.value]} {typed.types[i.value].dtype}"
        for i in typed.graph.inputs
        if i.value.name == "label"
    )


def test_the_default_stands_on_the_scores_behind_the_softmax() -> None:
    train, test = (program().training_graph(phase) for phase in ("train", "test"))
    assert names(train) == ["ip1", "relu1", "drop1", "ip2", "loss"]
    assert names(test) == ["ip1", "relu1", "drop1", "ip2", "loss", "accuracy"]
    assert bottoms(test, "loss") == bottoms(test, "accuracy") == ["ip2", "label"]
    assert [v.name for v in test.graph.outputs] == ["loss", "accuracy"]
    assert label(train) == "[N] int64"


def test_a_net_without_softmax_is_trained_on_its_output() -> None:
    assert bottoms(program(layers=LAYERS[:-1]).training_graph(), "loss") == ["ip2", "label"]


def test_a_net_with_a_loss_of_its_own_gets_none() -> None:
    loss = [
        {
            "name": "cost",
            "type": "SoftmaxWithLoss",
            "bottom": ["ip2", "label"],
            "include": {"phase": "TRAIN"},
        },
        {
            "name": "top2",
            "type": "Accuracy",
            "bottom": ["ip2", "label"],
            "top_k": 2,
            "include": {"phase": "TEST"},
        },
    ]
    spec = program(
        layers=[{**LAYERS[0], "bottom": "data"}, *LAYERS[1:], *loss],
        input={"data": ["N", 1, 8, 8], "label": ["N"]},
        output="prob",
    )
    assert names(spec.training_graph("train")) == ["ip1", "relu1", "drop1", "ip2", "cost"]
    assert names(spec.training_graph("test")) == ["ip1", "relu1", "drop1", "ip2", "top2"]
    assert [i.value.name for i in spec.graph("deploy").graph.inputs] == ["data"]


def test_scores_with_places_and_scores_in_time() -> None:
    score = {
        "name": "score",
        "type": "Convolution",
        "num_output": 4,
        "kernel_size": 1,
        "weight_filler": "xavier",
    }
    places = program(layers=[score])
    assert label(places.training_graph()) == "[N, 8, 8] int64"
    steps = program(
        input={"data": ["T", "N", 6]},
        layers=[
            {"name": "fc", "type": "InnerProduct", "axis": 2, "num_output": 5, "weight_filler": "xavier"},
            {"name": "prob", "type": "Softmax", "axis": 2},
        ],
    )
    typed = steps.training_graph("test")
    assert label(typed) == "[T, N] int64"
    assert {node.layer.axis for node in typed.graph.nodes if node.name in ("loss", "accuracy")} == {2}


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("EuclideanLoss", {"loss": ["prob", "label"]}),
        ({"type": "EuclideanLoss", "bottom": ["ip2", "label"]}, {"loss": ["ip2", "label"]}),
        (
            [
                {"type": "HingeLoss", "bottom": ["ip2", "label"]},
                {"name": "top3", "type": "Accuracy", "bottom": ["ip2", "label"], "top_k": 3},
            ],
            {"loss": ["ip2", "label"], "top3": ["ip2", "label"]},
        ),
    ],
)
def test_train_loss(loss: Any, expected: dict[str, list[str]]) -> None:
    typed = program(train={"loss": loss}).training_graph("test")
    assert {name: bottoms(typed, name) for name in expected} == expected
    assert names(typed)[-len(expected) :] == list(expected)


def test_a_loss_may_stand_on_a_layer_that_training_adds() -> None:
    """LeNet-5's own criterion has an eleventh class, for what is no digit: a fixed layer between the distances and the loss."""
    more = {
        "name": "rejecting",
        "type": "InnerProduct",
        "bottom": "ip2",
        "num_output": 11,
        "weight_filler": "xavier",
    }
    spec = program(train={"loss": [more, {"type": "SoftmaxWithLoss", "bottom": ["rejecting", "label"]}]})
    typed = spec.training_graph("test")
    assert bottoms(typed, "loss") == ["rejecting", "label"] and label(typed) == "[N] int64"
    assert [node.name for node in spec.graph("deploy").graph.nodes][-1] == "prob"


def test_a_label_whose_shape_nothing_tells() -> None:
    loss = [
        {"name": "flat", "type": "Flatten", "bottom": "label"},
        {"type": "EuclideanLoss", "bottom": ["prob", "flat"]},
    ]
    assert found(train={"loss": loss}) == [("NS682", "label")]


def test_regression_asks_for_numbers() -> None:
    typed = program(layers=LAYERS[:1], train={"loss": "EuclideanLoss"}).training_graph()
    assert label(typed) == "[N, 16] float32"


def found(**more: Any) -> list[tuple[str, str]]:
    text = yaml.safe_dump(document(**more), sort_keys=False)
    return [
        (d.code, d.span.text if d.span else "")
        for d in check_source(Source("tiny.yaml", text))
        if d.severity == "error"
    ]


def fact(**more: Any) -> str:
    return check_source(Source("tiny.yaml", yaml.safe_dump(document(**more), sort_keys=False)))[0].fact


def test_several_outputs_need_train_loss() -> None:
    two = [
        {**LAYERS[0], "bottom": "data"},
        {"name": "other", "type": "InnerProduct", "num_output": 2, "bottom": "data"},
    ]
    assert found(layers=two) == [("NS682", "train")]
    assert "the outputs are ip1, other" in fact(layers=two)
    assert found(layers=two, output="ip1") == []
    assert found(layers=two, train={"loss": {"type": "SoftmaxWithLoss", "bottom": ["other", "label"]}}) == []


def test_faults_of_train_loss_are_found_by_check() -> None:
    assert found(train={"loss": {"type": "SoftmaxWithLos"}}) == [("NS101", "SoftmaxWithLos")]
    assert found(train={"loss": {"type": "SoftmaxWithLoss", "bottom": ["ip3", "label"]}})[0][0] == "NS201"


def test_solver_and_contract_are_checked_with_places() -> None:
    assert found(solver={"type": "AdaGrad"}) == [("NS670", "0.9")]
    assert found(solver={"moment": 0.9})[0] == ("NS102", "moment")
    assert found(solver={"base_lr": -1})[0] == ("NS106", "-1")
    assert found(train={"augment": [{"mirrored": True}]})[0] == ("NS102", "mirrored")
    assert found(input={"data": {"shape": ["N", 1, 8, 8], "image": {"color": "rgb"}}})[0] == (
        "NS660",
        "image",
    )


def test_a_phase_that_trains_nothing_raises() -> None:
    with pytest.raises(SpecError) as error:
        program(layers=[LAYERS[1], {"name": "copy", "type": "ReLU", "bottom": "data"}]).training_graph()
    assert [d.code for d in error.value.diagnostics] == ["NS682"]


def test_labels_are_smoothed_in_training_alone() -> None:
    """Whatever normalises the output: the loss stands on the scores."""
    for layers in (LAYERS, LAYERS[:-1]):
        made = program(layers=layers, train={"label_smoothing": 0.2})
        train, test = (made.training_graph(phase) for phase in ("train", "test"))
        assert [n.layer.type for n in train.graph.nodes][-1] == "LabelSmoothingLoss"
        assert [n.layer.type for n in test.graph.nodes][-2:] == ["SoftmaxWithLoss", "Accuracy"]
        loss = train.graph.nodes[-1]
        assert loss.name == "loss" and loss.bottoms[0].name == "ip2" and loss.layer.smoothing == 0.2  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["loss", "accuracy"])
def test_a_layer_with_the_name_of_an_added_one_is_told_at_its_place(name: str) -> None:
    text = (
        "netspec: 1\ninput: {data: [N, 4]}\nlayers:\n"
        f"  - {{name: {name}, type: InnerProduct, num_output: 10, weight_filler: xavier}}\n"
        "train: {data: digits, solver: {base_lr: 0.1, max_iter: 1}}\n"
    )
    (found,) = [d for d in check_source(Source("s.yaml", text)) if d.severity == "error"]
    assert (found.code, found.span and found.span.text) == ("NS203", name)
    assert found.notes[0].startswith(f"the other is the {name} that training adds")


@pytest.mark.parametrize(
    ("measure", "code"),
    [
        ("{name: acc, type: Accuracy, bottom: [ipp, label], include: {phase: TEST}}", "NS201"),
        ("{name: acc, type: Accuracy, bottom: [ip, label], top_k: 50, exclude: {phase: TRAIN}}", "NS302"),
        ("{name: ip, type: Accuracy, bottom: [ip, label], include: {phase: TEST}}", "NS203"),
        ("{name: acc, type: Accuracy, bottom: [ip], include: {phase: TEST}}", "NS205"),
    ],
)
def test_check_says_what_a_test_of_the_training_would_refuse(measure: str, code: str) -> None:
    text = (
        "netspec: 1\ninput: {data: [N, 64]}\nlayers:\n"
        "  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier}\n"
        "train:\n  data: digits\n  solver: {base_lr: 0.1, max_iter: 1}\n  loss:\n"
        "    - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}\n"
        f"    - {measure}\n"
    )
    (found,) = [d for d in check_source(Source("s.yaml", text)) if d.severity == "error"]
    assert found.code == code
    assert found.span is not None


def test_check_says_what_the_heads_of_a_test_would_refuse() -> None:
    """A layer of the test alone gives another number of scores, so that a default loss has none it could read."""
    text = (
        "netspec: 1\ninput: {data: [N, 64]}\nlayers:\n"
        "  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier}\n"
        "  - {name: more, type: InnerProduct, num_output: 4, weight_filler: xavier, bottom: data, include: {phase: TEST}}\n"
        "train: {data: digits, solver: {base_lr: 0.1, max_iter: 1}}\n"
    )
    assert [d.code for d in check_source(Source("s.yaml", text)) if d.severity == "error"] == ["NS682"]


@pytest.mark.parametrize(
    "loss",
    [
        "[]",
        "[{type: Accuracy, include: {phase: TEST}}]",
        "[{type: SoftmaxWithLoss, include: {phase: TEST}}]",
        "[{type: SoftmaxWithLoss, loss_weight: 0}]",
    ],
)
def test_check_says_that_no_loss_is_left_to_learn_by(loss: str) -> None:
    text = (
        "netspec: 1\ninput: {data: [N, 64]}\nlayers:\n"
        "  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier}\n"
        f"train:\n  data: digits\n  solver: {{base_lr: 0.1, max_iter: 1}}\n  loss: {loss}\n"
    )
    (found,) = [d for d in check_source(Source("s.yaml", text)) if d.severity == "error"]
    assert (found.code, found.fact) == ("NS671", "the net has no loss in the training phase")
