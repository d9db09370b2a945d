"""The mapping `image:` of an input: its Record, which servers read too, stands in `netspec.imaging`."""

from netspec.imaging.contract import MAX_PIXELS, ImageContract, Shape, pair

__all__ = ["MAX_PIXELS", "ImageContract", "Shape", "pair"]
