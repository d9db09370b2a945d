"""A net that learns from another: what its loss is, that it helps, and teachers that do not fit."""

from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from netspec.diagnostics import SpecError
from netspec.training.run.folder import load_run
from netspec.training.session import session, train_program
from tests.training.specs import LAYERS, program

pytestmark = pytest.mark.torch
PLAIN = [LAYERS[0], LAYERS[1], *LAYERS[3:]]
"""Without Dropout: a loss can be worked out beside it."""
QUIET = {"test_interval": 0, "max_iter": 4}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, layers in (("shares", PLAIN), ("scores", PLAIN[:-1])):
        made = program(layers=layers, solver=QUIET | {"max_iter": 30})
        train_program(made, folder / name, device="cpu")
    return folder


@pytest.fixture(autouse=True)
def beside(teacher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(teacher)


def loss_of(words: Any) -> tuple[float, Any, Any]:
    """The loss of a net on one batch, the net and the batch."""
    made = session(program(layers=PLAIN, solver=QUIET, train={"teacher": words}), torch.device("cpu"))
    net, batch = made.job.net, next(made.job.train_batches)
    net(**batch)
    return float(net.total_loss.detach()), net, batch


def blobs(net: Any, batch: Any) -> Any:
    with torch.no_grad():
        names = signature(net.forward).parameters
        return net.forward_blobs({own: batch[name] for own, name in zip(net.inputs, names, strict=True)})


@pytest.mark.parametrize("name", ["shares", "scores"])
def test_the_loss_is_that_of_hinton(teacher: Path, name: str) -> None:
    words = {"run": name, "temperature": 3.0, "alpha": 0.7}
    found, _, batch = loss_of(words)
    hard, net, again = loss_of(words | {"alpha": 0.0})
    assert torch.equal(batch["data"], again["data"])
    scores = blobs(net, batch)["ip2"]
    with torch.no_grad():
        told = load_run(teacher / name).net(batch["data"])
    logits = told.log() if name == "shares" else told
    p, q = (torch.softmax(each / 3, 1) for each in (logits, scores))
    soft = (p * (p.log() - q.log())).sum(1).mean()
    assert found == pytest.approx(0.3 * hard + 0.7 * 9 * float(soft), rel=1e-4)


@pytest.mark.parametrize("heat", [0.01, 100.0])
def test_the_bounds_of_the_temperature_are_where_float32_still_tells(teacher: Path, heat: float) -> None:
    """Within a hundredth of the same in float64, where 1,000 is 5 % off; beyond them nothing is trained."""
    words = {"run": "scores", "temperature": heat, "alpha": 1.0}
    found, net, batch = loss_of(words)
    scores = blobs(net, batch)["ip2"].double()
    with torch.no_grad():
        told = load_run(teacher / "scores").net(batch["data"]).double()
    p, q = (torch.log_softmax(each / heat, 1) for each in (told, scores))
    assert found == pytest.approx(heat**2 * float((p.exp() * (p - q)).sum(1).mean()), rel=1e-2)
    for beyond in (heat / 1.1, heat * 1.1):
        if not 0.01 <= beyond <= 100:
            with pytest.raises(SpecError, match="NS106"):
                loss_of(words | {"temperature": beyond})


def test_a_teacher_alone_is_imitated_and_a_run_goes_on_exactly(tmp_path: Path) -> None:
    words = {"teacher": {"run": "shares", "alpha": 1.0, "temperature": 2.0}}
    ends = {}
    for name, lengths in (("once", (40,)), ("twice", (15, 40))):
        for i, length in enumerate(lengths):
            made = program(layers=PLAIN, solver=QUIET | {"max_iter": length, "base_lr": 0.02}, train=words)
            result = train_program(made, tmp_path / name, device="cpu", resume=i > 0)
        ends[name] = load_file(tmp_path / name / "weights.safetensors")
    assert all(torch.equal(ends["once"][name], each) for name, each in ends["twice"].items())
    assert set(ends["once"]) == {"ip1.weight", "ip1.bias", "ip2.weight", "ip2.bias"}
    first, _, _ = loss_of(words["teacher"])
    assert result.loss < 0.5 * first


def test_teachers_that_do_not_fit() -> None:
    other = {"data": {"shape": ["N", 1, 8, 8], "image": {"color": "gray", "scale": 1.0}}}
    scores = [*PLAIN[:2], {**PLAIN[2], "num_output": 12}]
    for more, said in (
        ({"input": other}, "reads data as [N, 1, 8, 8], image: {color: gray"),
        ({"layers": scores}, "12 classes"),
    ):
        made = program(**{"layers": PLAIN, "train": {"teacher": "shares"}} | more)
        with pytest.raises(SpecError, match="NS616") as found:
            session(made, torch.device("cpu"))
        assert said in found.value.diagnostics[0].fact and found.value.diagnostics[0].span is not None
    with pytest.raises(SpecError, match="NS114"):
        session(program(layers=PLAIN, train={"teacher": "../runs"}), torch.device("cpu"))
