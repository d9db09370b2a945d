"""`netspec check` on 2,000 layers that each have a fault of one kind, cold: CPU seconds and peak memory of a process of its own.

Demand: each kind in at most 3 s, all faults reported. Run: python benchmarks/check_wrong.py [--record]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
LAYERS = 2000
DENSE = {"type": "InnerProduct", "num_output": "8", "weight_filler": "{type: xavier}"}
WINDOW = {"type": "Convolution", "bottom": "data", "num_output": "8", "kernel_size": "3"}
KINDS: dict[str, Callable[[int], dict[str, str]]] = {
    "bottoms": lambda i: {**DENSE, "bottom": f"l{i - 1}x" if i else "dta"},
    "keys": lambda i: {"type": "InnerProduct", "bottom": before(i), "num_ouput": "8"},
    "types": lambda i: {**DENSE, "bottom": before(i), "type": "InnerProdct"},
    "types, all different": lambda i: {**DENSE, "bottom": before(i), "type": f"InnerProduct{i}"},
    "windows": lambda i: {**WINDOW, "kernel_size": "50"},
    "groups": lambda i: {**WINDOW, "group": "3"},
    "fillers": lambda i: {**DENSE, "bottom": before(i), "weight_filler": "{type: xavie}"},
    "words": lambda i: {"type": "Pooling", "bottom": "data", "pool": "MAXI", "kernel_size": "2"},
    "one name": lambda i: {**DENSE, "bottom": "data", "name": "same"},
    "values": lambda i: {**DENSE, "bottom": before(i), "num_output": "-3"},
}
MIXED = ("bottoms", "keys", "types", "fillers", "values", "windows", "words", "one name")


def before(i: int) -> str:
    return f"l{i - 1}" if i else "data"


def spec(kind: str) -> str:
    """A layer a line; of many kinds one after another where the kind is "mixed"."""
    rows = []
    for i in range(LAYERS):
        words = {"name": f"l{i}", **KINDS[kind if kind != "mixed" else MIXED[i % len(MIXED)]](i)}
        rows.append(f"  - {{{', '.join(f'{key}: {value}' for key, value in words.items())}}}\n")
    return f"input: {{data: [N, 8, 32, 32]}}\nlayers:\n{''.join(rows)}"


def measure(kind: str) -> tuple[str, float, float, int]:
    """The kind, CPU seconds and peak megabytes of its check, and how many errors it found."""
    with tempfile.TemporaryDirectory() as folder:
        path, told = Path(folder) / "net.yaml", Path(folder) / "told.txt"
        path.write_text(spec(kind), encoding="utf-8")
        with told.open("w") as file:
            process = subprocess.Popen([sys.executable, "-m", "netspec", "check", str(path)], stdout=file)
            _, _, usage = os.wait4(process.pid, 0)
        errors = sum(line.startswith("error[") for line in told.read_text(encoding="utf-8").splitlines())
    unit = 1 if sys.platform == "darwin" else 1024
    return kind, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6, errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="append to benchmarks/results/check_wrong.md")
    record = parser.parse_args().record
    load = os.getloadavg()[0]
    measure("values")  # once in vain: what is compiled stays
    rows = [measure(kind) for kind in (*KINDS, "mixed")]
    lines = [
        f"\n## {date.today()}, load {load:.0f} on {os.cpu_count()} cores\n",
        "| fault | CPU | memory | errors |",
    ]
    lines += [
        "|---|---|---|---|",
        *(f"| {kind} | {cpu:.2f} s | {peak:.0f} MB | {n:,} |" for kind, cpu, peak, n in rows),
    ]
    print("\n".join(lines))
    if record:
        with (HERE / "results" / "check_wrong.md").open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
