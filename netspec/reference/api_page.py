"""The page of the Python API. In: the public names; out: Markdown, made of signatures and
docstrings as they stand in the files.

Must not import what it describes.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

__all__ = ["ANSWERS", "Entry", "api_page", "entries", "public_names"]

HEAD = """# The Python API

Where an input is at fault, every function raises `netspec.SpecError`; its `diagnostics` are what `netspec check` would
print. Paths are strings or `os.PathLike`. The examples are run by a test, one after the other, in an empty folder; before
them stands

```python
from pathlib import Path

import torch

import netspec
from netspec.plugin import *
```"""
ABOUT_ANSWERS = "What the functions answer and raise. Every field is public; none can be changed."
ABOUT_WORDS = """What a layer type of one's own is written with: `from netspec.plugin import Layer, param, module`. How they go together,
with a whole plug-in, stands in [docs/plugins.md](plugins.md); what every layer may be asked, and what builds its ONNX form, in
[docs/traits.md](traits.md)."""
WIDTH = 110
"""Of a line of code."""
FUNCTIONS = ("load", "check", "compile", "load_weights", "train", "export", "certify")
"""In the order in which they are used."""
ANSWERS = {
    "SpecError": "netspec.diagnostics.model",
    "Diagnostic": "netspec.diagnostics.model",
    "Program": "netspec.driver",
    "Network": "netspec.torch_modules.base",
    "TrainingResult": "netspec.training.job",
    "Certificate": "netspec.exporters.certification.certificate",
}
"""The classes that users meet, and where they stand."""
EMITTED = {
    "Network": '>>> net = netspec.compile("zoo:lenet")\n>>> [list(t.shape) for t in net.layer_parameters("conv1")]\n[[20, 1, 5, 5], [20]]'
}
"""Examples of what is written into emitted files, where its docstring goes along."""
Definition = ast.FunctionDef | ast.ClassDef | ast.Assign


class Entry(NamedTuple):
    """A public name and its definition."""

    name: str
    node: Definition
    doc: str


def public_names(module: str) -> list[str]:
    """A module's `__all__`."""
    for node in tree_of(module).body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == "__all__"
        ):
            return list(ast.literal_eval(node.value))
    raise LookupError(f"{module} has no __all__")


@cache
def tree_of(module: str) -> ast.Module:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise LookupError(f"there is no module {module}")
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def find_entry(name: str, module: str) -> Entry:
    """The definition of a name that a module defines or imports. Raises LookupError."""
    body = tree_of(module).body
    for i, node in enumerate(body):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return Entry(name, node, ast.get_docstring(node) or "")
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == name
        ):
            return Entry(name, node, string_of(body[i + 1]) if i + 1 < len(body) else "")
    # netspec/__init__.py imports under TYPE_CHECKING alone: at any depth
    for part in ast.walk(tree_of(module)):
        if (
            isinstance(part, ast.ImportFrom)
            and part.module
            and any(alias.name == name for alias in part.names)
        ):
            return find_entry(name, part.module)
    raise LookupError(f"{module} has no {name}")


def string_of(node: ast.stmt) -> str:
    """What a string that stands alone says of the name above it."""
    return (
        str(node.value.value) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) else ""
    )


def entries() -> Iterator[tuple[str, str, list[Entry]]]:
    """The page's parts: title, what it is about, and its entries."""
    yield "Functions", "", [find_entry(name, "netspec") for name in FUNCTIONS]
    yield "Classes", ABOUT_ANSWERS, [find_entry(name, module) for name, module in ANSWERS.items()]
    yield (
        "Words of plug-ins",
        ABOUT_WORDS,
        [find_entry(name, "netspec.plugin") for name in public_names("netspec.plugin")],
    )


def api_page() -> str:
    """The whole page."""
    parts = [HEAD]
    for title, about, found in entries():
        parts += [f"## {title}", *([about] if about else [])]
        parts += [part for entry in found for part in described(entry, members=title == "Classes")]
    return "\n\n".join(parts) + "\n"


def described(entry: Entry, members: bool) -> Iterator[str]:
    """An entry's heading, signature, words and examples, and of a class its members."""
    yield f"### {entry.name}"
    yield f"```python\n{quoted(signature(entry))}\n```"
    yield from paragraphs(entry.doc)
    if entry.name in EMITTED:
        yield f"```pycon\n{EMITTED[entry.name]}\n```"
    if members and isinstance(entry.node, ast.ClassDef):
        yield from listed_members(entry.node)


def signature(entry: Entry) -> str:
    """`def load(path: str) -> Program`; of a class its fields, or what it is made with; of a value
    what it is.
    """
    node = entry.node
    if isinstance(node, ast.FunctionDef):
        return definition(node)
    if isinstance(node, ast.Assign):
        return ast.unparse(node)
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    head = f"class {node.name}({bases})" if bases else f"class {node.name}"
    made = next(
        (part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"),
        None,
    )
    if made is not None:
        return f"{head}\n\n{definition(made, node.name).removesuffix(' -> None')}"
    fields = list(fields_of(node))
    return "\n    ".join([f"{head}:" if fields else head, *fields])


def quoted(python: str) -> str:
    """Code with double quotes, as this project writes it; a syntax tree gives single ones."""
    return python if '"' in python else python.replace("'", '"')


def fields_of(node: ast.ClassDef) -> Iterator[str]:
    """The fields of a class of values, `loss: float`; those of a Record have a table of their
    own.
    """
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and "ClassVar" not in ast.unparse(part.annotation):
            value = f" = {ast.unparse(part.value)}" if part.value is not None else ""
            if not value.startswith((" = param(", " = field(")):
                yield f"{ast.unparse(part.target)}: {annotation(part.annotation)}{value}"


def definition(node: ast.FunctionDef, name: str = "") -> str:
    """A function's head, over several lines where it is a long one."""
    answer = f" -> {annotation(node.returns)}" if node.returns is not None else ""
    head, given = name or f"def {node.name}", list(arguments(node.args))
    if len(whole := f"{head}({', '.join(given)}){answer}") <= WIDTH:
        return whole
    lines = "".join(f"    {argument},\n" for argument in given)
    return f"{head}(\n{lines}){answer}"


def arguments(args: ast.arguments) -> Iterator[str]:
    """The arguments one by one, as they are written."""
    plain = [*args.posonlyargs, *args.args]
    required: list[ast.expr | None] = [None] * (len(plain) - len(args.defaults))
    for arg, default in zip(plain, [*required, *args.defaults], strict=True):
        if arg.arg != "self":
            yield argument(arg, default)
    if args.vararg or args.kwonlyargs:
        yield f"*{argument(args.vararg)}" if args.vararg else "*"
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        yield argument(arg, default)
    if args.kwarg:
        yield f"**{argument(args.kwarg)}"


def argument(arg: ast.arg, default: ast.expr | None = None) -> str:
    text, equals = arg.arg, "="
    if arg.annotation is not None:
        text, equals = f"{text}: {annotation(arg.annotation)}", " = "
    if default is not None:
        text += equals + ast.unparse(default)
    return text


def annotation(node: ast.expr) -> str:
    """A type as it is meant, without the quotes that put off its evaluation."""
    return (
        str(node.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        else ast.unparse(node)
    )


def paragraphs(doc: str) -> Iterator[str]:
    """A docstring's paragraphs, its examples as code."""
    for paragraph in filter(None, (part.strip("\n") for part in doc.split("\n\n"))):
        yield (
            f"```pycon\n{paragraph}\n```" if paragraph.startswith(">>>") else "  \n".join(lines_of(paragraph))
        )


def lines_of(paragraph: str) -> Iterable[str]:
    """A paragraph's lines, those that go on joined: a line ends where it ends a sentence."""
    text = ""
    for line in paragraph.splitlines():
        text = f"{text} {line.strip()}" if text else line.strip()
        if text.endswith("."):
            yield text
            text = ""
    if text:
        yield text


def listed_members(node: ast.ClassDef) -> Iterator[str]:
    """The methods and properties, each with what is said of it."""
    rows = []
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
            head = (
                definition(part, f".{part.name}").replace("()", "", 1)
                if is_property(part)
                else definition(part, f".{part.name}")
            )
            rows.append(
                f"- `{quoted(head)}`: {' '.join((ast.get_docstring(part) or '').split())}".rstrip(": ")
            )
    if rows:
        yield "\n".join(rows)


def is_property(node: ast.FunctionDef) -> bool:
    return any(
        isinstance(decorator, ast.Name) and decorator.id == "property" for decorator in node.decorator_list
    )
