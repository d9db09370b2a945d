"""Players who learn in turn, and inputs that fillers make: against a loop written by hand, killed and resumed, checked, exported."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from netspec import driver
from netspec.diagnostics import SpecError
from netspec.exporters.export import export
from netspec.read_options import Reading
from netspec.repair.check import check_source
from netspec.resolve.sections.train import InputFiller
from netspec.source import Source
from netspec.training.batches.fills import Fill
from netspec.training.learners import Team
from netspec.training.loop import train
from netspec.training.nets import tensors_of
from netspec.training.run.folder import load_run
from netspec.training.run.weights import read_tensors
from netspec.training.session import session, train_program
from netspec.training.test import measure

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")
SPEC = """
netspec: 1
name: Duel
input:
  z: [N, 3]
  data: [N, 2]
  one: [N, 1]
  zero: [N, 1]
blocks:
  judge:
    bottom: x
    layers:
      - {name: a, type: InnerProduct, bottom: x, num_output: 8, weight_filler: xavier, param: [{name: a}, {name: a_bias}]}
      - {name: tanh, type: TanH}
      - {name: b, type: InnerProduct, num_output: 1, weight_filler: xavier, param: [{name: b}, {name: b_bias}]}
layers:
  - {name: hidden, type: InnerProduct, bottom: z, num_output: 8, weight_filler: xavier}
  - {name: bn, type: BatchNorm}
  - {name: relu, type: ReLU}
  - {name: drawn, type: InnerProduct, num_output: 2, weight_filler: xavier}
  - {name: fake, block: judge, bottom: drawn}
  - {name: real, block: judge, bottom: data}
  - {name: real_loss, type: SigmoidCrossEntropyLoss, bottom: [real, one]}
  - {name: fake_loss, type: SigmoidCrossEntropyLoss, bottom: [fake, zero]}
  - {name: fooling_loss, type: SigmoidCrossEntropyLoss, bottom: [fake, one]}
output: drawn
train:
  data: {source: npz, path: points.npz, batch_size: 16}
  test_data: {source: npz, path: points.npz, batch_size: 16}
  fill: {z: gaussian, one: {value: 1}, zero: {value: 0}}
  solver: {type: SGD, base_lr: 0.1, momentum: 0.9, max_iter: 12, test_interval: 4, display: 1, snapshot: 4, random_seed: 3}
  players:
    critic: {loss: [real_loss, fake_loss], layers: fake, steps: 2, solver: {base_lr: 0.05}}
    painter: {loss: fooling_loss, layers: [hidden, drawn]}
"""


@pytest.fixture
def duel(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "points.npz", data=rng.normal(2, 0.5, (50, 2)).astype(np.float32))
    path = tmp_path / "duel.yaml"
    path.write_text(SPEC, "utf-8")
    return path


def program(path: Path, *settings: str) -> driver.Program:
    return driver.load(str(path), Reading(settings=settings))


def by_hand(path: Path, rounds: int) -> dict[str, Tensor]:
    """Goodfellow's algorithm 1 in plain PyTorch, from the same weights, on the same batches, with Caffe's batch norm written out."""
    given = session(program(path), CPU).job
    w = {each.name: each.tensor.detach().clone() for each in given.parameters if each.trained}
    for tensor in w.values():
        tensor.requires_grad_(True)
    critic = [w[name] for name in w if name.startswith("fake.")]
    painter = [w[name] for name in w if not name.startswith("fake.")]
    turns = [(torch.optim.SGD(critic, 0.05, 0.9), True)] * 2 + [(torch.optim.SGD(painter, 0.1, 0.9), False)]

    def judge(x: Tensor) -> Tensor:
        return (
            torch.tanh(x @ w["fake.a.weight"].T + w["fake.a.bias"]) @ w["fake.b.weight"].T + w["fake.b.bias"]
        )

    def draw(z: Tensor) -> Tensor:
        h = nn.functional.batch_norm(z @ w["hidden.weight"].T + w["hidden.bias"], None, None, training=True)
        return h.relu() @ w["drawn.weight"].T + w["drawn.bias"]

    for _ in range(rounds):
        for optimizer, critical in turns:
            batch = next(given.train_batches)
            fake, ones = judge(draw(batch["z"])), batch["one"]
            loss = (
                bce(fake, torch.zeros_like(ones)) + bce(judge(batch["data"]), ones)
                if critical
                else bce(fake, ones)
            )
            for tensor in w.values():
                tensor.grad = None
            loss.backward()
            optimizer.step()
    return w


def test_the_turns_are_those_of_a_loop_written_by_hand(duel: Path, tmp_path: Path) -> None:
    result = train_program(program(duel), tmp_path / "run", device="cpu")
    ours, _ = read_tensors(result.run / "weights.safetensors")
    for name, expected in by_hand(duel, 12).items():
        torch.testing.assert_close(ours[name], expected.detach(), rtol=1e-4, atol=1e-5)


def test_a_stopped_duel_goes_on_as_if_nothing_had_happened(duel: Path, tmp_path: Path) -> None:
    train_program(program(duel), tmp_path / "whole", device="cpu")
    train_program(program(duel, "train.solver.max_iter=8"), tmp_path / "parts", device="cpu")
    train_program(program(duel), tmp_path / "parts", device="cpu", resume=True)
    whole, parts = (read_tensors(tmp_path / run / "solver.safetensors")[0] for run in ("whole", "parts"))
    assert whole.keys() == parts.keys() and all(torch.equal(whole[name], parts[name]) for name in whole)
    assert (tmp_path / "whole" / "weights.safetensors").read_bytes() == (
        tmp_path / "parts" / "weights.safetensors"
    ).read_bytes()


def test_another_cast_does_not_resume(duel: Path, tmp_path: Path) -> None:
    train_program(program(duel), tmp_path / "run", device="cpu")
    other = duel.read_text("utf-8").replace("critic:", "judge:")
    duel.write_text(other, "utf-8")
    with pytest.raises(SpecError) as error:
        train_program(program(duel), tmp_path / "run", device="cpu", resume=True)
    assert error.value.diagnostics[0].code == "NS675"


def test_the_log_names_each_player_and_no_test_is_best(duel: Path, tmp_path: Path) -> None:
    result = train_program(program(duel), tmp_path / "run", device="cpu")
    log = (result.run / "log.jsonl").read_text("utf-8")
    for word in ("critic.loss", "painter.loss", "critic.learning_rate", "painter.learning_rate"):
        assert f'"{word}"' in log
    assert not result.best and not (result.run / "best.safetensors").exists()
    assert set(result.metrics) == {"real_loss", "fake_loss", "fooling_loss", "loss"}
    assert measure(result.run).metrics == pytest.approx(
        dict(result.metrics), abs=1e-6
    )  # the same noise in every test


def test_epochs_count_every_players_batches(duel: Path, tmp_path: Path) -> None:
    result = train_program(
        program(duel, "train.solver.epochs=5", "train.solver.max_iter=0"), tmp_path / "run", device="cpu"
    )
    assert result.iteration == 5  # 5 epochs of 3 batches, 2 + 1 in a round


def test_what_is_deployed_is_the_generator(duel: Path, tmp_path: Path) -> None:
    result = train_program(program(duel), tmp_path / "run", device="cpu")
    loaded = load_run(result.run)
    assert set(loaded.net.layers) == {"hidden", "bn", "relu", "drawn"}  # type: ignore[arg-type]
    kept, _ = read_tensors(result.run / "weights.safetensors")
    assert all(
        torch.equal(tensor, kept[name]) for name, tensor in tensors_of(loaded.net, loaded.typed).items()
    )
    export(result.run, tmp_path / "duel.onnx")


def test_a_loss_that_is_not_finite_names_the_player(duel: Path, tmp_path: Path) -> None:
    text = duel.read_text("utf-8").replace("solver: {base_lr: 0.05}", "solver: {base_lr: 1e38}")
    duel.write_text(text, "utf-8")
    with pytest.raises(SpecError) as error:
        train_program(program(duel), tmp_path / "run", device="cpu")
    assert (
        error.value.diagnostics[0].code == "NS672"
        and "of critic in iteration" in error.value.diagnostics[0].fact
    )


FAULTS = [
    ("layers: fake", "layers: tanh", "NS686", "no layer is called tanh"),
    ("layers: fake", "layers: fake.tanh", "NS686", "fake.tanh has no weights to train"),
    ("loss: fooling_loss", "loss: drawn", "NS686", "drawn is no loss"),
    ("loss: fooling_loss", "loss: real_loss", "NS686", "do not depend on drawn.bias"),
    (
        "layers: [hidden, drawn]",
        "layers: [hidden, drawn, real.a]",
        "NS687",
        "critic and painter both train fake.a.bias, fake.a.weight",
    ),
    ("layers: [hidden, drawn]", "layers: drawn", "NS688", "no player trains hidden.weight, hidden.bias"),
    (
        "loss: [real_loss, fake_loss]",
        "loss: fake_loss",
        "NS688",
        "real_loss is a loss that no player learns by",
    ),
    (
        "solver: {base_lr: 0.05}",
        "solver: {base_lr: 0.05, lr_policy: step}",
        "NS670",
        "critic: lr_policy step needs stepsize",
    ),
    ("solver: {base_lr: 0.05}", "solver: {max_iter: 5}", "NS102", "max_iter"),
    ("layers: fake, ", "", "NS103", "layers"),
    ("fill: {z: gaussian", "fill: {noise: gaussian", "NS689", "no input is called noise"),
    ("fill: {z: gaussian", "fill: {z: xavier", "NS105", "xavier"),
    ("z: [N, 3]", "z: [N, L]", "NS689", "z may have one open size"),
]


@pytest.mark.parametrize(
    ("old", "new", "code", "words"), FAULTS, ids=[f"{code}-{i}" for i, (_, _, code, _) in enumerate(FAULTS)]
)
def test_faults_are_found_by_check(old: str, new: str, code: str, words: str) -> None:
    assert SPEC.count(old) == 1
    found = check_source(Source("duel.yaml", SPEC.replace(old, new)))
    assert any(d.code == code and words in d.fact + " ".join(d.notes) for d in found), [
        (d.code, d.fact) for d in found
    ]


def test_shared_weights_are_named_by_either_layer() -> None:
    by_other = driver.load_source(Source("duel.yaml", SPEC.replace("layers: fake,", "layers: real,")))
    assert by_other.players()[0].weights == driver.load_source(Source("duel.yaml", SPEC)).players()[0].weights


@pytest.mark.parametrize(
    ("words", "mean", "std"),
    [({"type": "gaussian", "mean": 2, "std": 3}, 2, 3), ({"type": "uniform", "min": -1}, 0, 0.577)],
)
def test_fillers_draw_what_they_say(words: dict[str, Any], mean: float, std: float) -> None:
    fill = Fill(InputFiller(**words), (4, 5), axis=1)
    value = fill.batch(1000, torch.Generator().manual_seed(1))
    assert value.shape == (4, 1000, 5)
    assert float(value.mean()) == pytest.approx(mean, abs=0.1) and float(value.std()) == pytest.approx(
        std, rel=0.05
    )
    assert torch.equal(value, fill.batch(1000, torch.Generator().manual_seed(1)))


def test_a_constant_may_be_a_class() -> None:
    value = Fill(InputFiller(value=3), (), integer=True).batch(5, torch.Generator())
    assert value.dtype == torch.int64 and value.tolist() == [3] * 5


def test_noise_beside_data_without_players(duel: Path, tmp_path: Path) -> None:
    duel.write_text(
        """
netspec: 1
input: {data: [N, 2], noise: [N, 2], one: [N, 1]}
layers:
  - {name: sum, type: Eltwise, bottom: [data, noise]}
  - {name: score, type: InnerProduct, num_output: 1, weight_filler: xavier}
  - {name: loss, type: SigmoidCrossEntropyLoss, bottom: [score, one]}
output: score
train:
  data: {source: npz, path: points.npz, batch_size: 16}
  fill: {noise: {type: uniform, min: -1}, one: {value: 1}}
  solver: {base_lr: 0.1, max_iter: 5, random_seed: 1}
""",
        "utf-8",
    )
    made = session(program(duel), CPU)
    first, second = next(made.job.train_batches), next(made.job.train_batches)
    assert first["noise"].shape == (16, 2) and not torch.equal(first["noise"], second["noise"])
    assert float(first["noise"].min()) >= -1 and float(first["noise"].max()) < 1
    assert train(made.job, tmp_path / "run", device="cpu").iteration == 5


def test_only_its_own_weights_get_gradients_in_a_turn(duel: Path) -> None:
    """Those of the others would cost a backward pass through their layers, and memory."""
    given = session(program(duel), CPU).job
    team = Team(given, given.parameters, 12)
    every = {each.name: each.tensor for each in given.parameters if each.trained}
    for learner, player in zip(team, given.players, strict=True):
        learner.begin()
        assert {name for name, tensor in every.items() if tensor.requires_grad} == {*player.weights}
