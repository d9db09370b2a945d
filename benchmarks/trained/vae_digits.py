"""The bound of a trained VAE on test digits, beside a VAE of the same sizes written by hand in PyTorch and trained as long.

    python benchmarks/trained/vae_digits.py RUN [--seeds 3] [--grid samples.png]

-log p(x) <= reconstruction + divergence, in nats, over the 360 test digits: reconstruction from sampled codes (mean of 20 draws) and
from the mean code, as `netspec test` has it.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from autoencoder_digits import digits
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from netspec.training.run.folder import load_run

HIDDEN, CODE, STEPS, BATCH = 256, 10, 6000, 64


class ByHand(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode, self.mean, self.log_variance = (
            nn.Linear(64, HIDDEN),
            nn.Linear(HIDDEN, CODE),
            nn.Linear(HIDDEN, CODE),
        )
        self.decode, self.draw = nn.Linear(CODE, HIDDEN), nn.Linear(HIDDEN, 64)

    def code(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.encode(x).relu()
        return self.mean(h), self.log_variance(h)

    def scores(self, z: Tensor) -> Tensor:
        return self.draw(self.decode(z).relu())


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()


def reconstruction(scores: Tensor, x: Tensor) -> Tensor:
    return bce(scores, x, reduction="sum") / len(x)


def trained_by_hand(train: Tensor, seed: int) -> ByHand:
    """Adam at 0.001, batches of 64 in a new order each epoch, 6,000 of them."""
    torch.manual_seed(seed)
    net, order = ByHand(), torch.empty(0, dtype=torch.long)
    optimizer = torch.optim.Adam(net.parameters(), 0.001)
    for _ in range(STEPS):
        if len(order) < BATCH:
            order = torch.cat([order, torch.randperm(len(train))])
        x, order = train[order[:BATCH]], order[BATCH:]
        mean, log_variance = net.code(x)
        loss = reconstruction(
            net.scores(mean + (log_variance / 2).exp() * torch.randn_like(mean)), x
        ) + divergence(mean, log_variance)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net


def bound(
    code: Callable[[Tensor], tuple[Tensor, Tensor]], scores: Callable[[Tensor], Tensor], x: Tensor
) -> str:
    """Reconstruction (sampled, and from the mean), divergence, and the bound."""
    torch.manual_seed(0)
    with torch.no_grad():
        mean, log_variance = code(x)
        draws = [
            reconstruction(scores(mean + (log_variance / 2).exp() * torch.randn_like(mean)), x)
            for _ in range(20)
        ]
        sampled, at_mean, kl = (
            float(torch.stack(draws).mean()),
            float(reconstruction(scores(mean), x)),
            float(divergence(mean, log_variance)),
        )
    return f"reconstruction {sampled:.2f} (of the mean code {at_mean:.2f}), divergence {kl:.2f}, bound {sampled + kl:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--grid", type=Path)
    given = parser.parse_args()
    train, test = (torch.from_numpy(each) / 255 for each in digits())
    net = load_run(given.run).net

    def code(x: Tensor) -> tuple[Tensor, Tensor]:
        blobs = net.forward_blobs({"data": x.reshape(-1, 1, 8, 8)})
        return blobs["mean"], blobs["log_variance"]

    def scores(z: Tensor) -> Tensor:
        return net.draw(net.decode_relu(net.decode(z)))

    print("netspec ", bound(code, scores, test))
    for seed in range(1, given.seeds + 1):
        other = trained_by_hand(train, seed)
        print("by hand ", bound(other.code, other.scores, test), f"(seed {seed})")
    if given.grid:
        from PIL import Image

        with torch.no_grad():
            drawn = (
                scores(torch.randn(100, CODE, generator=torch.Generator().manual_seed(0))).sigmoid().numpy()
            )
        pixels = (
            np.rint(drawn * 255).astype(np.uint8).reshape(10, 10, 8, 8).transpose(0, 2, 1, 3).reshape(80, 80)
        )
        Image.fromarray(pixels).resize((320, 320), Image.Resampling.NEAREST).save(given.grid)


if __name__ == "__main__":
    main()
