"""An import hook that notes which blocks of a package's functions run: `HITS` holds `path:function:number` of each.

A child process of a test notes them too (`sitecustomize` calls `at_start`) and leaves them in a folder for `collected`. So does a text
that the package writes and compiles, where it is made of the package's own definitions.
"""

import ast
import atexit
import builtins
import contextlib
import marshal
import os
import sys
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "HITS", "at_start", "block_of", "blocks", "collected", "install", "uninstall"]

FOLDER = "NETSPEC_HITS"
HITS: set[str] = set()
HOMES: dict[str, str] = {}
COMPILE = builtins.compile
Statements = list[ast.stmt]


def blocks(tree: ast.Module) -> Iterator[tuple[str, int, Statements]]:
    """Every block of every function: the function's name, its number there, its statements."""

    def walk(node: ast.AST, name: str, counter: list[int] | None) -> Iterator[tuple[str, int, Statements]]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{name}.{node.name}" if name else node.name
            counter = None if isinstance(node, ast.ClassDef) else [0]
        for field in ("body", "orelse", "finalbody"):
            found = getattr(node, field, None)
            if counter is not None and isinstance(found, list) and found and isinstance(found[0], ast.stmt):
                yield name, counter[0], found
                counter[0] += 1
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
                yield from walk(child, name, counter)

    yield from walk(tree, "", None)


def block_of(path: str, tree: ast.Module, line: int) -> str | None:
    """The innermost block that holds a line; None for what runs at import."""
    found, least = None, sys.maxsize
    for name, number, statements in blocks(tree):
        begin, end = statements[0].lineno, statements[-1].end_lineno or 0
        if begin <= line <= end and end - begin < least:
            found, least = f"{path}:{name}:{number}", end - begin
    return found


def instrumented(text: str, path: str) -> ast.Module:
    return noted(ast.parse(text), path)


def noted(tree: ast.Module, path: str) -> ast.Module:
    """The tree, with a note at the begin of each block that it is one of `path`."""
    for name, number, statements in list(blocks(tree)):
        note = ast.parse(f"__mutating_hits__.add({f'{path}:{name}:{number}'!r})").body[0]
        documented = isinstance(statements[0], ast.Expr) and isinstance(statements[0].value, ast.Constant)
        for each in ast.walk(note):
            ast.copy_location(each, statements[0])
        statements.insert(1 if documented else 0, note)
    return tree


class Loader(SourceFileLoader):
    """Compiles with notes; what it compiled is kept beside the notes of the run."""

    root = Path()

    def get_code(self, fullname: str) -> Any:
        path = Path(self.path)
        inside = path.relative_to(self.root).as_posix()
        kept = Path(os.environ[FOLDER], "code", inside.replace("/", "__"))
        if kept.exists():
            return marshal.loads(kept.read_bytes())
        code = compile(
            instrumented(path.read_text(encoding="utf-8"), inside), self.path, "exec", dont_inherit=True
        )
        draft = kept.with_name(f"{kept.name}.{os.getpid()}")
        draft.write_bytes(marshal.dumps(code))
        draft.rename(kept)
        return code


def segments(text: str, tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """The text of each function and class at the top level, and its node."""
    lines = text.split("\n")
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            begin = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            yield "\n".join(lines[begin - 1 : node.end_lineno]), node


def homes() -> dict[str, str]:
    """The module of each definition of the package, by its text; worked out once for all processes."""
    if not HOMES:
        kept = Path(os.environ[FOLDER], "code", "definitions")
        if not kept.exists():
            found = {}
            for path in sorted(p for p in Loader.root.glob("[!.]*/**/*.py") if watched(p)):
                text = path.read_text(encoding="utf-8")
                found |= {
                    s: path.relative_to(Loader.root).as_posix() for s, _ in segments(text, ast.parse(text))
                }
            draft = kept.with_name(f"{kept.name}.{os.getpid()}")
            draft.write_bytes(marshal.dumps(found))
            draft.rename(kept)
        HOMES.update(marshal.loads(kept.read_bytes()))
    return HOMES


def compiled(source: Any, filename: Any, mode: str, *rest: Any, **named: Any) -> Any:
    """`compile`, with notes in what a written text has of the package's definitions."""
    plain = not rest and named.keys() <= {"dont_inherit"}  # ast.parse asks for a tree
    if plain and isinstance(source, str) and mode == "exec" and not os.path.exists(str(filename)):
        with contextlib.suppress(SyntaxError):
            tree = ast.parse(source)
            for segment, node in list(segments(source, tree)):
                if segment in homes():
                    noted(ast.Module([node], []), HOMES[segment])
            source = tree
    return COMPILE(source, filename, mode, *rest, **named)


def watched(path: Path) -> bool:
    return path.is_relative_to(Loader.root) and path.parts[len(Loader.root.parts)] not in ("tests", ".ci")


class Finder(MetaPathFinder):
    """Finds the modules below `root` by the usual way and has them loaded with notes."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        origin = Path(spec.origin)
        if not watched(origin):
            return None
        spec.loader = Loader(fullname, spec.origin)
        return spec


def install(root: Path) -> None:
    """Note what runs of the modules below a folder, the tests apart."""
    Loader.root = root
    builtins.__mutating_hits__ = HITS  # type: ignore[attr-defined]
    builtins.compile = compiled  # type: ignore[assignment]
    sys.meta_path.insert(0, Finder())


def uninstall() -> None:
    """Load and compile without notes from here on."""
    builtins.compile = COMPILE
    sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, Finder)]


def at_start() -> None:
    """In a child process of a test: note, and leave the notes at the end."""
    folder, root = os.environ.get(FOLDER), os.environ.get(FOLDER + "_ROOT")
    if folder and root:
        install(Path(root))
        atexit.register(lambda: Path(folder, f"{os.getpid()}.hits").write_text("\n".join(HITS)))


def collected() -> set[str]:
    """What child processes left since the last call."""
    found: set[str] = set()
    for path in Path(os.environ[FOLDER]).glob("*.hits"):
        found.update(path.read_text().split("\n"))
        path.unlink()
    return found - {""}
