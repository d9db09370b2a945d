"""How long runs of a model take, by their shape: in, the seconds of each; out, whether the next is so
short that handing it to a thread would take longer. Runs nothing.
"""

from netspec.serving.heads import remember
from netspec.serving.runs import now

__all__ = ["Pace"]

# Seconds. To hand a run to a thread and its answer back costs a tenth of a millisecond where cores are idle
# and some where they are not; a loop that runs a model itself answers nobody else meanwhile.
QUICK = 0.005
# A run may take a thousand times as long as all before it (loops over what a request holds): then no run of
# the model is taken to be short for a while.
STALL, WARY = 0.25, 60.0
RECENT = 8


class Pace:
    """The usual seconds of a run for each shape that was seen; the oldest shape is forgotten first."""

    def __init__(self, quick: float = QUICK) -> None:
        self.quick = quick
        self.usual: dict[object, float] = {}
        self.wary = 0.0

    def is_short(self, shape: object) -> bool:
        """Whether a run of this shape was measured, and is short. One that was not may take any time."""
        return self.usual.get(shape, self.quick) < self.quick and now() >= self.wary

    def note(self, shape: object, seconds: float) -> None:
        if seconds > STALL:
            self.wary = now() + WARY
        before = self.usual.get(shape, seconds)
        remember(self.usual, shape, before + (seconds - before) / RECENT)
