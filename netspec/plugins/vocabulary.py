"""Layer types of the user's own: a Python file, or an installed package's entry point
`netspec.layers`, becomes layer types.

The file is one definition like those here, the torch modules that it names beside it. What uses
torch is left out when the definition is read, so that `check` starts as fast as ever;
emit/inline.py cuts it out of the text. Running the file is for the caller to permit.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from netspec.augmentation import find as find_augmentation
from netspec.augmentation.definition import Augmentation
from netspec.frozen_classes import fresh, frozen
from netspec.ir.layer import Layer
from netspec.ir.traits import DefinitionError
from netspec.layers import every, find, types
from netspec.source import Source

__all__ = [
    "GROUP",
    "NotAllowedError",
    "PluginError",
    "Vocabulary",
    "define_augmentations",
    "define_types",
    "find_installed",
    "light",
]

GROUP = "netspec.layers"
"""The group of entry points: the name is the layer type, the object its class."""


class PluginError(Exception):
    """What is wrong with a plug-in: the fact, the line of its file, 0 where no line is to blame,
    and notes.
    """

    def __init__(self, fact: str, line: int = 0, notes: tuple[str, ...] = ()) -> None:
        super().__init__(fact)
        self.fact = fact
        self.line = line
        self.notes = notes


class NotAllowedError(PluginError):
    """An installed package offers the type, and nobody allowed its code to run."""


@frozen
class Vocabulary:
    """The layer types that a spec may name: netspec's, those of its plug-in files, and, if code may
    run, installed ones, asked last.
    """

    plugins: Mapping[str, type[Layer]] = fresh(default_factory=dict)
    complete: bool = True
    """Whether every plug-in that the spec names is in it."""
    allow_code: bool = False
    """Whether code may run that is not netspec's own: being installed is no leave, since a
    stranger's spec chooses what it calls.
    """

    augmentations: Mapping[str, type[Augmentation]] = fresh(default_factory=dict)
    """Those of its plug-in files."""

    def find(self, name: str) -> type[Layer] | None:
        """The type of that name or older name; None if there is none.

        Raises PluginError where an installed one is at fault, NotAllowedError where it may not run.
        """
        found = find(name) or self.plugins.get(name)
        if found is not None or self.allow_code:
            return found or find_installed(name)
        if self.complete and name in find_entry_points():
            raise NotAllowedError(
                f"the type {name} is Python code of {package_of(name)}, which only the reader of a spec may"
                " allow"
            )
        return None

    def types(self) -> list[str]:
        """Names of all types, without the older ones and what no spec has asked of the installed
        packages.
        """
        return sorted({*types(), *(cls.type for cls in self.plugins.values())})

    def every(self) -> list[type[Layer]]:
        """All types, in the order of their names."""
        return sorted({*every(), *self.plugins.values()}, key=lambda cls: cls.type)


def define_types(source: Source, package: str = "") -> dict[str, type[Layer]]:
    """The layer types that a plug-in's text defines, by name and older names; `package` is where
    its relative imports start.

    The same text gives the same classes. Raises PluginError.
    """
    found: dict[str, type[Layer]] = {}
    for cls in classes_of(source, package):
        if issubclass(cls, Layer) and "type" in vars(cls):
            cls.home = source
            found.update(dict.fromkeys((cls.type, *cls.legacy), cls))
    if not found and not define_augmentations(source, package):
        raise PluginError("it defines no layer type: class NAME(Layer, type=NAME)")
    taken = next((name for name in found if find(name) is not None), None)
    if taken is not None:
        raise PluginError(f"it defines {taken}, which is a type of netspec's own")
    return found


def define_augmentations(source: Source, package: str = "") -> dict[str, type[Augmentation]]:
    """The augmentations that a plug-in's text defines, by name. Raises PluginError."""
    found: dict[str, type[Augmentation]] = {}
    for cls in classes_of(source, package):
        if issubclass(cls, Augmentation) and cls.type:
            cls.home = source
            found[cls.type] = cls
    taken = next((name for name in found if find_augmentation(name) is not None), None)
    if taken is not None:
        raise PluginError(f"it defines {taken}, which is an augmentation of netspec's own")
    return found


def classes_of(source: Source, package: str) -> list[type]:
    """The classes that a plug-in's text makes itself."""
    module = run(source.name, source.text, package)
    return [
        each
        for each in vars(module).values()
        if isinstance(each, type) and each.__module__ == module.__name__
    ]


@cache
def run(name: str, text: str, package: str) -> ModuleType:
    """The text as a module, without what uses torch. Raises PluginError with the line that
    failed.
    """
    try:
        tree = ast.parse(text, name)
    except (SyntaxError, ValueError) as error:
        raise PluginError(f"{getattr(error, 'msg', error)}", getattr(error, "lineno", 0) or 0) from error
    import hashlib  # starts OpenSSL, which a check without plug-ins need not wait for

    module = ModuleType(
        f"{package or 'netspec_plugin'}.{hashlib.sha256(f'{name}:{text}'.encode()).hexdigest()[:16]}"
    )
    module.__file__, module.__package__ = name, package
    # whoever pickles a class, or reads its annotations, looks for its module there
    sys.modules[module.__name__] = module
    try:
        exec(compile(ast.Module(list(light(tree)), []), name, "exec"), module.__dict__)
    except PluginError:
        raise
    except DefinitionError as error:
        raise PluginError(error.fact, line_in(name, error), error.notes) from error
    except Exception as error:
        raise PluginError(f"{type(error).__name__}: {error}", line_in(name, error)) from error
    return module


def line_in(name: str, error: BaseException) -> int:
    """The last line of a file that an exception passed through; 0 for none."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def light(tree: ast.Module) -> Iterator[ast.stmt]:
    """The top-level statements that use torch neither themselves nor through others. PluginError: a
    layer definition does.
    """
    heavy: set[str] = set()
    for node in tree.body:
        bound = names_bound(node)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if "torch" in roots(node):
                heavy |= bound
                continue
        elif heavy & {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}:
            if isinstance(node, ast.ClassDef) and any(word.arg == "type" for word in node.keywords):
                raise PluginError(
                    f"{node.name} uses torch: a definition names its module, which stands beside it",
                    node.lineno,
                )
            heavy |= bound
            continue
        yield node


def roots(node: ast.Import | ast.ImportFrom) -> set[str]:
    """The packages that an import reads; netspec's own modules count as torch where they hold torch
    modules.
    """
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    return {"torch" if name.startswith("netspec.torch_modules") else name.partition(".")[0] for name in names}


def names_bound(node: ast.stmt) -> set[str]:
    """The names that a top-level statement binds."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return {node.name}
    return {
        name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }


@cache
def find_entry_points() -> dict[str, Any]:
    """The entry points of installed packages by name, the first that is met; looking for them reads
    hundreds of files, so they are looked for once.
    """
    from importlib.metadata import distributions

    found: dict[str, Any] = {}
    for package in distributions():
        for entry in offers_of(package):
            found.setdefault(entry.name, entry)
    return found


def offers_of(package: Any) -> list[Any]:
    """The entry points of a package that lead to a layer type; none of one whose metadata are
    damaged.
    """
    try:
        offers = package.entry_points.select(group=GROUP)
        return [entry for entry in offers if entry.module and package.name]
    except (
        Exception
    ):  # damaged texts make importlib.metadata raise whatever comes, and another package is meant
        return []


def package_of(name: str) -> str:
    """The installed package that offers a type, in words."""
    made = find_entry_points()[name].dist
    if made is not None:
        return f"the installed package {made.name}"
    return "an installed package"


@cache
def find_installed(name: str) -> type[Layer] | None:
    """The type that an installed package offers under this name. PluginError: its entry point leads
    to none.
    """
    from importlib.util import find_spec

    from netspec.file_reading import read_text

    entry = find_entry_points().get(name)
    if entry is None:
        return None
    where = f"entry point {name} = {entry.value}"
    try:
        spec = find_spec(entry.module)
        if spec is None or spec.origin is None or not spec.has_location:
            raise PluginError(f"{where}: there is no file of module {entry.module}")
        source = Source(spec.origin, read_text(spec.origin))
    except (ImportError, OSError, ValueError) as error:
        raise PluginError(f"{where}: {error}") from error
    cls = define_types(source, spec.parent or "").get(name)
    if cls is None or cls.__qualname__ != entry.attr:
        raise PluginError(f"{where}: the module defines no such type")
    return cls
