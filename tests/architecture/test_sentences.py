"""Nobody reads a sentence: passes ask a finding for values (code, phase, about, evidence, the kind of a label), never for its words."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture import modules

SENTENCES = {"fact", "label", "message", "help", "because", "title"}
LISTS = {"notes", "rule"}
"""Fields that hold several sentences."""
PARTS = {"others", "fixes", "changes"}
"""Fields that hold things whose `text` is a sentence."""
METHODS = {
    *(
        "startswith",
        "endswith",
        "split",
        "rsplit",
        "partition",
        "rpartition",
        "removeprefix",
        "removesuffix",
        "splitlines",
        "replace",
    ),
    *("find", "rfind", "index", "rindex", "count", "lower", "upper", "casefold", "strip", "rstrip", "lstrip"),
}
PATTERNS = {"match", "fullmatch", "search", "findall", "finditer", "sub", "subn"}
LAYOUT = {"diagnostics/render.py", "diagnostics/formats.py", "diagnostics/words.py", "diagnostics/snippet.py"}
"""Where sentences are made and laid out."""
ALLOWED = {
    "diagnostics/model.py identity": "whole facts tell findings apart that nothing else does",
    "diagnostics/codes.py number_of": "the numbering of codes, said once",
}
FIELD_OF_LABELS = ("training/", "data/", "seeing/")
"""There a source's `label` is the name of a field of its data."""


class Reader(ast.NodeVisitor):
    """Finds where one function, or a module's own lines, looks into words. `words`: local names that hold some."""

    def __init__(self, known: frozenset[str]) -> None:
        self.known = known
        self.words: set[str] = set()
        self.parts: set[str] = set()
        self.found: list[ast.AST] = []

    def is_words(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Attribute):
            return node.attr in self.known or (node.attr == "text" and self.is_part(node.value))
        if isinstance(node, ast.Subscript):
            return self.is_list(node.value)
        if isinstance(node, ast.BoolOp):
            return any(map(self.is_words, node.values))
        return isinstance(node, ast.Name) and node.id in self.words

    def is_list(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and node.attr in LISTS

    def is_part(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Subscript):
            return isinstance(node.value, ast.Attribute) and node.value.attr in PARTS
        return isinstance(node, ast.Name) and node.id in self.parts

    def learn(self, target: ast.AST, value: ast.AST) -> None:
        """Names that go through the sentences of a list, or through labels and fixes."""
        whole = value.value if isinstance(value, ast.Subscript) else value
        if isinstance(target, ast.Name) and isinstance(whole, ast.Attribute):
            if whole.attr in LISTS:
                self.words.add(target.id)
            elif whole.attr in PARTS:
                self.parts.add(target.id)

    def read(self, tree: ast.AST) -> list[ast.AST]:
        for node in ast.walk(tree):
            if isinstance(node, (ast.For, ast.comprehension)):
                self.learn(node.target, node.iter)
            if isinstance(node, ast.Assign) and self.is_words(node.value):
                self.words |= {target.id for target in node.targets if isinstance(target, ast.Name)}
            if isinstance(node, ast.NamedExpr) and self.is_words(node.value):
                self.words.add(node.target.id)
        return [node for node in ast.walk(tree) if self.reads(node)]

    def reads(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Compare):
            if all(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops):
                return False
            each = [node.left, *node.comparators]
            return any(
                map(
                    self.is_words,
                    [
                        *each,
                        *(e for t in each if isinstance(t, (ast.Tuple, ast.List, ast.Set)) for e in t.elts),
                    ],
                )
            )
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = node.func.attr
            return (called in METHODS and (self.is_words(node.func.value) or is_code(node.func.value))) or (
                called in PATTERNS and any(map(self.is_words, node.args))
            )
        if isinstance(node, ast.Subscript):
            return is_code(node.value) or self.is_words(node.value) or self.is_words(node.slice)
        if isinstance(node, ast.DictComp):
            return self.is_words(node.key)
        if isinstance(node, (ast.Set, ast.SetComp)):
            return any(map(self.is_words, node.elts if isinstance(node, ast.Set) else [node.elt]))
        return (
            isinstance(node, ast.Tuple)
            and any(map(is_code, node.elts))
            and any(map(self.is_words, node.elts))
        )


def is_code(node: ast.AST) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "code") or (
        isinstance(node, ast.Name) and node.id == "code"
    )


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Every function by its name, and what a module does by itself; an inner function is read with its outer one."""
    for node in tree.body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        yield from ((getattr(member, "name", "module"), member) for member in members)


def reading(path: str, tree: ast.Module) -> list[str]:
    """`line: code` of each place of a file that looks into words."""
    known = SENTENCES - ({"label"} if path.startswith(FIELD_OF_LABELS) else set())
    return [
        f"{getattr(node, 'lineno', 0)}: {ast.unparse(node)}"
        for name, part in functions(tree)
        if f"{path} {name}" not in ALLOWED
        for node in Reader(frozenset(known)).read(part)
    ]


FILES = {path.relative_to(modules.ROOT).as_posix(): path for path in modules.FILES}


def test_no_pass_reads_a_sentence() -> None:
    assert {
        path: found
        for path, file in FILES.items()
        if path not in LAYOUT and (found := reading(path, modules.tree(file)))
    } == {}


CHECKS = ("analysis/infer.py", "analysis/expect/budget.py", "analysis/sizes/feasible.py")
REPAIR = {f for f in FILES if f.startswith("repair/")} | {"analysis/rule_fixes.py"}


def known_to(file: Path) -> set[str]:
    """The modules of netspec that a module imports, at once or later."""
    nodes = [
        n
        for n in modules.walk(file)
        if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("netspec.")
    ]
    named = {f"{(n.module or '').removeprefix('netspec.').replace('.', '/')}" for n in nodes}
    return {f"{name}.py" for name in named} & FILES.keys()


@pytest.mark.parametrize("check", CHECKS)
def test_what_checks_sizes_knows_nothing_of_repair(check: str) -> None:
    assert len(REPAIR) > 10
    seen, ahead = set[str](), {check}
    while ahead:
        seen |= ahead
        ahead = {other for path in ahead for other in known_to(FILES[path])} - seen
    assert not seen & REPAIR


PLANTED = (
    'if "$" in d.fact: pass',
    "if d.label != NOWHERE: pass",
    'x = d.fact.partition(": ")[0]',
    'x = d.message.startswith("no variable ")',
    "x = [n for n in d.notes if AMONG not in n]",
    'x = d.notes[0].endswith("here")',
    'x = d.others[0].text.endswith("comes from here")',
    'x = [label for label in d.others if "use" in label.text]',
    'x = any(re.search("pad", fix.text) for each in found for fix in each.fixes)',
    'x = d.code[2] in "34"',
    'x = d.code.startswith("NS32")',
    "x = {d.fact: d for d in found}",
    "known = {(d.code, d.fact) for d in found}",
    'def f(d):\n    words = d.fact or d.label\n    return words.split(" ")',
    "x = PATTERN.match(error.because)",
    "x = self.found[0].fact[0]",
)
SOUND = (
    'x = Diagnostic(d.code, d.fact, notes=(*d.notes, "more"))',
    'x = d.code == "NS101" and d.phase == Phase.SIZES',
    'x = d.code in ("NS110", "NS111")',
    'x = [label for label in d.others if label.kind == "use"]',
    'x = f"{d.fact}; and so on"',
    "x = span.text == name",
    "x = d.label is None",
)


@pytest.mark.parametrize("text", PLANTED)
def test_reading_a_sentence_is_seen(text: str) -> None:
    assert reading("analysis/planted.py", ast.parse(text))


@pytest.mark.parametrize("text", SOUND)
def test_asking_for_values_is_not(text: str) -> None:
    assert reading("analysis/planted.py", ast.parse(text)) == []
