"""Changes of places: Rotate, Translate, Scale, Shear, Affine, Perspective, Elastic."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from netspec.augmentation.definition import MapChange
from netspec.ir.layer import Example, accepts, rejects
from netspec.record import param

if TYPE_CHECKING:
    from netspec.augmentation.kernels.draw import Draw
    from netspec.augmentation.kernels.maps import Map

__all__ = ["Affine", "Elastic", "Perspective", "Rotate", "Scale", "Shear", "Translate"]

Border = Literal["zeros", "edge", "reflect"]
BORDER = "what lies around the image: zeros, its edge, its mirror image"
Range = tuple[float, float]


class Placed(MapChange):
    """What lies around is a parameter."""

    border: Border = param(default="zeros", doc=BORDER)

    @property
    def outside(self) -> str:
        return self.border


class Rotate(Placed, type="Rotate"):
    """Turn about the middle by an angle drawn evenly to either side.

    y(p) = x(R(a)^-1 p),  a even in [-degrees, degrees]

    Read between pixels by bilinear interpolation, masks by the nearest pixel.
    """

    degrees: float = param(gt=0, le=180, doc="greatest angle")

    def map(self, draw: "Draw", size: tuple[int, int]) -> "Map":
        from netspec.augmentation.kernels.maps import affine

        return affine(len(draw), draw.uniform(-self.degrees, self.degrees, "angle"))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{degrees: 15}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{degrees: 90, border: reflect, probability: 0.5}", "N,1,9,14 -> N,1,9,14")
        yield rejects("{degrees: 270}", "N,3,32,32", code="NS106", at="degrees")
        yield rejects("{degrees: 15, border: wrap}", "N,3,32,32", code="NS105", at="border")


class Translate(Placed, type="Translate"):
    """Shift along both axes by whole or part pixels.

    y(p) = x(p - t),  t even in [-share, share] of the size, for each axis
    """

    share: float = param(gt=0, le=1, doc="greatest shift along an axis, as a share of its size")

    def map(self, draw: "Draw", size: tuple[int, int]) -> "Map":
        from netspec.augmentation.kernels.maps import affine

        t = draw.uniform(-self.share, self.share, "shift", 2)
        return affine(len(draw), shift=(t[:, 0] * size[1], t[:, 1] * size[0]))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{share: 0.1}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{share: 0.5, border: edge}", "N,2,9,14 -> N,2,9,14")
        yield rejects("{share: 2}", "N,3,32,32", code="NS106", at="share")


class Scale(Placed, type="Scale"):
    """Grow or shrink about the middle, the frame staying as it is.

    y(p) = x(p / f),  f even in factor
    """

    neutral = {"factor": (1, 1)}

    factor: Range = param(default=(0.8, 1.2), gt=0, doc="least and greatest factor")

    def map(self, draw: "Draw", size: tuple[int, int]) -> "Map":
        from netspec.augmentation.kernels.maps import affine

        return affine(len(draw), scale=draw.uniform(*self.factor, "factor"))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{factor: [1, 1.5]}", "N,1,9,14 -> N,1,9,14")
        yield rejects("{factor: [0, 1]}", "N,3,32,32", code="NS106", at="factor")


class Shear(Placed, type="Shear"):
    """Slant along one axis or the other: rows shift in proportion to their height.

    y(u, v) = x(u - tan(a) v, v),  a even in [-degrees, degrees]
    """

    degrees: float = param(gt=0, lt=90, doc="greatest angle")
    axis: Literal["x", "y", "both"] = param(default="both", doc="x slants upright lines, y level ones")

    def map(self, draw: "Draw", size: tuple[int, int]) -> "Map":
        from netspec.augmentation.kernels.maps import affine

        angle = draw.uniform(-self.degrees, self.degrees, "angle", 2)
        x, y = angle[:, 0] * (self.axis != "y"), angle[:, 1] * (self.axis != "x")
        return affine(len(draw), shear=(x, y))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{degrees: 10}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{degrees: 20, axis: x}", "N,1,9,14 -> N,1,9,14")
        yield rejects("{degrees: 90}", "N,3,32,32", code="NS106", at="degrees")


class Affine(Placed, type="Affine"):
    """Shear, grow, turn and shift in one map.

    y(p) = x(A^-1 (p - t)),  A = R(a) f S(b)

    Parts that are left out leave the image as it is.
    """

    neutral = {"degrees": 0, "translate": 0, "scale": (1, 1), "shear": 0}

    degrees: float = param(default=0.0, ge=0, le=180, doc="greatest angle of the turn")
    translate: float = param(default=0.0, ge=0, le=1, doc="greatest shift, as a share of the size")
    scale: Range = param(default=(1.0, 1.0), gt=0, doc="least and greatest factor")
    shear: float = param(default=0.0, ge=0, lt=90, doc="greatest angle of the slant, along x")

    def map(self, draw: "Draw", size: tuple[int, int]) -> "Map":
        from netspec.augmentation.kernels.maps import affine

        angle = draw.uniform(-self.degrees, self.degrees, "angle")
        t = draw.uniform(-self.translate, self.translate, "shift", 2)
        slant = draw.uniform(-self.shear, self.shear, "shear")
        factor = draw.uniform(*self.scale, "factor")
        return affine(len(draw), angle, (t[:, 0] * size[1], t[:, 1] * size[0]), factor, (slant, 0.0))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{degrees: 10, translate: 0.1}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{scale: [0.8, 1.2], shear: 5, border: edge}", "N,1,9,14 -> N,1,9,14")
        yield rejects("{scale: [1]}", "N,3,32,32", code="NS107", at="scale")


class Perspective(Placed, type="Perspective"):
    """See the picture from a little to the side: each corner moves inwards by its own draw.

    y(p) = x(H p),  H the projective map that leads the drawn corners to the true ones

    Corners move by at most half of distortion of the size.
    """

    distortion: float = param(default=0.5, gt=0, le=1, doc="how far: 1 moves corners up to the middle")

    def map(self, draw: "Draw", size: tuple[int, int]) -> "Map":
        import torch

        from netspec.augmentation.kernels.maps import homography

        half = torch.tensor([size[1] / 2, size[0] / 2])
        corners = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]) * half
        # corners that met would leave no map
        inwards = draw.uniform(0, min(self.distortion, 0.98), "corner", 4, 2)
        return homography(corners * (1 - inwards), corners.expand(len(draw), 4, 2))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{distortion: 0.2, border: reflect}", "N,1,9,14 -> N,1,9,14")
        yield rejects("{distortion: 0}", "N,3,32,32", code="NS106", at="distortion")


class Elastic(Placed, type="Elastic"):
    """Deform as rubber: every pixel is shifted by a smooth random field.

    y(p) = x(p + alpha (G_sigma * n)(p)),  n even in [-1, 1]     (Simard, Steinkraus, Platt 2003)

    With grid: shifts are normal with deviation alpha on a coarse grid of that many points a side,
    between them bicubic, as U-Net's recipe has it: {alpha: 10, grid: 3} (Ronneberger et al. 2015).
    """

    alpha: float = param(default=34.0, gt=0, doc="strength, in pixels")
    sigma: float = param(default=4.0, gt=0, doc="deviation of the Gaussian that smooths the field, in pixels")
    grid: int = param(
        default=0,
        ge=0,
        le=64,
        doc="points of a coarse grid along each side; 0: a shift for each pixel",
    )
    relative: bool = param(default=False, doc="alpha counts halves of the size, not pixels")

    def map(self, draw: "Draw", size: tuple[int, int]) -> "Map":
        from netspec.augmentation.kernels.fields import coarse_field, smooth_field

        if self.grid:
            return coarse_field(draw, size, self.unit(size), self.grid)
        return smooth_field(draw, size, self.unit(size), self.sigma)

    def unit(self, size: tuple[int, int]) -> tuple[float, float]:
        """alpha along x and y in pixels."""
        if self.relative:
            return self.alpha * size[1] / 2, self.alpha * size[0] / 2
        return self.alpha, self.alpha

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{alpha: 10, grid: 3}", "N,1,24,40 -> N,1,24,40")
        yield accepts("{alpha: 20, sigma: 5, border: reflect}", "N,1,28,28 -> N,1,28,28")
        yield rejects("{sigma: 0}", "N,3,32,32", code="NS106", at="sigma")
