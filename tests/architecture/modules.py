"""netspec's own files as syntax trees, each parsed once for all that is asked of it."""

import ast
from functools import cache
from pathlib import Path

import netspec

__all__ = ["FILES", "ROOT", "text", "tree", "walk"]

ROOT = Path(netspec.__file__).parent
FILES = [path for path in sorted(ROOT.rglob("*.py")) if "__pycache__" not in path.parts]


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(text(path))


@cache
def walk(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file."""
    return tuple(ast.walk(tree(path)))
