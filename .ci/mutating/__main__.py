"""The command: makes the map of tests, draws mutants, asks the tests of each, reports.

A mutant is caught where a test that passes without it fails, or takes more than its time. Those of equivalent.toml change nothing that
can be seen and count on neither side.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Container
from dataclasses import asdict
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path
from typing import Any

from mutating import instrument
from mutating.choose import Map, read_map
from mutating.draw import Mutant, mutants_of, sample
from mutating.near import nearest
from mutating.plugins import Chosen, Recorder, map_name
from mutating.warm import Warm
from mutating.workshop import MARGIN, Workshop

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "netspec"
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
WITHOUT = ("tests/architecture", "tests/browser", "tests/hostile")
"""Tests that look at texts of the code, need another machine, or sweep."""
DECLARED = ["tests/architecture/test_generated.py::test_generated_files_are_fresh"]
"""Asked last, and only where what it generates runs the place: what is declared stands in the published schema and in pages, which are
committed. It must run: a mark that leaves it out made every declaration survive."""
FLOOR = 0.95
FILE, TEST, ROW = 90.0, 60.0, 0.01
"""Seconds of processor time, while the map is made, of a test file, of one test, and for each test of a file besides."""
ROWS = 60
"""Tests that the map does not know, rows of the same tables."""
QUIET = ["-q", "-x", "-p", "no:xdist", "-p", "no:cacheprovider", "--no-header", "--tb=short", "-W", "ignore"]


def main() -> int:
    asked = arguments()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # a child's tests end with it, and the copy is as it was
    folder = Path(asked.folder)
    (folder / "map").mkdir(parents=True, exist_ok=True)
    workshop = Workshop(ROOT, folder)
    workshop.prepare()
    os.environ["PYTHONPATH"] = str(workshop.tree)
    tree = workshop.tree
    every = [
        m
        for p in sorted((tree / PACKAGE).rglob("*.py"))
        if matches(p, tree, asked.module)
        for m in mutants_of(p, tree)
    ]
    drawn = sample(every, tree, asked.seed, asked.count)
    print(f"{len(drawn)} of {len(every)} mutants, seed {asked.seed}", flush=True)
    make_map(workshop, folder, test_files(tree, asked, drawn[: asked.only]))
    if asked.map_only:
        return 0
    results = Results(Path(asked.report).absolute() if asked.report else folder / f"report-{asked.seed}.json")
    tests = read_map(folder / "map", tree / PACKAGE)
    if asked.control:
        control(workshop, tests, drawn[: asked.control], asked.seconds)
    judge(workshop, tests, drawn[: asked.only], results, asked)
    return results.tell(drawn, equivalent(), asked)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=".ci/mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="mutants drawn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--module", action="append", help="modules that are changed, netspec/ir/*.py")
    parser.add_argument("--tests", action="append", help="test files of the map, tests/ir/*")
    parser.add_argument(
        "--near",
        type=int,
        help="map only so many test files for each mutant, the closest by their words; who survives is asked again without",
    )
    parser.add_argument("--only", type=int, help="no more than so many of those drawn")
    parser.add_argument(
        "--report", help="results are kept here, and those that are there are not asked again"
    )
    parser.add_argument("--again", action="store_true", help="ask again those that survived")
    parser.add_argument(
        "--seconds", type=float, default=20, help="of tests for one mutant, as they take without it"
    )
    parser.add_argument(
        "--folder",
        default=os.path.join(tempfile.gettempdir(), f"mutants-{os.getuid()}"),
        help="of the copy and the map",
    )
    parser.add_argument("--map-only", action="store_true", help="only make the map of tests")
    parser.add_argument(
        "--control",
        type=int,
        default=0,
        help="first run the tests of so many mutants without them: all must pass",
    )
    return parser.parse_args()


def matches(path: Path, root: Path, patterns: list[str] | None) -> bool:
    return not patterns or any(fnmatch(path.relative_to(root).as_posix(), p) for p in patterns)


# --- the map of tests ------------------------------------------------------------------------------------------------


def test_files(tree: Path, asked: argparse.Namespace, drawn: list[Mutant]) -> list[str]:
    """Those that belong on the map."""
    names = [p.relative_to(tree).as_posix() for p in sorted((tree / "tests").rglob("test_*.py"))]
    declared = [name.partition("::")[0] for name in DECLARED]
    names = [n for n in names if n in declared or not n.startswith(WITHOUT)]
    if asked.near:
        near = nearest(drawn, {n: (tree / n).read_text(encoding="utf-8") for n in names}, asked.near)
        names = [n for n in names if n in near or n in declared]
    return [n for n in names if matches(tree / n, tree, asked.tests)]


def hash_of(path: Path) -> str:
    """Of a test file and the pages beside it, which may be tests themselves."""
    beside = sorted(path.parent.glob("*.md"))
    return sha256(b"".join(each.read_bytes() for each in (path, *beside))).hexdigest()


def make_map(workshop: Workshop, folder: Path, asked: list[str]) -> None:
    """Run each test file once, noting what it runs; files that have not changed since the last time are known."""
    hook = folder / "hook"
    hook.mkdir(exist_ok=True)
    (hook / "sitecustomize.py").write_text(
        f"import sys\nsys.path.append({str(ROOT / '.ci')!r})\nfrom mutating.instrument import at_start\nat_start()\n"
    )
    code = folder / "hits" / "code"
    code.mkdir(parents=True, exist_ok=True)
    for old in code.iterdir():
        old.unlink()
    known_file = folder / "map" / "known"
    known: dict[str, str] = json.loads(known_file.read_text()) if known_file.exists() else {}
    variables = {"PYTHONPATH": f"{hook}:{workshop.tree}", instrument.FOLDER: str(folder / "hits")}
    variables[instrument.FOLDER + "_ROOT"] = str(workshop.tree)
    texts = {n: hash_of(workshop.tree / n) for n in asked}
    stand = {
        map_name(p.relative_to(workshop.tree).as_posix())
        for p in (workshop.tree / "tests").rglob("test_*.py")
    }
    for gone in {p.name for p in folder.glob("map/*.json")} - stand:
        (folder / "map" / gone).unlink()
    while new := [
        n for n in asked if known.get(n) != texts[n] or not (folder / "map" / map_name(n)).exists()
    ]:
        together = [n for n in new if os.path.dirname(n) == os.path.dirname(new[0])]
        begun = time.time()

        def work(names: list[str] = together) -> int:
            import pytest

            instrument.install(workshop.tree)
            options = [*(o for o in QUIET if o != "-x"), "--continue-on-collection-errors"]
            return int(
                pytest.main(
                    [*names, *options, f"--basetemp={folder / 'scratch'}"],
                    plugins=[Recorder(folder / "map", FILE, TEST, ROW)],
                )
            )

        for name in together:
            (folder / "map" / map_name(name)).unlink(missing_ok=True)
        status = workshop.forked(work, 5 * FILE * len(together) + MARGIN, variables)
        made = [n for n in together if (folder / "map" / map_name(n)).exists()]
        for name in made or together[:1]:  # one at least, lest what kills the process be tried for ever
            (folder / "map" / map_name(name)).touch()
            known[name] = texts[name]
        known_file.write_text(json.dumps(known))
        print(
            f"map: {os.path.dirname(new[0])}: {len(made)} of {len(together)} files, {time.time() - begun:.0f} s, status {status}",
            flush=True,
        )


# --- asking ----------------------------------------------------------------------------------------------------------


def judge(
    workshop: Workshop, tests: Map, drawn: list[Mutant], results: "Results", asked: argparse.Namespace
) -> None:
    same = equivalent()
    if asked.again:
        results.forget("survived")
    asked_warm(
        workshop, tests, [m for m in drawn if not excused(m, same) and not results.of(m)], results, asked
    )
    for i, mutant in enumerate(drawn):
        if excused(mutant, same) or results.of(mutant):
            continue
        text = (workshop.tree / mutant.module).read_text(encoding="utf-8")
        begun = time.monotonic()
        while True:
            with workshop.changed(mutant.module, mutant.put_in(text)):
                verdict, by = asked_of(workshop, tests, mutant, text, asked.seconds)
            if verdict != "caught" or not stands_alone(workshop, tests, by, asked.seconds):
                break
            tests.names.add(by)  # fails without it, too: the others are asked without this one
        results.add(mutant, verdict, by, time.monotonic() - begun)
        tell_verdict(f"{i + 1}/{len(drawn)}", mutant, verdict, by)


def tell_verdict(count: str, mutant: Mutant, verdict: str, by: str) -> None:
    print(f"{count} {verdict} {mutant.module}:{mutant.line} {mutant.after[:90]!r} {by}", flush=True)


def asked_warm(
    workshop: Workshop, tests: Map, mutants: list[Mutant], results: "Results", asked: argparse.Namespace
) -> None:
    """Ask what can be asked in one process, at a tenth of the cost: what that cannot answer is left to others."""
    out = os.dup(1)

    def ask(warm: Warm) -> None:
        for i, mutant in enumerate(mutants):
            text = (workshop.tree / mutant.module).read_text(encoding="utf-8")
            if not warm.may_ask(mutant, text):
                continue
            names = list(
                dict.fromkeys(n for names in tests.rounds(mutant, text, asked.seconds) for n in names)
            )
            begun = time.monotonic()
            by, ran = warm.caught_by(mutant, text, names, asked.seconds)
            if by is None and (not ran or tests.may_notice(DECLARED, mutant, text)):
                continue
            verdict = "survived" if by is None else "caught"
            results.add(mutant, verdict, by or f"{ran} tests", time.monotonic() - begun)
            os.write(
                out, f"{i + 1}/{len(mutants)} {verdict} {mutant.module}:{mutant.line} {by or ran}\n".encode()
            )

    def work() -> int:
        import pytest

        instrument.install(workshop.tree)
        options = [*(o for o in QUIET if o != "-x"), "--continue-on-collection-errors"]
        ignored = [f"--ignore={folder}" for folder in WITHOUT]
        scratch = f"--basetemp={workshop.folder / 'scratch'}"
        return int(
            pytest.main(["tests", *ignored, *options, scratch], plugins=[Warm(workshop, PACKAGE, ask)])
        )

    variables = {"PYTHONPATH": str(workshop.tree), instrument.FOLDER: str(workshop.folder / "hits")}
    if mutants:
        workshop.forked(work, len(mutants) * (asked.seconds + MARGIN), variables)
        results.read()


def asked_of(workshop: Workshop, tests: Map, mutant: Mutant, text: str, seconds: float) -> tuple[str, str]:
    """caught or survived, and which test caught it, or how many did not."""
    rounds = tests.rounds(mutant, text, seconds)
    if tests.may_notice(DECLARED, mutant, text):
        rounds.append(DECLARED)
    count = 0
    for i, names in enumerate(rounds):
        status, failed, ran = run_tests(workshop, names, seconds, tests.names, ROWS if i else 0)
        count += ran
        if status is None:
            return "caught", "time"
        if names == DECLARED and not ran:
            sys.exit(f"{names[0]} did not run: {workshop.log.read_text()[-500:]}")
        if failed or status not in (0, 5):
            return "caught", failed or f"status {status}"
    return "survived", f"{count} tests"


def stands_alone(workshop: Workshop, tests: Map, failed: str, seconds: float) -> bool:
    """Whether a test that the map does not know fails without the mutant, too: it says nothing."""
    if failed in tests.names or "::" not in failed or failed in DECLARED:
        return False
    status, _, _ = run_tests(workshop, [failed], seconds, tests.names, 0)
    return status != 0


def run_tests(
    workshop: Workshop, names: list[str], seconds: float, known: Container[str], more: int
) -> tuple[int | None, str, int]:
    """Exit status, the first test that failed, how many ran."""
    said = workshop.folder / "said.json"
    said.unlink(missing_ok=True)

    def work() -> int:
        import pytest

        sys.dont_write_bytecode = False
        chosen = Chosen(names, known, more)
        slow = ["-m", "slow"] if names == DECLARED else []  # a step of its own in .ci/run: left out otherwise
        files = list(dict.fromkeys(name.partition("::")[0] for name in names))
        status = int(
            pytest.main(
                [*files, *QUIET, *slow, f"--basetemp={workshop.folder / 'scratch'}"], plugins=[chosen]
            )
        )
        said.write_text(json.dumps([chosen.failed, chosen.count]))
        return status

    status = workshop.forked(work, seconds + MARGIN, {"PYTHONPATH": str(workshop.tree)})
    failed, ran = json.loads(said.read_text()) if said.exists() else ("", 0)
    return status, failed, ran


def control(workshop: Workshop, tests: Map, drawn: list[Mutant], seconds: float) -> None:
    """The tests of some mutants without them: a test that fails here would catch everything."""
    for mutant in drawn:
        text = (workshop.tree / mutant.module).read_text(encoding="utf-8")
        verdict, by = asked_of(workshop, tests, mutant, text, seconds)
        print(f"control: {mutant.module}:{mutant.line} {verdict} {by}", flush=True)


# --- what came of it -------------------------------------------------------------------------------------------------


def equivalent() -> dict[tuple[Any, ...], str]:
    """The mutants that change nothing that can be seen, with the reason; without `after` every number of a line; an allowance is a
    module's constants by their names, whatever their numbers."""
    listed = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))
    found = {
        (
            e["module"],
            e["function"],
            e["before"],
            *((e["after"], e.get("nth", 0)) if "after" in e else ()),
        ): e["reason"]
        for e in listed.get("equivalent", [])
    }
    named = ((e, names) for e in listed.get("allowance", []) for names in e["constants"])
    return found | {(e["module"], "", f"{names} ="): e["reason"] for e, names in named}


def excused(mutant: Mutant, same: Container[tuple[Any, ...]]) -> bool:
    if mutant.key in same:
        return True
    number = mutant.old.replace("_", "").replace(".", "").isdigit()
    names = mutant.before.partition("=")[0].rstrip()
    return number and (mutant.key[:3] in same or (*mutant.key[:2], f"{names} =") in same)


class Results:
    """The verdicts so far, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.read()

    def read(self) -> None:
        listed = json.loads(self.path.read_text()) if self.path.exists() else []
        self.found = {tuple(each["key"]): each for each in listed}

    def forget(self, verdict: str) -> None:
        """Have those of a verdict asked again: by the file, too, which is read anew on the way."""
        self.found = {key: each for key, each in self.found.items() if each["verdict"] != verdict}
        self.write()

    def of(self, mutant: Mutant) -> dict[str, Any] | None:
        return self.found.get(mutant.key)

    def add(self, mutant: Mutant, verdict: str, by: str, seconds: float) -> None:
        more = {k: v for k, v in asdict(mutant).items() if k in ("line", "old", "new")}
        self.found[mutant.key] = {
            "key": mutant.key,
            **more,
            "verdict": verdict,
            "by": by,
            "seconds": round(seconds, 1),
        }
        self.write()

    def write(self) -> None:
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps(list(self.found.values()), indent=1))
        draft.rename(self.path)

    def tell(self, drawn: list[Mutant], same: dict[tuple[Any, ...], str], asked: argparse.Namespace) -> int:
        """The survivors, and the share that was caught; 1 where it is below the floor."""
        here = [m for m in drawn if not excused(m, same)]
        judged = [(m, r) for m in here if (r := self.of(m))]
        survivors = [(m, r) for m, r in judged if r["verdict"] == "survived"]
        for m, r in survivors:
            print(
                f"survived: {m.module}:{m.line} in {m.function or 'the module'}, after {r['by']}\n  - {m.before}\n  + {m.after}"
            )
        caught = len(judged) - len(survivors)
        share = caught / (len(judged) or 1)
        left = len(here) - len(judged)
        print(f"{len(drawn)} drawn, {len(drawn) - len(here)} equivalent, {caught} caught, {len(survivors)} survived: {share:.1%} caught"
              + (f", {left} not asked" if left else ""))  # fmt: skip
        gone = [key for key in same if not stands(key)]
        for key in gone:
            print(f"equivalent.toml: {key[0]} has no such line any more: {key[2]}")
        return 0 if share >= FLOOR and not left and not gone else 1


def stands(key: tuple[Any, ...]) -> bool:
    path = ROOT / key[0]
    return path.exists() and any(excused(m, {key}) for m in mutants_of(path, ROOT))


if __name__ == "__main__":
    sys.exit(main())
