"""Slips in every spec of the zoo: nothing that check says may be a traceback or a bug of netspec (NS901).

python benchmarks/faults_crashes.py --mutants 100000 --workers 4 --write benchmarks/results/faults_crashes.md
"""

import argparse
import random
import sys
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path
from typing import NamedTuple

from faults_slips import SLIPS, slip

from netspec.repair.check import check_source
from netspec.source import Source
from netspec.syntax.paths import zoo_specs


class Outcome(NamedTuple):
    """How many texts by kind of slip, those that check found an error in, and what must not be: a text's traceback or its NS901."""

    made: Counter[str]
    found: Counter[str]
    crashes: list[str]


def tried(path: Path, count: int, seed: int) -> Outcome:
    """Slips in one spec; every fourth text has two."""
    rng = random.Random(f"{path.name} {seed}")
    text = path.read_text(encoding="utf-8")
    outcome = Outcome(Counter(), Counter(), [])
    for i in range(count):
        changed, kind = slip(text, rng)
        if i % 4 == 3:
            changed, _ = slip(changed, rng)
        outcome.made[kind] += 1
        try:
            errors = [d for d in check_source(Source(str(path), changed)) if d.severity == "error"]
        except Exception:
            outcome.crashes.append(f"{path.stem} {kind}:\n{traceback.format_exc()[-1500:]}")
            continue
        outcome.found[kind] += bool(errors)
        outcome.crashes.extend(f"{path.stem} {kind}: {d.message}" for d in errors if d.code == "NS901")
    return outcome


def report(
    args: argparse.Namespace, specs: int, made: Counter[str], found: Counter[str], crashes: list[str]
) -> str:
    """The page: what was measured, on how much, and what came out."""
    rows = "\n".join(
        f"| {kind} | {made[kind]} | {found[kind] / made[kind]:.1%} |" for kind in SLIPS if made[kind]
    )
    return (
        f"# Tracebacks\n\nMeasured {date.today()} by `benchmarks/faults_crashes.py --mutants {args.mutants} --seed {args.seed}`.\n\n"
        f"{made.total()} slips in {specs} specs: {len(crashes)} tracebacks or NS901.\n\n"
        f"| slip | texts | found an error in |\n|---|---|---|\n{rows}\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mutants", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--longest", type=int, default=10**9, help="only specs of at most so many characters")
    parser.add_argument("--write", type=Path)
    args = parser.parse_args()
    paths = [path for _, path in zoo_specs() if path.stat().st_size <= args.longest]
    shares = [args.mutants // len(paths) + (i < args.mutants % len(paths)) for i in range(len(paths))]
    made, found, crashes = Counter[str](), Counter[str](), list[str]()
    with ProcessPoolExecutor(args.workers) as pool:
        for done, outcome in enumerate(pool.map(tried, paths, shares, [args.seed] * len(paths)), 1):
            made += outcome.made
            found += outcome.found
            crashes += outcome.crashes
            if args.write:
                args.write.write_text(report(args, done, made, found, crashes), encoding="utf-8")
    print(report(args, len(paths), made, found, crashes), "\n".join(crashes[:20]))
    return bool(crashes)


if __name__ == "__main__":
    sys.exit(main())
