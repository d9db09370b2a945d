"""Sources of the user's own: `python:module:Class`, of an installed module or of one beside the
spec; only where its reader allows code.
"""

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from netspec.data.source import Array, Field, Rows, Source, as_labels, split_source
from netspec.diagnostics import SpecError, fail
from netspec.read_options import ALLOW
from netspec.resolve.sections.train import DataSection
from netspec.syntax.located import Located, plain

__all__ = ["Plugin", "open_python"]


class Plugin(Source):
    """An object with `__len__` and `__getitem__`, as torch's map-style data sets have: an item is
    (data, label), or a mapping by field.

    The fields' shapes and types are those of item 0; the label's field is `label`.
    """

    def __init__(self, name: str, items: Any) -> None:
        self.name = name
        self.items = items
        self.count = int(call_guarded(name, lambda: len(items)))
        if not self.count:
            raise fail("NS650", "an empty source", path=name)
        first = self.row(0)
        self.label = "label" if "label" in first else None
        self.fields = {key: Field(value.shape, value.dtype) for key, value in first.items()}

    def __len__(self) -> int:
        return self.count

    def row(self, index: int) -> dict[str, Array]:
        item = call_guarded(self.name, lambda: self.items[index])
        values = item if isinstance(item, (tuple, list)) else (item,)
        if isinstance(item, dict):
            named = item
        else:
            named = dict(zip(("data", "label"), values, strict=False))
        rows = {
            str(key): call_guarded(self.name, lambda v=value: np.asarray(v)) for key, value in named.items()
        }
        for key, value in rows.items():
            if value.dtype.kind not in "biuf":
                raise fail(
                    "NS655",
                    f"item {index}: {key} holds {value.dtype}, numbers are needed",
                    path=self.name,
                )
        return {key: np.asarray(as_labels(value)) if key == "label" else value for key, value in rows.items()}

    def batch(self, indices: Array) -> Rows:
        rows = [self.row(i) for i in indices.tolist()]
        for index, row in zip(indices, rows, strict=True):
            if row.keys() != self.fields.keys():
                raise fail(
                    "NS646",
                    f"item {index} has {', '.join(row)}, item 0 has {', '.join(self.fields)}",
                    path=self.name,
                )
        return {key: stack_values([row[key] for row in rows]) for key in self.fields}


def stack_values(values: list[Array]) -> Array | list[Array]:
    if len({value.shape for value in values}) == 1:
        return np.stack(values)
    return values


def call_guarded(name: str, call: Any) -> Any:
    """The result of the user's code; what it raises becomes NS658 with the line that raised."""
    try:
        return call()
    except SpecError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise fail(
            "NS658",
            f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})",
            path=name,
        ) from error


def open_python(section: DataSection, split: str | None, root: Path, allow_code: bool = False) -> Source:
    """The class called with `options`. A Source is used as it is, other objects as a Plugin.

    allow_code: the one who reads the spec lets it run code. Without that there is no such source,
    whatever is installed: what a module does when it is imported or called with a stranger's
    `options` cannot be known. Raises SpecError NS121, NS640, NS650, NS655, NS658.
    """
    module_name, _, class_name = section.source.removeprefix("python:").partition(":")
    if not module_name or not class_name:
        raise fail("NS640", f"{section.source}: a Python source is written python:module:Class")
    if not allow_code:
        fact = (
            f"it calls {class_name} of the module {module_name}: only the reader of a spec may allow such"
            " code"
        )
        raise fail("NS121", fact, path=section.source, notes=(ALLOW,))
    module = call_guarded(section.source, lambda: module_of(section.source, module_name, root.resolve()))
    made = getattr(module, class_name, None)
    if made is None:
        raise fail("NS658", f"module {module_name} has no {class_name}", path=section.source)
    options = {
        key: plain(value) if isinstance(value, Located) else value for key, value in section.options.items()
    }
    source = call_guarded(section.source, lambda: made(**options))
    made = source if isinstance(source, Source) else Plugin(section.source, source)
    made.steady = False  # code may draw its samples anew each time
    return made if made is source else split_source(made, split)


def module_of(name: str, module: str, root: Path) -> ModuleType:
    """A module, of the folder `root` if it is there. NS658: another one of its name is loaded."""
    path = beside(module, root)
    if path is None:
        return importlib.import_module(module)
    importlib.invalidate_caches()
    sys.path.insert(0, str(root))
    try:
        found = importlib.import_module(module)
    finally:
        sys.path.remove(str(root))
    if found.__file__ is None or Path(found.__file__).resolve() != path:
        raise fail(
            "NS658",
            f"a module {module} is loaded already, from {found.__file__ or 'Python itself'}: call it"
            " otherwise",
            path=name,
        )
    return found


def beside(module: str, root: Path) -> Path | None:
    """The file of a module in a folder; None where there is none, or only one that leads out of
    it.
    """
    stem = root.joinpath(*module.split("."))
    found = next(
        (
            path.resolve()
            for path in (stem / "__init__.py", stem.with_name(stem.name + ".py"))
            if path.is_file()
        ),
        None,
    )
    if found is not None and found.is_relative_to(root):
        return found
    return None
