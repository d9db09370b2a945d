"""Over seeded mutants: `check --fix` makes only safe fixes, is idempotent and never adds an error; reading on places what it adds."""

import random
import sys
from pathlib import Path

import pytest

from netspec import driver
from netspec.diagnostics.model import Diagnostic
from netspec.source import Source
from netspec.syntax.paths import zoo_specs

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from faults_mutants import Seeded  # noqa: E402
from faults_slips import slip  # noqa: E402

SMALL = [path for _, path in zoo_specs() if path.stat().st_size < 2500][::4]
EACH = 14


def mutants(path: Path) -> list[str]:
    """Texts with one change by the rules of the benchmark, and some with two slips."""
    rng = random.Random(path.name)
    texts = [mutant.text for mutant in Seeded(path).mutants(EACH, 7)]
    sound = path.read_text(encoding="utf-8")
    return [*texts, *(slip(slip(sound, rng)[0], rng)[0] for _ in range(EACH // 2))]


def errors(found: list[Diagnostic]) -> set[tuple[str, str]]:
    return {(d.code, d.fact) for d in found if d.severity == "error"}


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_fixing_is_safe_and_idempotent(path: Path) -> None:
    for text in mutants(path):
        source = Source(str(path), text)
        repair = driver.fix_source(source)
        assert all(fix.safe for _, fix in repair.done)
        again = driver.fix_source(repair.source)
        assert again.done == ()
        assert again.source.text == repair.source.text
        if not repair.done:
            assert repair.source.text == text
        elif not any(d.code.startswith("NS0") for d, _ in repair.done):
            before, after = driver.check_source(source), driver.check_source(repair.source)
            assert not {e for e in errors(after) - errors(before) if e[0][2] == "1"}


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_every_place_is_in_the_text_that_was_given(path: Path) -> None:
    for text in mutants(path):
        source = Source(str(path), text)
        for d in driver.check_source(source):
            spans = [s for s in (d.span, *(label.span for label in d.others), *(e.span for f in d.fixes for e in f.edits)) if s is not None]
            for span in spans:
                if span.source.name == source.name:
                    assert span.source.text == text
                    assert 0 <= span.start <= span.end <= len(text)
