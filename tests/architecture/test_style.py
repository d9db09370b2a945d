"""Names and air: functions are verbs, lines are short, conditional expressions are few. The bounds may only fall, that on reasons only rise."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from tests.architecture.modules import FILES, ROOT, text, walk

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

VERBS_IN_ED = {"embed", "exceed", "feed", "need", "read", "seed", "shed", "speed"}
WORDS = """
begun bound built chosen done drawn driven fallen fed found frozen given gone grown held hidden kept known led left lost
made met paid risen said seen sent shown sold spelt spoken spent stood sung taken thrown told torn understood
woken won worn wound woven written
"""
IRREGULAR = frozenset(WORDS.split())
"""Participles that do not end in -ed; those that are a verb's first form, too (cut, put, read, set, split, spread), are no fault."""

ALLOWED = {"kept", "sorted", "frozen", "failed"}
"""`Layer.kept` and `Diagnostics.sorted` are words of the interface; `frozen` is what the field calls such a class decorator."""
MOST_PARTICIPLES = 0.01
MOST_LONG_LINES = 0.03
MOST_NESTED = 0
MOST_CONDITIONAL = 0.02
LEAST_REASONS = 0.016
COMMENT = re.compile(r"^ *# |[^ ]  # (?!type:|noqa|fmt:|pragma)")


def is_participle(name: str) -> bool:
    first = name.strip("_").partition("_")[0]
    return first in IRREGULAR or (first.endswith("ed") and first not in VERBS_IN_ED)


def functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Functions and methods, but for those that Python names."""
    for path in FILES:
        for node in walk(path):
            if isinstance(node, FUNCTIONS) and not node.name.startswith("__"):
                yield path, node


def is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in node.decorator_list)


def test_participles_are_told() -> None:
    assert [
        name for name in ("tried", "_made", "said_of", "settled", "bound") if not is_participle(name)
    ] == []
    assert [name for name in ("try_fix", "read", "feed_net", "split", "need") if is_participle(name)] == []


def test_functions_are_verbs() -> None:
    every = list(functions())
    found = sorted(
        {
            f"{path.relative_to(ROOT)} {node.name}"
            for path, node in every
            if is_participle(node.name) and node.name not in ALLOWED and not is_property(node)
        }
    )
    assert len(found) / len(every) < MOST_PARTICIPLES, found


def test_lines_are_short() -> None:
    lines = [line for path in FILES for line in text(path).splitlines()]
    assert sum(len(line) > 100 for line in lines) / len(lines) < MOST_LONG_LINES


def test_conditional_expressions_are_few_and_stand_alone() -> None:
    total, nested, lines = 0, [], 0
    for path in FILES:
        lines += text(path).count("\n")
        for node in walk(path):
            if isinstance(node, ast.IfExp):
                total += 1
                if any(isinstance(inner, ast.IfExp) for inner in ast.walk(node) if inner is not node):
                    nested.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert total / lines < MOST_CONDITIONAL
    assert len(nested) <= MOST_NESTED, nested


def texts_below_constants(path: Path) -> Iterator[ast.Expr]:
    for node in walk(path):
        body = getattr(node, "body", None)
        for first, second in pairwise(body) if isinstance(body, list) else ():
            if isinstance(first, (ast.Assign, ast.AnnAssign)) and is_text(second):
                yield second


def is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def test_reasons_stand_where_numbers_and_branches_are_judgements() -> None:
    """Comments and the texts below constants, of all lines: this bound may only rise."""
    lines = [line for path in FILES for line in text(path).splitlines()]
    comments = sum(COMMENT.search(line) is not None for line in lines)
    below = sum(
        (each.end_lineno or each.lineno) - each.lineno + 1
        for path in FILES
        for each in texts_below_constants(path)
    )
    assert (comments + below) / len(lines) > LEAST_REASONS


def test_names_of_test_files_are_told_apart() -> None:
    """Folders of tests are no packages: of two files of one name, pytest may refuse to import the second."""
    names = Counter(path.name for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert len(names) > 100
    assert [name for name, count in names.items() if count > 1] == []
