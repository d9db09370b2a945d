"""A map beside the picture that it is of, and over it. In: a picture and a map; out: a Figure."""

from netspec.pictures.colors import Array, heat, overlay
from netspec.pictures.figure import Figure
from netspec.pictures.tiles import fit, tile

__all__ = ["over_picture"]

LEAST = 224
"""Pixels of a side: what ImageNet's nets take, and three of them stand side by side."""


def over_picture(name: str, picture: Array, values: Array, told: str) -> Figure:
    """The picture, the map, the map over the picture; values are enlarged to the picture's size."""
    size = picture.shape[:2]
    if values.shape != size:
        values = fit(values, size[0], size[1])
    return Figure(name, tile([picture, heat(values), overlay(picture, values)], 3, LEAST), told)
