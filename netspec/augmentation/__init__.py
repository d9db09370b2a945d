"""Random changes of training samples: one definition a type, one file a family. Families are
imported when a type is first asked for.

In: parameters, a batch whose parts move together, draws. Out: the batch, changed. Must not know:
where samples come from, the net, losses, places in a text.
"""

from importlib import import_module

from netspec.augmentation.definition import REGISTRY, Augmentation

__all__ = ["FAMILIES", "every", "family_of", "find", "types"]

FAMILIES = (
    "frame",
    "geometry",
    "color",
    "texture",
    "erasing",
    "mixing",
    "policies",
    "text",
    "audio",
)


def every() -> list[type[Augmentation]]:
    """All types, family by family, in the order in which they are defined."""
    for family in FAMILIES:
        import_module(f"netspec.augmentation.{family}")
    order = {family: i for i, family in enumerate(FAMILIES)}
    return sorted(REGISTRY.values(), key=lambda cls: order[family_of(cls)])


def family_of(cls: type[Augmentation]) -> str:
    """The module that defines a type."""
    return cls.__module__.rpartition(".")[2]


def find(name: str) -> type[Augmentation] | None:
    """The type of that name; None if there is none."""
    return next((cls for cls in every() if cls.type == name), None)


def types() -> list[str]:
    """Names of all types."""
    return [cls.type for cls in every()]
