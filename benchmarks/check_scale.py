"""`netspec check` on nets of 1,000, 5,000 and 20,000 layers, cold: CPU seconds and peak memory of a process of its own.

Demand: 20,000 layers in at most 4 s and 500 MB, the cost linear in layers. Run: python benchmarks/check_scale.py [--record]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
COUNTS = (1000, 5000, 20000)
HEAD = "netspec: 1\ninput: {data: [N, 8, 32, 32]}\nlayers:\n"


def spec(layers: int) -> str:
    """Convolutions and rectifiers in turn."""
    pair = "  - {{name: conv{0}, type: Convolution, num_output: 8, kernel_size: 3, pad: 1, weight_filler: msra}}\n"
    pair += "  - {{name: relu{0}, type: ReLU}}\n"
    return HEAD + "".join(pair.format(i) for i in range(layers // 2))


def measure(layers: int) -> tuple[float, float]:
    """CPU seconds and peak megabytes of a check."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.yaml"
        path.write_text(spec(layers), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "netspec", "check", str(path)], stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the check of {layers} layers failed")
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="append to benchmarks/results/check_scale.md")
    record = parser.parse_args().record
    load = os.getloadavg()[0]
    rows = [(count, *measure(count)) for count in COUNTS]
    cells = " | ".join(f"{seconds:.2f} s, {memory:.0f} MB" for _, seconds, memory in rows)
    line = f"| {date.today()} | {cells} | load {load:.0f} on {os.cpu_count()} cores |"
    print(line)
    if record:
        with (HERE / "results" / "check_scale.md").open("a", encoding="utf-8") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    main()
