"""Classes of fields, made thirty times faster than by `dataclasses`, whose cost `check` would pay
twenty times over at its start.

`@frozen`: no change after birth; `@mutable`: work in progress. Both compare by identity. Imports
nothing of netspec.
"""

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar, dataclass_transform

__all__ = ["fresh", "frozen", "mutable", "replace_fields"]

T = TypeVar("T")


class Fresh:
    """A default that each instance makes anew."""

    __slots__ = ("factory",)

    def __init__(self, factory: Callable[[], Any]) -> None:
        self.factory = factory


def fresh(*, default_factory: Callable[[], Any]) -> Any:
    """The default of a field that is a new list or dict for each instance."""
    return Fresh(default_factory)


def fields_of(cls: type) -> None:
    """Give a class an `__init__` over its annotations, in their order, and a repr."""
    names = tuple(
        name
        for name in cls.__annotations__
        if not str(cls.__annotations__[name]).startswith("typing.ClassVar")
    )
    defaults = {name: cls.__dict__[name] for name in names if name in cls.__dict__}
    factories = {name: default.factory for name, default in defaults.items() if isinstance(default, Fresh)}
    allowed, count = frozenset(names), len(names)

    def init(self: Any, *arguments: Any, **given: Any) -> None:
        values = self.__dict__
        if len(arguments) == count and not given:  # most calls: nothing is left to a default
            values.update(zip(names, arguments, strict=True))
            return
        values.update(defaults)
        for name, factory in factories.items():
            values[name] = factory()
        values.update(zip(names, arguments, strict=False))
        values.update(given)
        if len(values) != len(names) or len(arguments) > len(names) or not given.keys() <= allowed:
            wrong = sorted(allowed.symmetric_difference(values))
            raise TypeError(
                f"{cls.__name__} takes {', '.join(names)}: {', '.join(wrong) or 'too many values'}"
            )

    def represent(self: Any) -> str:
        return f"{cls.__name__}({', '.join(f'{name}={self.__dict__[name]!r}' for name in names)})"

    for name, method in (("__init__", init), ("__repr__", represent)):
        if name not in cls.__dict__:
            setattr(cls, name, method)


def refuse(self: object, name: str, value: object) -> NoReturn:
    raise AttributeError(f"{type(self).__name__} does not change after it is built")


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(fresh,))
def frozen(cls: type[T]) -> type[T]:
    """A class whose instances hold its annotated fields and never change. Raises TypeError on
    missing or unknown ones.
    """
    fields_of(cls)
    # `__init__` writes into __dict__, past this
    cls.__setattr__ = refuse  # type: ignore[method-assign]
    return cls


@dataclass_transform(eq_default=False, field_specifiers=(fresh,))
def mutable(cls: type[T]) -> type[T]:
    """The same for a worker whose fields change while it works."""
    fields_of(cls)
    return cls


def replace_fields(instance: T, **values: Any) -> T:
    """A copy with some fields set otherwise."""
    copy = object.__new__(type(instance))
    copy.__dict__.update(instance.__dict__, **values)
    return copy
