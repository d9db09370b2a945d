"""Over seeded mutants: `check --fix` makes only safe fixes, is idempotent and never adds an error; reading on places what it adds."""

import random
import sys
from pathlib import Path

import pytest

from netspec.diagnostics.model import Diagnostic, Edit, Fix
from netspec.repair.autofix import keep_helpful_fixes
from netspec.repair.check import check_source, fix_source
from netspec.source import Source, Span
from netspec.syntax.paths import zoo_specs

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from faults_mutants import Seeded  # noqa: E402
from faults_slips import slip  # noqa: E402

SMALL = [path for _, path in zoo_specs() if path.stat().st_size < 2500][::4]
EACH = 14
DEEP = {"resnet-152": 3, "resnet-50": 4, "mobilenet-v1": 4, "lenet-5-mnist": 3}
"""Nets whose texts are short and whose graphs are not: so few of each by default, all under the marker slow."""


def mutants(path: Path, count: int) -> list[str]:
    """Texts with one change by the rules of the benchmark, and some with two slips."""
    rng = random.Random(path.name)
    texts = [mutant.text for mutant in Seeded(path).mutants(count, 7)]
    sound = path.read_text(encoding="utf-8")
    return [*texts, *(slip(slip(sound, rng)[0], rng)[0] for _ in range(max(count // 2, 2)))]


def errors(found: list[Diagnostic]) -> set[tuple[str, str]]:
    return {(d.code, d.fact) for d in found if d.severity == "error"}


@pytest.mark.parametrize("part", [0, 1, *(pytest.param(part, marks=pytest.mark.slow) for part in (2, 3))])
def test_mutants_are_mended_safely_and_their_findings_have_places(part: int) -> None:
    mended = sum(held(path, DEEP.get(path.stem, EACH // 4)) for path in SMALL[part::4])
    assert mended >= 3


@pytest.mark.slow
@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_so_is_every_mutant(path: Path) -> None:
    held(path, EACH)


def held(path: Path, count: int) -> int:
    """How many of a net's mutants were mended."""
    mended = 0
    for text in mutants(path, count):
        source = Source(str(path), text)
        found = check_source(source)
        places_are_in_the_text(source, found)
        mended += fixing_is_safe_and_idempotent(source, found)
    return mended


def fixing_is_safe_and_idempotent(source: Source, found: list[Diagnostic]) -> bool:
    """Whether anything was mended."""
    repair = fix_source(source)
    assert all(fix.safe for _, fix in repair.done)
    if not repair.done:
        assert repair.source.text == source.text
        return False
    again = fix_source(repair.source)
    assert again.done == ()
    assert again.source.text == repair.source.text
    if not any(d.code.startswith("NS0") for d, _ in repair.done):
        assert not {e for e in errors(check_source(repair.source)) - errors(found) if e[0][2] == "1"}
    return True


def places_are_in_the_text(source: Source, found: list[Diagnostic]) -> None:
    for d in found:
        spans = [
            s
            for s in (
                d.span,
                *(label.span for label in d.others),
                *(e.span for f in d.fixes for e in f.edits),
            )
            if s is not None
        ]
        for span in spans:
            if span.source.name == source.name:
                assert span.source.text == source.text
                assert 0 <= span.start <= span.end <= len(source.text)


def test_each_fix_is_judged_by_itself() -> None:
    """One that helps keeps its edit, one that makes the same fault of another word is not offered, words alone stay."""
    written = {"a": "A", "b": "c", "d": "D", "e": ""}

    def check(source: Source) -> list[Diagnostic]:
        found = []
        for at, word in enumerate(source.text):
            if word.islower():
                span, new = Span(source, at, at + 1), written.get(word, "")
                fix = Fix(f"write {new or 'another'}", (Edit(span, new),) if new else ())
                found.append(Diagnostic("NS102", f"{word} is small", span, fixes=(fix,)))
        return found

    source = Source("s.yaml", "a b d e")
    told = keep_helpful_fixes(check(source), source, check)
    assert [[fix.text for fix in d.fixes] for d in told] == [["write A"], [], ["write D"], ["write another"]]
    assert [bool(fix.edits) for d in told for fix in d.fixes] == [True, True, False]
