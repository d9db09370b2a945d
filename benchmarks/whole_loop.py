"""The whole loop from files: netspec trains Caffe's cifar10_quick from a folder of PNG pictures, cropped and flipped, beside a by-hand loop
that reads, changes and learns the same with PIL, torch's DataLoader and SGD.

    python benchmarks/whole_loop.py [--steps 100] [--batch 64] [--rounds 4]

Processor time of all threads, of the whole training divided by its steps, since other programs may run; the sides take turns. Both start
anew each round: what a side keeps of pictures that it read lasts no longer than its training. The pictures are drawn.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import by_hand
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from netspec.training.train import train

PER_CLASS = 500
MEAN = torch.tensor([125.3, 123.0, 113.9]).view(3, 1, 1)
TRAIN = """\
train:
  data: {{source: images, path: {path}, batch_size: {batch}}}
  augment: [{{type: Crop, size: 32, pad: 4}}, {{type: Flip}}]
  solver: {{base_lr: 0.001, momentum: 0.9, weight_decay: 0.004, max_iter: {steps}, display: {steps}, random_seed: 1}}
"""


def draw_pictures(folder: Path) -> None:
    """A folder for each of ten classes."""
    draw = np.random.default_rng(0)
    for label in range(10):
        home = folder / f"class{label}"
        home.mkdir(parents=True)
        for number in range(PER_CLASS):
            Image.fromarray(draw.integers(0, 256, (32, 32, 3), np.uint8)).save(home / f"{number}.png")


class Pictures(Dataset[tuple[Tensor, int]]):
    """As one writes it: a file opened, cropped from a border of 4, flipped."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.glob("*/*.png"))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        with Image.open(self.files[i]) as picture:
            x = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).float() - MEAN
        x = torch.nn.functional.pad(x, (4, 4, 4, 4))
        top, left, flip = (int(torch.randint(n, ())) for n in (9, 9, 2))
        x = x[:, top : top + 32, left : left + 32]
        return (x.flip(2) if flip else x), int(self.files[i].parent.name[-1])


def train_by_hand(folder: Path, steps: int, batch: int) -> None:
    net = by_hand.Quick()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9, weight_decay=0.004, fused=True)
    done = 0
    while done < steps:
        for x, label in DataLoader(Pictures(folder), batch, shuffle=True, drop_last=True):
            optimizer.zero_grad(set_to_none=True)
            loss = net(x, label)
            if not np.isfinite(loss.item()):
                raise FloatingPointError(f"the loss is {loss.item()} in step {done}")
            loss.backward()
            optimizer.step()
            done += 1
            if done == steps:
                return


def write_spec(folder: Path, pictures: Path, steps: int, batch: int) -> Path:
    """The zoo's net, trained on the folder."""
    text = (Path(__file__).parents[1] / "specs/imagenet/cifar10-quick.yaml").read_text(encoding="utf-8")
    head = text[: text.index("\ntrain:") + 1]
    spec = folder / "net.yaml"
    spec.write_text(head + TRAIN.format(path=pictures.name, batch=batch, steps=steps), encoding="utf-8")
    return spec


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("steps", 100), ("batch", 64), ("rounds", 4)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        pictures = folder / "pictures"
        draw_pictures(pictures)
        spec = write_spec(folder, pictures, options.steps, options.batch)
        times: tuple[list[float], list[float]] = ([], [])
        for turn in range(options.rounds):
            for side in (0, 1) if turn % 2 else (1, 0):
                begin = time.process_time()
                if side == 0:
                    train_by_hand(pictures, options.steps, options.batch)
                else:
                    train(spec, folder / f"run{turn}", device="cpu")
                times[side].append(1e3 * (time.process_time() - begin) / options.steps)
    hand, ours = map(statistics.median, times)
    ratio = statistics.median(a / b for a, b in zip(*times, strict=True))
    print(f"by hand {hand:.1f} ms a step, netspec {ours:.1f} ms, by hand / netspec {ratio:.2f}")


if __name__ == "__main__":
    main()
