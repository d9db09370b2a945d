"""The input contract of an imported net, which a prototxt does not hold. In: a spec as plain
values, what the user says of its pictures; out: the spec with it, or a finding that it is
unknown.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from netspec.diagnostics import Diagnostic, fail
from netspec.ir.types import show_shape
from netspec.record import as_written
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.training_heads import LABEL
from netspec.source import Span

__all__ = ["unknown_contracts", "with_contract"]

COLORED = 3
CHANNELS = (1, COLORED)
AXES = 4
SMALLEST = 8
"""Inputs with fewer rows or columns are features, not pictures."""
Tree = dict[str, Any]


def with_contract(tree: Tree, contract: ImageContract | None, file: str) -> Tree:
    """The spec with the contract at each input that takes pictures. Raises SpecError NS660 where it
    fits none of them.
    """
    if contract is None or contract == ImageContract():
        return tree
    pictures = dict(inputs_of_pictures(tree))
    if not pictures:
        there = ", ".join(f"{name} {shape}" for name, shape in tree.get("input", {}).items()) or "none"
        raise fail(
            "NS660",
            f"a contract needs an input of pictures, [N, 1 or 3, H, W]; the inputs are {there}",
            path=file,
        )
    for name, shape in pictures.items():
        contract.check_against(tuple(n if isinstance(n, int) else None for n in shape[1:]), name)
    image = as_written(contract)
    said = {name: {"shape": shape, "image": image} for name, shape in pictures.items()}
    return {**tree, "input": {**tree["input"], **said}}


def unknown_contracts(tree: Tree, places: Mapping[str, Span], file: str) -> Iterator[Diagnostic]:
    """NS430 for each input of pictures without a contract."""
    for name, shape in inputs_of_pictures(tree):
        taken = show_shape((*shape,))
        if shape[1] == COLORED:
            fact = f"input {name} {taken}: the file says neither the order of its colours nor the mean taken"
            most = "most of Caffe's published nets want --color bgr --mean 104,117,123"
        else:
            fact = f"input {name} {taken}: the file does not say which mean was taken, or which scale"
            most = "Caffe's nets for digits want --scale 0.00390625"
        note = f"{most}: what was trained with says it; given so, it is written as `image:` of the input"
        at = places.get(name)
        yield Diagnostic("NS430", fact, at, notes=(note,), path=None if at is not None else file)


def inputs_of_pictures(tree: Tree) -> Iterator[tuple[str, list[Any]]]:
    """The inputs of form [N, C, H, W] with one or three channels that have no contract yet."""
    for name, shape in tree.get("input", {}).items():
        if name != LABEL and isinstance(shape, list) and len(shape) == AXES and shape[1] in CHANNELS:
            sides = [size for size in shape[2:] if isinstance(size, int)]
            if min(sides, default=SMALLEST) >= SMALLEST:
                yield name, shape
