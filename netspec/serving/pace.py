"""How long runs of a model take, by their shape: in, the seconds of each; out, whether the next is so
short that handing it to a thread would take longer, whether one thread does it as well as all, and how
many rows are worth joining. Runs nothing.
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
# Who is in a run waits for all of it. More rows are joined where each of them costs less by that, or the run is
# so short that nobody minds; one run in so many is twice as large, and one half as large, since a measurement
# can be wrong.
GAIN, SOON, TRIED = 0.9, 0.002, 64
# Below so many seconds, all threads together must be that much faster than one of them: waking them costs
# most of what they save, and the cores have clients and requests to see to as well.
AIDED, WORTH = 0.001, 1.5
NOTHING: dict[tuple[int, bool], float] = {}


class Pace:
    """The usual seconds of a run for each shape that was seen, which is what its rows are and the next
    power of two to their number; the oldest kind of rows is forgotten first.
    """

    def __init__(self, quick: float = QUICK) -> None:
        self.quick = quick
        # Of one row: by what has one key, which is dear to look up, then by the size, and whether on one thread.
        self.usual: dict[object, dict[tuple[int, bool], float]] = {}
        self.wary = 0.0
        self.asked = 0

    def is_short(self, key: object, rows: int, alone: bool = False) -> bool:
        """Whether a run of this shape was measured, or one of half as many rows, and is short. One that was
        not may take any time.
        """
        known, size = self.usual.get(key, NOTHING), rows.bit_length()
        each = known.get((size, alone), known.get((size - 1, alone)))
        return each is not None and each * rows < self.quick and now() >= self.wary

    def suits_one(self, key: object, rows: int, pressed: bool = False) -> bool:
        """Whether one thread should do a run: it is known to be short, and the others save little, or it
        was never tried without them. pressed: others wait behind it, so that all they save counts.
        """
        size, known = rows.bit_length(), self.usual.get(key, NOTHING)
        each, alone = known.get((size, False)), known.get((size, True))
        if each is None or each * rows >= AIDED:
            return False
        return alone is None or alone < each * (1 if pressed else WORTH)

    def note(self, key: object, rows: int, seconds: float, alone: bool = False) -> None:
        if seconds > STALL:
            self.wary = now() + WARY
        known = self.usual.get(key)
        if known is None:
            known = {}
            remember(self.usual, key, known)
        shape, each = (rows.bit_length(), alone), seconds / rows
        before = known.get(shape, each)
        recent = RECENT if each > before else 2  # a run is late by chance, never early
        known[shape] = before + (each - before) / recent

    def rows_worth_joining(self, key: object, most: int, waiting: int = 0) -> int:
        """At most `most`; fewer where runs of more rows were seen to take as long for each. A smaller run
        that was never made is taken to cost what the next larger one does, and so is tried.

        waiting: requests that are there. Where they are more than would be joined, what comes meanwhile
        is read at each turn of the loop all the same: fewer and larger turns catch up, and so as many
        are joined as a short run takes.
        """
        found = self.choose_rows(key, most, SOON)
        return found if waiting <= found else self.choose_rows(key, most, self.quick)

    def choose_rows(self, key: object, most: int, soon: float) -> int:
        """The same, no fewer than a run of so many seconds has."""
        best = each = None
        usual = self.usual.get(key, NOTHING)
        known = chosen = most.bit_length()
        for size in range(chosen, 0, -1):
            together, alone = usual.get((size, False)), usual.get((size, True))
            if together is not None:
                each = together
            if alone is not None and (together is None or alone < together):
                each = alone
            if each is None:
                continue
            if best is None:
                known = chosen = size
            elif each * GAIN <= best:
                chosen = size
            best = each if best is None else min(best, each)
            if each * ((1 << size) - 1) < soon:
                break
        if chosen == known:
            return most
        self.asked += 1
        chosen += {0: 1, TRIED // 2: -1 if chosen > 1 else 0}.get(self.asked % TRIED, 0)
        return min(most, (1 << chosen) - 1)
