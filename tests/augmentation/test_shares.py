"""Labels as shares of the classes, from the loss to a training; and what cannot follow is said before."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

import netspec
from netspec.augmentation.frame import Crop, Flip
from netspec.augmentation.kernels.batch import Batch
from netspec.augmentation.kernels.draw import Draw
from netspec.data.binding import LabelRule
from netspec.data.source import ArraySource
from netspec.diagnostics import SpecError
from netspec.resolve.sections.train import DataSection
from netspec.torch_modules.loss import SoftmaxWithLoss
from netspec.training.batches.feeding import Place, Port, batches_of, feed_of

pytestmark = pytest.mark.torch

NET = """
netspec: 1
name: net
input:
  data: {shape: [N, 3, 8, 8], image: {scale: 0.004}}
layers:
  - {name: ip, type: InnerProduct, num_output: 3, weight_filler: {type: gaussian, std: 0.01}}
train:
  data: {source: npz, path: d.npz, batch_size: 8}
  augment: AUGMENT
  solver: {base_lr: 0.1, max_iter: 6, random_seed: 2}LOSS
"""


@pytest.mark.parametrize(
    "words", [{}, {"normalization": "BATCH_SIZE"}, {"normalization": "NONE"}, {"axis": 2}]
)
def test_whole_shares_are_classes(words: dict[str, object]) -> None:
    """Value and gradient; and a blend has the loss of the blend."""
    loss, axis = SoftmaxWithLoss(**words), int(words.get("axis", 1))  # type: ignore[arg-type,call-overload]
    scores = torch.randn(5, 4, 6)
    classes = scores.shape[axis]
    label = [torch.randint(classes, [n for i, n in enumerate(scores.shape) if i != axis]) for _ in range(2)]
    x, y = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    shares = [one_hot(each, classes).float().movedim(-1, axis) for each in label]
    whole, plain = loss(x, shares[0]), loss(y, label[0])
    torch.testing.assert_close(whole, plain)
    whole.backward(), plain.backward()
    torch.testing.assert_close(x.grad, y.grad)
    blend = loss(scores, 0.3 * shares[0] + 0.7 * shares[1])
    torch.testing.assert_close(blend, 0.3 * loss(scores, label[0]) + 0.7 * loss(scores, label[1]))


def test_scores_of_one_class_keep_caffes_form() -> None:
    assert float(SoftmaxWithLoss()(torch.randn(4, 1), torch.zeros(4, 1))) == 0.0


def data(folder: Path, **more: np.ndarray) -> None:
    state = np.random.RandomState(0)
    image, label = state.randint(0, 256, (20, 3, 8, 8)).astype(np.uint8), np.arange(20) % 3
    np.savez(folder / "d.npz", **{"data": image, "label": label, **more})


def train(folder: Path, augment: str, loss: str = "") -> object:
    text = NET.replace("AUGMENT", augment).replace("LOSS", loss)
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return netspec.train(path, run=folder / "run")


@pytest.mark.parametrize(
    "augment", ["[MixUp]", "[Flip, {type: CutMix, probability: 0.5}]", "[Mosaic, MixUp]"]
)
def test_mixtures_train(tmp_path: Path, augment: str) -> None:
    data(tmp_path)
    train(tmp_path, augment)
    assert (tmp_path / "run").is_dir()


@pytest.mark.parametrize(
    ("augment", "loss", "more", "words"),
    [
        ("[MixUp]", "\n  loss: {type: HingeLoss}", {}, "loss takes whole numbers alone"),
        (
            "[MixUp]",
            "\n  loss: [{type: SoftmaxWithLoss}, {name: a, type: Accuracy}]",
            {},
            "a takes whole numbers",
        ),
        ("[{type: Shuffle}]", "", {}, "Shuffle changes tokens"),
        (
            "[{type: Flip}]",
            "",
            {"label": np.zeros((20, 4, 4), int)},
            "Flip would move the image but not its label",
        ),
        ("[MixUp]", "", {"label": np.zeros((20, 8, 8), int)}, "MixUp cannot mix a label of mask"),
        ("[SpecAugment]", "", {"data": np.zeros((20, 8), np.float32)}, "SpecAugment takes spectrograms"),
        ("[ReverseComplement]", "", {"data": np.zeros((20, 3, 8), np.float32)}, "the channels A, C, G, T"),
    ],
)
def test_what_cannot_follow_is_said(
    tmp_path: Path, augment: str, loss: str, more: dict[str, np.ndarray], words: str
) -> None:
    data(tmp_path, **more)
    with pytest.raises(SpecError) as error:
        train(tmp_path, augment, loss)
    (found,) = error.value.diagnostics
    assert found.code == "NS661" and words in found.fact


@pytest.mark.parametrize(
    ("rows", "augment", "code"),
    [
        (12, "[{type: Replace, tokens: 12}, {type: Drop, fill: 11}]", ""),
        (11, "[]", "NS651"),
        (12, "[{type: Replace, tokens: 13}]", "NS661"),
        (12, "[{type: Drop, fill: 12}]", "NS661"),
    ],
)
def test_tokens_are_among_the_rows_that_are_looked_up(
    tmp_path: Path, rows: int, augment: str, code: str
) -> None:
    np.savez(tmp_path / "d.npz", data=np.arange(24).reshape(4, 6) % 12, label=np.arange(4) % 2)
    (tmp_path / "spec.yaml").write_text(
        f"""
input: {{data: {{shape: [N, 6], dtype: int64}}}}
layers:
  - {{name: e, type: Embed, num_output: 2, input_dim: {rows}, weight_filler: xavier}}
  - {{name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}}
train:
  data: {{source: npz, path: d.npz, batch_size: 2}}
  augment: {augment}
  solver: {{base_lr: 0.1, max_iter: 2, random_seed: 1}}
"""
    )
    if not code:
        assert netspec.train(tmp_path / "spec.yaml", run=tmp_path / "run").iteration == 2
        return
    with pytest.raises(SpecError) as error:
        netspec.train(tmp_path / "spec.yaml", run=tmp_path / "run")
    (found,) = error.value.diagnostics
    assert found.code == code and f"from 0 to {rows - 1}" in found.fact and "e looks up" in found.fact


def test_data_layers_are_not_reached_by_augment(tmp_path: Path) -> None:
    text = """
netspec: 1
name: net
layers:
  - {name: data, type: DummyData, top: [data, label], shape: [{dim: [4, 3, 8, 8]}, {dim: [4]}]}
  - {name: ip, type: InnerProduct, bottom: data, num_output: 3, weight_filler: xavier}
  - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}
train:
  augment: [Flip]
  solver: {base_lr: 0.1, max_iter: 2}
"""
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=r"NS661.*data layers"):
        netspec.train(path, run=tmp_path / "run")


def test_a_mask_moves_with_its_image_on_its_way_to_the_net() -> None:
    rows = (np.arange(8)[:, None] * 8 + np.arange(8)).astype(np.float32)
    image, mask = np.repeat(rows[None, None], 20, 0), np.repeat(rows[None].astype(int), 20, 0)
    source = ArraySource("d", {"image": image, "label": mask}, "label")
    changes = (Flip(), Crop(size=8, pad=2), Flip(direction="vertical"))
    ports, rules = (
        {"data": Port((1, 8, 8)), "label": Port((8, 8), None, True)},
        {"label": LabelRule(64, (255,))},
    )
    section = DataSection(source="npz", batch_size=10)
    feed = feed_of(source, section, ports, changes, "train", Place(Path()), rules)
    with batches_of(source, section, feed, "train", 1) as batches:
        batch = next(batches)
    inside = batch["label"] != 255
    assert torch.equal(batch["data"][:, 0][inside], batch["label"][inside].float())
    assert 0 < int((~inside).sum()) < 320 and batch["label"].dtype == torch.int64
    assert len({tuple(each.flatten().tolist()) for each in batch["label"]}) > 5


PLUGIN = """
from netspec.plugin import ImageChange, accepts, param


class Solarize(ImageChange, type="Solarize"):
    \"\"\"Turn bright values around.\"\"\"

    level: float = param(default=128.0, ge=0, le=255, doc="where it begins")

    def change(self, x, draw, order):
        import torch

        return torch.where(x >= self.level, 255 - x, x)

    @staticmethod
    def examples():
        yield accepts("{}", "N,3,8,8 -> N,3,8,8")
"""


def test_a_type_of_ones_own(tmp_path: Path) -> None:
    data(tmp_path)
    (tmp_path / "own.py").write_text(PLUGIN, encoding="utf-8")
    path = tmp_path / "spec.yaml"
    text = NET.replace("AUGMENT", "[{type: Solarize, level: 100}]").replace("LOSS", "")
    path.write_text(text.replace("input:", "plugins: [own.py]\ninput:"), encoding="utf-8")
    assert [d.code for d in netspec.check(path)] == ["NS121"]
    assert netspec.check(path, allow_code=True) == []
    program = netspec.load(path, allow_code=True)
    (change,) = program.resolved.augment
    made = change.apply(Batch(torch.full((2, 3, 4, 4), 200.0)), Draw.of(1, 0, np.arange(2)))
    assert change.type == "Solarize" and float(made.pixels.max()) == 55
    path.write_text(text.replace("input:", "plugins: [own.py]\ninput:").replace("Solarize", "Solarise"))
    assert [d.code for d in netspec.check(path, allow_code=True)] == ["NS692"]
