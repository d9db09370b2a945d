"""What views of a run cost beyond torch's own import: processor time of `netspec see VIEW RUN`, each in a process forked after that import.

    python benchmarks/view_cost.py RUN [--rounds 3]

Aim, of the digits' run: filters, maps, net, confusion and mistakes in 3 s together. Beside it the graph of 1,000 layers, from the start of
Python, in 1 s.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

VIEWS = ("filters", "maps", "net", "confusion", "mistakes")
LAYERS = 1000
CHILD = """
import json, os, resource, sys
begun = resource.getrusage(resource.RUSAGE_SELF)
import torch
ended = resource.getrusage(resource.RUSAGE_SELF)
found = {"torch": ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime}
for view in sys.argv[3:]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = os.fork()
    if not child:
        from netspec.cli import main
        sys.argv = ["netspec", "see", view, sys.argv[1], "-o", f"{sys.argv[2]}/{view}.html"]
        try:
            main()
        except SystemExit as stop:
            with open(f"{sys.argv[-1]}.json", "w") as file:
                json.dump([stop.code, sorted(sys.modules)], file)
        os._exit(0)
    os.waitpid(child, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found[view] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps(found))
"""


def measure_views(run: Path, folder: Path) -> dict[str, float]:
    """Seconds of processor time of torch's import and of each view, which lies in the folder then, beside it its exit code and the
    modules that it loaded, as JSON.
    """
    words = [sys.executable, "-c", CHILD, str(run), str(folder), *VIEWS]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=300)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure_graph(folder: Path) -> float:
    """Seconds of processor time of the graph of a chain of layers, the start of Python included."""
    rows = "".join(f"  - {{name: r{i}, type: ReLU}}\n" for i in range(LAYERS))
    (folder / "long.yaml").write_text(f"input: {{data: [N, 8]}}\nlayers:\n{rows}")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = ["see", "net", str(folder / "long.yaml"), "-o", str(folder / "long.html")]
    subprocess.run([sys.executable, "-m", "netspec", *words], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given: Any = parser.parse_args()
    rows: list[dict[str, float]] = []
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as folder:
            rows.append({**measure_views(given.run, Path(folder)), "graph": measure_graph(Path(folder))})
    for name in rows[0]:
        print(f"{name:10s} {statistics.median(row[name] for row in rows):6.2f} s")
    print(
        f"{'together':10s} {statistics.median(sum(row[view] for view in VIEWS) for row in rows):6.2f} s, the views"
    )


if __name__ == "__main__":
    main()
