"""Sources of the user's own: `python:module:Class` of an installed module. Its code runs; a spec's folder is not on the import path."""

import importlib
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from netspec.diagnostics import SpecError, fail
from netspec.resolve.train_section import DataSection
from netspec.syntax.located import Located, plain
from netspec.training.data.source import Array, Field, Rows, Source, as_labels, divided

__all__ = ["Plugin", "open_python"]


class Plugin(Source):
    """An object with `__len__` and `__getitem__`, as torch's map-style data sets have: an item is (data, label), or a mapping by field.

    The fields' shapes and types are those of item 0; the label's field is `label`.
    """

    def __init__(self, name: str, items: Any) -> None:
        self.name = name
        self.items = items
        self.count = int(guarded(name, lambda: len(items)))
        if not self.count:
            raise fail("NS650", "an empty source", path=name)
        first = self.row(0)
        self.label = "label" if "label" in first else None
        self.fields = {key: Field(value.shape, value.dtype) for key, value in first.items()}

    def __len__(self) -> int:
        return self.count

    def row(self, index: int) -> dict[str, Array]:
        item = guarded(self.name, lambda: self.items[index])
        values = item if isinstance(item, (tuple, list)) else (item,)
        named = item if isinstance(item, dict) else dict(zip(("data", "label"), values, strict=False))
        rows = {str(key): guarded(self.name, lambda v=value: np.asarray(v)) for key, value in named.items()}
        for key, value in rows.items():
            if value.dtype.kind not in "biuf":
                raise fail("NS655", f"item {index}: {key} holds {value.dtype}, numbers are needed", path=self.name)
        return {key: np.asarray(as_labels(value)) if key == "label" else value for key, value in rows.items()}

    def batch(self, indices: Array) -> Rows:
        rows = [self.row(i) for i in indices.tolist()]
        for index, row in zip(indices, rows, strict=True):
            if row.keys() != self.fields.keys():
                raise fail("NS646", f"item {index} has {', '.join(row)}, item 0 has {', '.join(self.fields)}", path=self.name)
        return {key: stacked([row[key] for row in rows]) for key in self.fields}


def stacked(values: list[Array]) -> Array | list[Array]:
    return np.stack(values) if len({value.shape for value in values}) == 1 else values


def guarded(name: str, call: Any) -> Any:
    """The result of the user's code; what it raises becomes NS658 with the line that raised."""
    try:
        return call()
    except SpecError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise fail("NS658", f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})", path=name) from error


def open_python(section: DataSection, split: str | None) -> Source:
    """The class called with `options` (and split=..., if it takes that by name). A Source is used as it is, other objects as a Plugin."""
    module_name, _, class_name = section.source.removeprefix("python:").partition(":")
    if not module_name or not class_name:
        raise fail("NS640", f"{section.source}: a Python source is written python:module:Class")
    module = guarded(section.source, lambda: importlib.import_module(module_name))
    made = getattr(module, class_name, None)
    if made is None:
        raise fail("NS658", f"module {module_name} has no {class_name}", path=section.source)
    options = {key: plain(value) if isinstance(value, Located) else value for key, value in section.options.items()}
    source = guarded(section.source, lambda: made(**options))
    return source if isinstance(source, Source) else divided(Plugin(section.source, source), split)
