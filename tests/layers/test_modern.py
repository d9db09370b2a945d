"""Layers beyond Caffe's against independent implementations: torch's own modules and functions, scikit-learn's scores."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everywhere

from netspec.compiled import compile as compiled
from netspec.driver import load_source
from netspec.source import Source


def net(layer: str, inputs: str, phase: str = "test", dialect: str = "caffe") -> Any:
    text = (
        f"netspec: 1\nname: one\ndialect: {dialect}\ninput: {{{inputs}}}\nlayers:\n  - {{name: l, {layer}}}\n"
    )
    return compiled(load_source(Source("one.yaml", text)).graph(phase), phase)


def value(layer: str, inputs: str, *bottoms: Tensor) -> Any:
    """What a loss or a metric answers: its first top."""
    made = net(layer, inputs)
    return made.forward_blobs(dict(zip(made.inputs, (b.float() for b in bottoms), strict=True)))["l"]


def close(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.fixture
def scores() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(6, 5, 3), torch.randint(0, 5, (6, 3))


LABELLED = "bottom: [x, y]"
SHAPES = "x: [N, 5, 3], y: [N, 3]"


def test_label_smoothing_is_torch_s(scores: tuple[Tensor, Tensor]) -> None:
    x, y = scores
    found = value(f"type: LabelSmoothingLoss, smoothing: 0.2, {LABELLED}", SHAPES, x, y)
    close(found, F.cross_entropy(x, y, label_smoothing=0.2))
    found = value(f"type: LabelSmoothingLoss, smoothing: 0.2, ignore_label: 1, {LABELLED}", SHAPES, x, y)
    close(found, F.cross_entropy(x, y, label_smoothing=0.2, ignore_index=1))


def test_focal_loss_is_cross_entropy_without_focus_and_less_with(scores: tuple[Tensor, Tensor]) -> None:
    x, y = scores
    plain = F.cross_entropy(x, y, reduction="none")
    close(value(f"type: FocalLoss, gamma: 0, {LABELLED}", SHAPES, x, y), plain.mean())
    close(
        value(f"type: FocalLoss, gamma: 2, alpha: 0.25, {LABELLED}", SHAPES, x, y),
        (0.25 * (1 - torch.exp(-plain)) ** 2 * plain).mean(),
    )


def test_divergences_are_torch_s() -> None:
    torch.manual_seed(0)
    x, t, m, v = torch.randn(4, 7), torch.randn(4, 7), torch.randn(4, 3), torch.randn(4, 3)
    found = value("type: KLDivLoss, temperature: 2, bottom: [x, t]", "x: [N, 7], t: [N, 7]", x, t)
    close(
        found,
        4 * F.kl_div((x / 2).log_softmax(1), (t / 2).log_softmax(1), reduction="batchmean", log_target=True),
    )
    found = value("type: GaussianKLLoss, bottom: [m, v]", "m: [N, 3], v: [N, 3]", m, v)
    normal = torch.distributions.Normal
    close(found, torch.distributions.kl_divergence(normal(m, (v / 2).exp()), normal(0.0, 1.0)).sum() / 4)
    p, q = torch.rand(4, 3), torch.rand(4, 3)
    close(
        value("type: BinaryCrossEntropyLoss, bottom: [p, q]", "p: [N, 3], q: [N, 3]", p, q),
        F.binary_cross_entropy(p, q),
    )


def test_dice_is_nothing_where_regions_agree(scores: tuple[Tensor, Tensor]) -> None:
    y = scores[1]
    sure = 50 * F.one_hot(y, 5).movedim(-1, 1).float()
    dice = f"type: DiceLoss, smooth: 0, {LABELLED}"
    close(value(dice, SHAPES, sure, y), torch.tensor(0.0))
    close(value(dice, SHAPES, sure, (y + 1) % 5), torch.tensor(1.0))


def test_ctc_is_torch_s_wherever_the_blanks_stand() -> None:
    torch.manual_seed(0)
    x, packed, lengths = torch.randn(9, 2, 5), torch.tensor([[2, 3, 0], [1, 0, 0]]), torch.tensor([2, 1])
    wanted = F.ctc_loss(x.log_softmax(2), packed, torch.tensor([9, 9]), lengths, reduction="none").mean()
    ctc = ("type: CTCLoss, bottom: [x, y]", "x: [T, N, 5], y: [N, S]")
    close(value(*ctc, x, packed), wanted)
    close(value(*ctc, x, torch.tensor([[2, 0, 3], [0, 1, 0]])), wanted)


def test_metrics_are_scikit_learn_s() -> None:
    from sklearn.metrics import f1_score, jaccard_score

    torch.manual_seed(0)
    x, y = torch.randn(40, 4), torch.randint(0, 3, (40,))
    x[:, 3] -= 100  # a class that never occurs counts for nothing
    answers = x.argmax(1)
    made = net("type: IoU, bottom: [x, y], top: [mean, each]", "x: [N, 4], y: [N]").forward_blobs(
        {"x": x, "y": y.float()}
    )
    mean, each = made["mean"], made["each"]
    close(mean, torch.tensor(jaccard_score(y, answers, average="macro"), dtype=torch.float32))
    close(each[:3], torch.tensor(jaccard_score(y, answers, average=None), dtype=torch.float32))
    close(
        value("type: F1, bottom: [x, y]", "x: [N, 4], y: [N]", x, y),
        torch.tensor(f1_score(y, answers, average="macro"), dtype=torch.float32),
    )


def test_attention_is_torch_s() -> None:
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    nn.init.normal_(theirs.in_proj_bias)
    x, memory, mask = (
        torch.randn(3, 5, 8),
        torch.randn(3, 4, 8),
        torch.tensor([[1.0, 1, 0, 1], [1, 1, 1, 1], [0, 0, 1, 0]]),
    )
    words = "type: MultiHeadAttention, num_heads: 2"
    rows = [
        (net(words, "x: [N, T, 8]"), (x,), theirs(x, x, x)[0]),
        (
            net(f"{words}, causal: true", "x: [N, T, 8]"),
            (x,),
            theirs(x, x, x, attn_mask=torch.ones(5, 5).triu(1).bool(), is_causal=True)[0],
        ),
        (
            net(f"{words}, bottom: [x, m, k]", "x: [N, T, 8], m: [N, S, 8], k: [N, S]"),
            (x, memory, mask),
            theirs(x, memory, memory, key_padding_mask=mask == 0)[0],
        ),
    ]
    for ours, bottoms, wanted in rows:
        with torch.no_grad():
            own = (theirs.in_proj_weight, theirs.in_proj_bias, theirs.out_proj.weight, theirs.out_proj.bias)
            for tensor, value in zip(ours.layer_parameters("l"), own, strict=True):
                tensor.copy_(value)
            close(ours(*bottoms), wanted)


def test_gru_is_torch_s() -> None:
    torch.manual_seed(0)
    theirs = nn.GRU(3, 4)
    ours = net("type: GRU, num_output: 4, bottom: [x, c]", "x: [T, N, 3], c: [T, N]", dialect="torch")
    x, n = torch.randn(6, 2, 3), 4
    with torch.no_grad():
        theirs.bias_hh_l0[: 2 * n] = 0

        def turned(w: Tensor) -> Tensor:  # r, z, n there; z, r, n here
            return torch.cat((w[n : 2 * n], w[:n], w[2 * n :]))

        own = (
            turned(theirs.weight_ih_l0),
            turned(theirs.bias_ih_l0),
            turned(theirs.weight_hh_l0),
            theirs.bias_hh_l0[2 * n :],
        )
        for tensor, value in zip(ours.layer_parameters("l"), own, strict=True):
            tensor.copy_(value)
        close(ours(x, torch.ones(6, 2)), theirs(x)[0])


def test_layer_norm_over_channels_is_that_of_channels_last() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, 3, 4)
    close(
        net("type: LayerNorm, axis: 1", "x: [N, 6, 3, 4]")(x),
        F.layer_norm(x.movedim(1, -1), (6,)).movedim(-1, 1),
    )
    close(net("type: InstanceNorm", "x: [N, 6, 3, 4]")(x), F.instance_norm(x))


def test_reparameterization_draws_with_its_mean_and_deviation_while_training() -> None:
    torch.manual_seed(0)
    layer = net("type: Reparameterization, bottom: [m, v]", "m: [N, 2], v: [N, 2]", phase="train")
    m, v = torch.tensor([1.0, -2.0]).expand(20000, 2), torch.tensor([0.0, 2.0]).expand(20000, 2)
    z = layer(m, v)
    torch.testing.assert_close(z.mean(0), m[0], rtol=0, atol=0.1)
    torch.testing.assert_close(z.std(0), (v[0] / 2).exp(), rtol=0.05, atol=0)
    close(layer.eval()(m, v), m)


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("always", [True, False])
@pytest.mark.parametrize("phase", ["train", "test"])
def test_dropout_of_forks_keeps_or_weakens_what_it_says(scaled: bool, always: bool, phase: str) -> None:
    """Drawn in training, and in test where asked: each kept value is enlarged, or the test that draws none weakens all."""
    torch.manual_seed(0)
    words = (
        f"type: Dropout, dropout_ratio: 0.25, scale_train: {scaled}, sample_weights_test: {always}".lower()
    )
    y = net(words.replace("type: dropout", "type: Dropout"), "x: [N, 3]", phase=phase)(torch.ones(4000, 3))
    kept = 4 / 3 if scaled else 1.0
    if phase == "train" or always:
        torch.testing.assert_close(y.unique(), torch.tensor([0.0, kept]))
        assert abs(float((y > 0).float().mean()) - 0.75) < 0.02
    else:
        torch.testing.assert_close(y.unique(), torch.tensor([1.0 if scaled else 0.75]))


def test_paths_are_dropped_whole_and_the_rest_enlarged() -> None:
    torch.manual_seed(0)
    y = net("type: DropPath, drop_ratio: 0.25", "x: [N, 3, 2]", phase="train")(torch.ones(4000, 3, 2))
    assert set(y.flatten(1).std(1).tolist()) == {0.0}
    torch.testing.assert_close(y[:, 0, 0].unique(), torch.tensor([0.0, 4 / 3]))
    assert abs(float(y.mean()) - 1) < 0.05
