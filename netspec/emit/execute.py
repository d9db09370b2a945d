"""Runs emitted source as a module of its own: tracebacks show it, and its networks pickle as (text, class name, state)."""

import hashlib
import linecache
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = ["execute", "network_of"]


def execute(text: str) -> ModuleType:
    """The module that the source defines; the same source gives the same module."""
    name = f"netspec_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    filename = f"<{name}>"
    module.__file__ = filename
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    sys.modules[name] = module
    try:
        exec(compile(text, filename, "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    for value in list(module.__dict__.values()):
        if isinstance(value, type) and value.__module__ == name:
            value.__reduce__ = reducer(text)  # type: ignore[method-assign, assignment]
    return module


def network_of(module: ModuleType) -> Any:
    """The class of the network in a module that was executed: the last that the text defines."""
    return [value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__][-1]


def reducer(text: str) -> Callable[[Any], tuple[Any, ...]]:
    """How instances of a class of this text pickle."""
    return lambda self: (restore, (text, type(self).__name__), self.__dict__)


def restore(text: str, name: str) -> Any:
    """An instance of an emitted class, without its state: how unpickling and copying begin."""
    cls = getattr(execute(text), name)
    return cls.__new__(cls)
