"""The source of modules that torch lacks, cut out of layers/blocks*.py, so that an emitted file needs only torch.

Reads text; imports none of it.
"""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["IMPORTS", "definitions", "inlined"]

IMPORTS = (
    "import math",
    "from typing import Any, ClassVar",
    "import torch",
    "import torch.nn.functional as F",
    "from torch import Tensor, nn",
)
"""What blocks may import; an emitted file takes those that it uses."""


class Definition(NamedTuple):
    text: str
    uses: frozenset[str]


@cache
def definitions() -> dict[str, Definition]:
    """Every top-level class, function and constant of the blocks files, in order."""
    found: dict[str, Definition] = {}
    for path in sorted((Path(__file__).parent.parent / "layers").glob("blocks*.py")):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node in ast.parse(text).body:
            names = defined(node)
            start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            uses = frozenset(n.id for n in ast.walk(node) if isinstance(n, ast.Name))
            for name in names:
                if name != "__all__":
                    found[name] = Definition("\n".join(lines[start - 1 : node.end_lineno]), uses)
    return found


def defined(node: ast.stmt) -> list[str]:
    """The names that a top-level statement defines."""
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def inlined(names: set[str]) -> list[str]:
    """The definitions of these names and of all they use, in the order of the files (base classes come first there)."""
    known, needed, queue = definitions(), set[str](), list(names)
    while queue:
        name = queue.pop()
        if name in known and name not in needed:
            needed.add(name)
            queue += known[name].uses
    return [d.text for name, d in known.items() if name in needed]
