"""`netspec check` on ResNet-152, cold, against a peer: the same net built in PyTorch on the meta device and summarised with torchinfo.

CPU seconds and peak memory of child processes, alternating, medians. Aim: at most 1/15 of the peer's CPU, at most 60 MB.
Run: python benchmarks/check.py [--rounds 7] [--record]
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
SPEC = HERE.parent / "specs" / "imagenet" / "resnet-152.yaml"

PEER = """
import torch
from torch import nn
import torchinfo

def conv_bn(i, o, k, s, p, relu=True):
    return nn.Sequential(nn.Conv2d(i, o, k, s, p, bias=False), nn.BatchNorm2d(o), *([nn.ReLU()] if relu else []))

class Unit(nn.Module):
    def __init__(self, i, w, s):
        super().__init__()
        self.body = nn.Sequential(conv_bn(i, w, 1, s, 0), conv_bn(w, w, 3, 1, 1), conv_bn(w, 4 * w, 1, 1, 0, False))
        self.cut = conv_bn(i, 4 * w, 1, s, 0, False) if i != 4 * w else nn.Identity()
        self.out = nn.ReLU()
    def forward(self, x):
        return self.out(self.body(x) + self.cut(x))

with torch.device("meta"):
    layers, i = [conv_bn(3, 64, 7, 2, 3), nn.MaxPool2d(3, 2, ceil_mode=True)], 64
    for w, n, s in ((64, 3, 1), (128, 8, 2), (256, 36, 2), (512, 3, 2)):
        for k in range(n):
            layers.append(Unit(i, w, s if k == 0 else 1))
            i = 4 * w
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000), nn.Softmax(1))
    found = torchinfo.summary(net, input_data=torch.zeros(1, 3, 224, 224), verbose=0, device="meta")
print(found.total_params)
"""


def cost(command: list[str]) -> tuple[float, float, str]:
    """CPU seconds, peak MB and output of one child."""
    probe = (
        "import resource,subprocess,sys; r=subprocess.run(sys.argv[1:],capture_output=True,text=True); "
        "u=resource.getrusage(resource.RUSAGE_CHILDREN); print(u.ru_utime+u.ru_stime, u.ru_maxrss/1024, r.returncode); "
        "print(r.stdout[-200:], r.stderr[-2000:])"
    )
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", probe, *command], capture_output=True, text=True, check=True, env=usual
    )
    seconds, memory, code = done.stdout.split("\n")[0].split()
    if code != "0":
        raise SystemExit(done.stdout)
    return float(seconds), float(memory), done.stdout


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--record", action="store_true", help="append to benchmarks/results/check.md")
    given = options.parse_args()
    ours, peers = [], []
    cost([sys.executable, "-m", "netspec", "check", str(SPEC)])
    for _ in range(given.rounds):
        ours.append(cost([sys.executable, "-m", "netspec", "check", str(SPEC)])[:2])
        peers.append(cost([sys.executable, "-c", PEER])[:2])
    mine, theirs = (
        tuple(statistics.median(column) for column in zip(*rows, strict=True)) for rows in (ours, peers)
    )
    row = (
        f"| {date.today()} | {mine[0] * 1000:.0f} ms | {theirs[0] * 1000:.0f} ms | 1/{theirs[0] / mine[0]:.1f} "
        f"| {mine[1]:.0f} MB | {theirs[1]:.0f} MB "
        f"| {os.cpu_count()} cores, Python {platform.python_version()} |"
    )
    print(row)
    if given.record:
        path = HERE / "results" / "check.md"
        path.parent.mkdir(exist_ok=True)
        head = (
            "# netspec check on ResNet-152, cold: CPU and peak memory against PyTorch + torchinfo\n\n"
            "| date | netspec | peer | ratio | netspec memory | peer memory | on |\n|---|---|---|---|---|---|---|\n"
        )
        path.write_text((path.read_text() if path.exists() else head) + row + "\n")


if __name__ == "__main__":
    main()
