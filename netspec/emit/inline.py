"""The source of modules that torch lacks, cut out of torch_modules/ and of plug-ins, so that an
emitted file needs only torch.

Reads text; imports none of it.
"""

import ast
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from netspec.diagnostics import fail
from netspec.emit.quote import Code, own_code
from netspec.plugins import vocabulary
from netspec.source import Source

__all__ = ["definitions", "import_lines", "inline_definitions", "module_names", "names_used"]

IMPORTS = (
    "import math",
    "from contextlib import nullcontext",
    "from typing import Any, ClassVar",
    "import torch",
    "import torch.nn.functional as F",
    "from torch import Tensor, nn",
)
"""What blocks may import; an emitted file takes those that it uses."""


class Definition(NamedTuple):
    text: str

    @property
    def uses(self) -> frozenset[str]:
        """Names in it. Worked out when asked for: a net needs few of all definitions."""
        return names_used(self.text)


@cache
def definitions() -> dict[str, Definition]:
    """Every top-level class, function and constant of torch_modules/, in order."""
    found: dict[str, Definition] = {}
    for path in sorted((Path(__file__).parent.parent / "torch_modules").glob("*.py")):
        found |= cut(path.read_text(encoding="utf-8"))
    return found


@cache
def cut(text: str) -> dict[str, Definition]:
    """Every top-level class, function and constant of a Python text, in order."""
    found: dict[str, Definition] = {}
    lines = text.split("\n")
    for node in ast.parse(text).body:
        names = names_defined(node)
        start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        for name in names:
            if name != "__all__":
                found[name] = Definition("\n".join(lines[start - 1 : node.end_lineno]))
    return found


@cache
def imports(text: str) -> dict[str, str]:
    """The top-level imports of a plug-in's text, one line by the name that it binds; those of
    netspec are inlined instead.
    """
    found: dict[str, str] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import):
            found |= {
                alias.asname or alias.name.partition(".")[0]: ast.unparse(ast.Import([alias]))
                for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] != "netspec":
            lines = {
                alias: ast.unparse(ast.ImportFrom(node.module, [alias], node.level)) for alias in node.names
            }
            found |= {alias.asname or alias.name: line for alias, line in lines.items()}
    return found


def names_defined(node: ast.stmt) -> list[str]:
    """The names that a top-level statement defines."""
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return [node.name]
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


@lru_cache(1024)
def names_used(text: str) -> frozenset[str]:
    """Names that Python code uses by themselves: not as an attribute, nor in a string or a
    comment.
    """
    return frozenset(n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name))


def inline_definitions(
    names: frozenset[str], homes: Iterable[Source] = ()
) -> tuple[list[Code], frozenset[str]]:
    """The definitions of these names and of all they use, each behind those that it uses; plug-ins
    last.

    With them, all names that they use.

    NS502: two of the files define the same name.
    """
    known, needed, queue = dict(definitions()), set[str](), list(names)
    for home in homes:
        known |= {name: each for name, each in cut(home.text).items() if unlike(name, each, known, home)}
    while queue:
        name = queue.pop()
        if name in known and name not in needed:
            needed.add(name)
            queue += known[name].uses
    found = [known[name] for name in sort_by_use(known, needed)]
    return [own_code(text) for text in dict.fromkeys(d.text for d in found)], frozenset().union(
        *(d.uses for d in found)
    )


def sort_by_use(known: dict[str, Definition], needed: set[str]) -> list[str]:
    """Names in the order of the files, but each behind those that its definition uses: a base class
    has to be there first.
    """
    done: dict[str, None] = {}
    waiting = [name for name in reversed(known) if name in needed]
    entered: set[str] = set()
    while waiting:
        name = waiting[-1]
        before = [
            other
            for other in known
            if other in known[name].uses & needed and other not in done and other not in entered
        ]
        entered.add(name)
        if before:
            waiting += reversed(before)
        else:
            done[waiting.pop()] = None
    return list(done)


def unlike(name: str, new: Definition, known: Mapping[str, Definition], home: Source) -> bool:
    """Whether a definition is not there yet. NS502: something else of that name is."""
    if name in known and known[name].text != new.text:
        raise fail(
            "NS502",
            f"it defines {name}, and so does a file of netspec's, or another plug-in, that the network needs",
            path=home.name,
        )
    return name not in known


def import_lines(homes: Iterable[Source], names: frozenset[str]) -> list[Code]:
    """What an emitted file that uses these names imports: what blocks do, then what plug-ins do."""
    lines = [*IMPORTS, *(line for home in homes for line in imports(home.text).values())]
    return [own_code(line) for line in dict.fromkeys(lines) if names_bound(line) & names]


@cache
def names_bound(line: str) -> frozenset[str]:
    """The names that a line of imports binds."""
    (node,) = ast.parse(line).body
    return frozenset(vocabulary.names_bound(node))


def module_names(homes: Iterable[Source] = ()) -> frozenset[str]:
    """What an emitted text may define or import beside the classes of its net."""
    own = (name for line in IMPORTS for name in names_bound(line))
    return frozenset(
        (
            *definitions(),
            *own,
            *(name for home in homes for name in (*cut(home.text), *imports(home.text))),
        )
    )
