"""What the bottoms of detectors hold: boxes, and what makes boxes of them. In: a layer's word, a
shape; out: numbers that no detector meets by chance in noise.

Boxes lie in groups and overlap by every share, so that who keeps too many or too few is seen.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from netspec.ir.dims import Size

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Boxes"]

GROUP = 6
"""Boxes around one place: each overlaps the five others, by shares between nothing and all."""


class Boxes(NamedTuple):
    """What a bottom holds. priors: (1, 2, 4 P), corners as shares of the image, then variances.
    regions: rows (image, x1, y1, x2, y2) in pixels. offsets: how boxes lie to those, `spread` is
    usual. scores: of classes, `least` counts. images: rows that begin with (height, width, scale).

    samples: how many images there are. extent: height and width of one, in places of `step` pixels.

    >>> Boxes("offsets", spread=0.1).samples
    1
    """

    kind: Literal["priors", "regions", "offsets", "scores", "images"]
    spread: float = 1.0
    samples: Size = 1
    extent: tuple[Size, ...] = (1, 1)
    step: float = 1.0
    least: float = 0.0

    def fits(self, shape: tuple[Size, ...]) -> bool:
        """Whether a tensor of that shape can be such a bottom, or a part of one, as some of the
        priors are.
        """
        if self.kind == "priors":
            return shape[:2] == (1, 2)
        return self.kind in ("offsets", "scores") or len(shape) > 1

    def at(self, number: Callable[[Size], int]) -> "Boxes":
        """The same with numbers for its sizes."""
        return self._replace(samples=number(self.samples), extent=tuple(map(number, self.extent)))

    def draw(self, rng: "np.random.Generator", shape: tuple[int, ...]) -> "Array":
        """Legal numbers of that shape; `samples` and `extent` are numbers here."""
        import numpy as np

        if self.kind == "offsets":
            return self.spread * rng.standard_normal(shape)
        if self.kind == "scores":
            # of one sample most count, of another few: each bound on how many hides the others
            below = rng.uniform(0, 0.8, shape[:1] + (1,) * (len(shape) - 1))
            return self.least + rng.uniform(0, 1, shape) - below
        if self.kind == "priors":
            corners = draw_corners(rng, int(np.prod(shape[2:])) // 4)
            # each side its own, or one that takes another's place is not seen
            return np.stack((corners, rng.uniform(0.05, 0.25, corners.shape))).reshape(shape)
        return self.draw_rows(rng, shape)

    def draw_rows(self, rng: "np.random.Generator", shape: tuple[int, ...]) -> "Array":
        import numpy as np

        height, width = (self.step * int(n) for n in self.extent)  # type: ignore[arg-type]
        if self.kind == "images":
            rows = np.ones((shape[0], int(np.prod(shape[1:]))))
            rows[:, :3] = height, width, 1.0
            return rows.reshape(shape)
        corners = draw_corners(rng, shape[0]) * (width, height, width, height)
        own = rng.integers(0, int(self.samples), shape[0])  # type: ignore[arg-type]
        return np.column_stack((own, corners)).reshape(shape)


def draw_corners(rng: "np.random.Generator", count: int) -> "Array":
    """So many boxes (x1, y1, x2, y2) as shares of an image, some over its border; upright."""
    import numpy as np

    groups = -(-count // GROUP)
    centres, sizes = rng.uniform(0.1, 0.9, (groups, 1, 2)), rng.uniform(0.15, 0.5, (groups, 1, 2))
    # within some groups all are much the same, so that one is left, in others several are
    apart = rng.uniform(0, 0.6, (groups, 1, 1)) * rng.uniform(0, 1, (groups, GROUP, 1))
    centres = centres + apart * sizes * rng.uniform(-1, 1, (groups, GROUP, 2))
    half = sizes * np.exp(apart * rng.uniform(-1, 1, (groups, GROUP, 2))) / 2
    return np.concatenate((centres - half, centres + half), -1).reshape(-1, 4)[:count]
