"""Runs emitted source as a module of its own: tracebacks show it, and its networks pickle as (text,
class name, state).

A module lives as long as something that it defines does; nothing here holds it.
"""

import hashlib
import linecache
import sys
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = ["execute", "network_of"]

LIVE: "weakref.WeakValueDictionary[str, Emitted]" = weakref.WeakValueDictionary()


class Emitted(ModuleType):
    """A module made of emitted text. Its own names hold it: each class of it does, through the
    functions in the class.
    """


class Stand(ModuleType):
    """What `sys.modules` has of an emitted module: its name, and a way to it that keeps nothing
    alive.
    """

    def __init__(self, module: Emitted) -> None:
        super().__init__(module.__name__)
        self.__reach = weakref.ref(module)

    def __getattr__(self, name: str) -> Any:
        module = self.__reach()
        if module is None:
            raise AttributeError(name)
        return getattr(module, name)

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """The module's names: whoever resolves annotations asks for them."""
        module = self.__reach()
        if module is not None:
            return module.__dict__
        return {}


def execute(text: str) -> ModuleType:
    """The module that the source defines; the same source gives the same module while that is in
    use.
    """
    name = f"netspec_{hashlib.sha256(text.encode()).hexdigest()[:16]}"  # 64 bits: no two texts meet
    known = LIVE.get(name)
    if known is not None:
        return known
    module = Emitted(name)
    filename = f"<{name}>"
    module.__file__ = filename
    module.__dict__["__emitted__"] = module  # functions hold their module's names, not the module
    # without a time of change linecache never looks for the file
    linecache.cache[filename] = (
        len(text),
        None,
        [f"{line}\n" for line in text.split("\n")],
        filename,
    )
    stand = sys.modules[name] = Stand(module)
    weakref.finalize(module, forget, name, filename, weakref.ref(stand)).atexit = False
    try:
        exec(compile(text, filename, "exec"), module.__dict__)
    except BaseException:
        # a text that failed must not be held by itself
        del module.__dict__["__emitted__"]
        raise
    for value in list(module.__dict__.values()):
        if isinstance(value, type) and value.__module__ == name:
            value.__reduce__ = reducer(text)  # type: ignore[method-assign, assignment]
    LIVE[name] = module
    return module


def forget(name: str, filename: str, stand: "weakref.ref[Stand]") -> None:
    """What the interpreter keeps of a module, unless one of the same text was made since."""
    if sys.modules.get(name) is stand():
        sys.modules.pop(name, None)
        linecache.cache.pop(filename, None)


def network_of(module: ModuleType) -> Any:
    """The class of the network in a module that was executed: the last that the text defines."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ][-1]


def reducer(text: str) -> Callable[[Any], tuple[Any, ...]]:
    """How instances of a class of this text pickle."""
    return lambda self: (restore, (text, type(self).__name__), self.__getstate__())


def restore(text: str, name: str) -> Any:
    """An instance of an emitted class, without its state: how unpickling and copying begin."""
    cls = getattr(execute(text), name)
    return cls.__new__(cls)
