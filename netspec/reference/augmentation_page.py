"""The reference pages of random changes, made from their definitions. In: classes; out: Markdown, a
page a family, with the pictures that were made of them.
"""

from collections.abc import Iterator
from importlib import import_module

from netspec import augmentation
from netspec.augmentation.definition import Augmentation
from netspec.ir.manual import manual, sentence
from netspec.reference.tables import HEADS, markdown_table, parameter_rows

__all__ = ["augmentation_pages", "pictured", "reference"]

HEAD = """# Random changes of training samples

Entries of [`train.augment`](../language/augment.md), each one definition. `netspec augmentations` prints this
list, `netspec augmentations TYPE` a part of a page. Pictures: the photographs of scikit-learn's samples, first as
they are, then changed by four draws each.
"""


def augmentation_pages() -> Iterator[tuple[str, str]]:
    """Pages by name: the list, and one for each family."""
    yield (
        "augmentations",
        f"{HEAD}\n{markdown_table(('type', 'changes', 'what it does'), rows())}\n",
    )
    for family in augmentation.FAMILIES:
        yield f"augmentations-{family}", family_page(family)


def rows() -> Iterator[tuple[str, str, str]]:
    for cls in augmentation.every():
        link = f"[{cls.type}](augmentations-{augmentation.family_of(cls)}.md#{cls.type.lower()})"
        yield link, ", ".join(cls.takes), sentence(cls)


def family_page(family: str) -> str:
    """The types of a family under each other."""
    said = (import_module(f"netspec.augmentation.{family}").__doc__ or "").split(":")[0]
    types = [cls for cls in augmentation.every() if augmentation.family_of(cls) == family]
    parts = [f"# {said}", *(reference(cls, picture=cls in pictured()) for cls in types)]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def pictured() -> list[type[Augmentation]]:
    """The types that a picture can show."""
    return [cls for cls in augmentation.every() if cls.takes == ("image",)]


def reference(cls: type[Augmentation], level: int = 2, picture: bool = False) -> str:
    """What there is to say of a type, in Markdown."""
    said, marks = manual(cls), "#" * level
    parts = [
        f"{marks} {cls.type}",
        said.sentence,
        f"```text\n{said.equation}\n```" if said.equation else "",
        f"Source: {said.source}." if said.source else "",
        *said.notes,
        about(cls),
        f"![{cls.type} of two photographs](pictures/{cls.type}.jpg)" if picture else "",
        markdown_table(HEADS, parameter_rows(cls.params.values())),
        "\n".join(f"- `{line}`" for line in entries(cls)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def about(cls: type[Augmentation]) -> str:
    """What follows from how a type is defined."""
    said = []
    if cls.moves and "image" in cls.takes:
        said.append("Masks and boxes move along.")
    if cls.partners:
        said.append(f"Takes {cls.partners} further sample{'s' * (cls.partners > 1)}; labels become shares.")
    if cls.colors:
        said.append("Knows gray and three colours.")
    return " ".join(said)


def entries(cls: type[Augmentation]) -> Iterator[str]:
    """Entries as a spec has them, from the rows that are accepted."""
    for row in cls.examples():
        if row.code is None:
            rest = row.parameters.strip()[1:-1]
            yield f"{{type: {cls.type}{', ' * bool(rest)}{rest}}}"
