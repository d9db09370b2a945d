"""Seeded faults: one change in a sound spec at a time, those that an independent rule proves illegal, and what `check` says of them.

    python benchmarks/faults.py --each 200 --workers 4 --write benchmarks/results/faults.md

Independent rules: see faults_rules.py. Legal mutants whose expected shapes differ, as torch finds them, must fail that expectation.
"""

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from faults_mutants import KINDS, Mutant, Seeded
from faults_rules import Net, Shapes, names_are_wrong, schema_takes

from netspec.diagnostics.model import Diagnostic, SpecError
from netspec.diagnostics.words import remarks
from netspec.repair.check import check_source
from netspec.repair.edits import apply_edits
from netspec.source import Source, Span
from netspec.syntax.located import Located
from netspec.syntax.paths import zoo_specs

TARGETS = dict.fromkeys(KINDS[:5], (0.98, 0.0)) | {"wiring": (0.80, 0.95), "size": (0.80, 0.95)}
"""The shares that must have the primary span on the changed line, and the primary or a secondary one."""
ROWS = (*KINDS[:5], "wiring, by names", "wiring, by sizes", "size, by schema", "size, by torch")
LAX = ("wiring", "size")


class Verdict(NamedTuple):
    """What check said of an illegal mutant."""

    reported: bool
    primary: bool
    secondary: bool
    fixes: int
    clean: int
    crashed: bool


class Expected(NamedTuple):
    """What check said of a mutant that torch's walk takes and that breaks an expected shape.

    refused: illegal by what the walk does not look at (labels, fillers, scalars); else whether the expectation failed, and named the first
    expected blob that differs, and the first layer of the net that does.
    """

    refused: bool
    reported: bool
    first: bool
    layer: bool


class Tally(NamedTuple):
    """Of one spec: verdicts by row, those on expectations, an account of what fell short, and the number of mutants made."""

    rows: dict[str, list[Verdict]]
    expected: list[Expected]
    short: list[str]
    made: int


class Bench:
    """One spec, its mutants, and the rules."""

    def __init__(self, path: Path, bare: bool = False) -> None:
        self.seeded = Seeded(path, bare)
        self.name = str(path)
        try:
            self.net: Net | None = Net(path)
        except SpecError:
            self.net = None
        self.sound = (self.net.shapes(self.seeded.text, self.name) if self.net else None) or {}
        section = self.seeded.tree.get("expect") or Located({})
        self.covered = [name for name in (section.get("shapes") or Located({})).mapping if name in self.sound]

    def row(self, mutant: Mutant) -> str | None:
        """The row of an illegal mutant, None for one that no rule proves illegal."""
        if mutant.kind in KINDS[:4]:
            return None if schema_takes(mutant.text) else mutant.kind
        if mutant.kind == "size" and not schema_takes(mutant.text):
            return "size, by schema"
        if mutant.kind in ("name", "wiring") and names_are_wrong(mutant.text):
            return "name" if mutant.kind == "name" else "wiring, by names"
        if mutant.kind in LAX and self.net is not None and self.net.illegal(mutant.text, self.name):
            return f"{mutant.kind}, by {'torch' if mutant.kind == 'size' else 'sizes'}"
        return None

    def judged(self, mutant: Mutant) -> Verdict:
        source = Source(self.name, mutant.text)
        try:
            found = check_source(source)
        except Exception:
            return Verdict(False, False, False, 0, 0, True)
        errors = [d for d in found if d.severity == "error"]
        crashed = any(d.code == "NS901" for d in errors)
        primary = any(d.span is not None and covers(d.span, mutant.line) for d in errors)
        secondary = primary or any(covers(label.span, mutant.line) for d in errors for label in d.others)
        offered = [
            text
            for d in errors
            for fix in d.fixes
            if fix.edits and (text := apply_edits(source, fix.edits)) is not None
        ]
        clean = sum(fewer(errors, check_source(text)) for text in offered)
        return Verdict(bool(errors) and not crashed, primary, secondary, len(offered), clean, crashed)

    def expectation(self, mutant: Mutant) -> Expected | None:
        """What is said of a legal mutant; None where no expected shape differs, as far as torch can tell."""
        if not self.covered or self.net is None or mutant.kind not in LAX:
            return None
        shapes = self.net.shapes(mutant.text, self.name)
        if shapes is None or not self.differing(shapes, self.covered):
            return None
        first = next(name for name in shapes if name in self.covered and self.differing(shapes, [name]))
        layer = next(name for name in shapes if self.differing(shapes, [name]))
        every = check_source(Source(self.name, mutant.text))
        found = [d for d in every if d.code == "NS324"]
        said = [
            " ".join(
                [d.fact, d.label, *remarks(d), *(f"{label.text} {label.span.text}" for label in d.others)]
            )
            for d in found
        ]
        refused = not found and any(d.severity == "error" and not d.code.startswith("NS32") for d in every)
        return Expected(
            refused, bool(found), any(first in text for text in said), any(layer in text for text in said)
        )

    def differing(self, shapes: Shapes, names: list[str]) -> bool:
        return any(name in shapes and shapes[name] != self.sound.get(name, shapes[name]) for name in names)


def fewer(errors: list[Diagnostic], found: list[Diagnostic]) -> bool:
    """Whether what is found with a fix made is less than before: nothing, or a part of the errors that stood beside the one it is for."""
    left = Counter((d.code, d.fact) for d in found if d.severity == "error")
    return sum(left.values()) < len(errors) and not left - Counter((d.code, d.fact) for d in errors)


def covers(span: Span, line: int) -> bool:
    return bool(span.begin[0] <= line <= span.finish[0])


def measured(path: Path, each: int, seed: int = 1, kinds: tuple[str, ...] = (), bare: bool = False) -> Tally:
    """Everything of one spec; `kinds` limits it to mutants of these, `bare` takes the spec without its `expect:`."""
    bench, tally, made = Bench(path, bare), Tally({row: [] for row in ROWS}, [], [], 0), 0
    for mutant in bench.seeded.mutants(each, seed):
        if kinds and mutant.kind not in kinds:
            continue
        made += 1
        line = f"{path.stem}:{mutant.line} {Source('', mutant.text).line(mutant.line).strip()[:110]}"
        row = bench.row(mutant)
        if row is None:
            said = bench.expectation(mutant)
            tally.expected.extend([said] if said is not None else [])
            if said is not None and not said.refused and not all(said[1:]):
                tally.short.append(f"expect {tuple(map(int, said))} {line}")
            continue
        verdict = bench.judged(mutant)
        tally.rows[row].append(verdict)
        if not (verdict.reported and verdict.primary and verdict.clean == verdict.fixes):
            tally.short.append(f"{row} {tuple(map(int, verdict))} {line}")
    return tally._replace(made=made)


def table(found: dict[str, list[Verdict]]) -> str:
    """A row per kind, and one for each kind of two rows together."""
    lines = [
        "| fault | illegal | reported | primary on the line | or secondary | fixes | of them clean | tracebacks |",
        "|" + "---|" * 8,
    ]
    rows = {
        **found,
        **{kind: [v for row, vs in found.items() if row.startswith(kind) for v in vs] for kind in LAX},
    }
    for kind, vs in rows.items():
        if vs:
            share = [
                f"{sum(getattr(v, what) for v in vs) / len(vs):.1%}"
                for what in ("reported", "primary", "secondary")
            ]
            counts = [str(sum(getattr(v, what) for v in vs)) for what in ("fixes", "clean", "crashed")]
            lines.append(
                f"| {' | '.join([kind + (', all' if kind in LAX else ''), str(len(vs)), *share, *counts])} |"
            )
    return "\n".join(lines)


def expectations(found: list[Expected]) -> str:
    """What became of legal mutants that break an expected shape."""
    if not found:
        return ""
    legal = [e for e in found if not e.refused]
    share = {
        what: f"{sum(getattr(e, what) for e in legal) / max(len(legal), 1):.1%}" for what in Expected._fields
    }
    return (
        f"{len(found)} further mutants are nets that torch's walk takes and whose expected shapes differ. "
        f"{len(found) - len(legal)} are refused for what the walk does not look at (labels, fillers, losses). "
        f"Of the {len(legal)} legal ones {share['reported']} fail that expectation (NS324), {share['first']} with the first expected blob "
        f"that differs named, {share['layer']} with the first layer of the net that differs.\n"
    )


def report(
    args: argparse.Namespace, made: int, specs: int, rows: dict[str, list[Verdict]], expected: list[Expected]
) -> str:
    """The page: what was measured, on how much, and what came out."""
    illegal: Any = sum(map(len, rows.values()))
    return (
        f"# Seeded faults\n\nMeasured {date.today()} by "
        f"`benchmarks/faults.py --each {args.each} --seed {args.seed}{' --bare' * args.bare}`.\n\n"
        f"{made} mutants of {specs} specs, {illegal} of them illegal by an independent rule.\n\n{table(rows)}\n\n{expectations(expected)}"
    )


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--each", type=int, default=200, help="mutants per spec")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="*", default=(), choices=KINDS)
    parser.add_argument("--bare", action="store_true", help="specs without their expect section")
    parser.add_argument("--only", default="", help="specs whose name holds this")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--short", type=int, default=40, help="how many that fell short to list")
    args = parser.parse_args()
    paths = [path for _, path in zoo_specs() if args.only in path.stem]
    rows: dict[str, list[Verdict]] = {row: [] for row in ROWS}
    expected: list[Expected] = []
    short: list[str] = []
    made = 0
    with ProcessPoolExecutor(args.workers) as pool:
        for done, tally in enumerate(
            pool.map(
                measured,
                paths,
                *([each] * len(paths) for each in (args.each, args.seed, tuple(args.kinds), args.bare)),
            ),
            1,
        ):
            made += tally.made
            short += tally.short
            expected += tally.expected
            for row, verdicts in tally.rows.items():
                rows[row] += verdicts
            if args.write:
                args.write.write_text(report(args, made, done, rows, expected), encoding="utf-8")
    print(report(args, made, len(paths), rows, expected))
    print("\n".join(short[: args.short]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
