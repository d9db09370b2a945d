"""Learning rates that train nothing, or nothing but noise: errors in `check`, and before `train`
begins. NS694, NS695.
"""

import math
from collections.abc import Iterator

from netspec.analysis.learning_rate.courses import Course, courses
from netspec.analysis.learning_rate.schedule import Stretch, schedule
from netspec.diagnostics.model import Diagnostic
from netspec.resolve.resolve import Resolved

__all__ = ["BLAMED", "find_blamed_word", "idle", "nothing", "rate_faults", "unusable"]

BLAMED = {
    "fixed": "base_lr",
    "step": "gamma",
    "exp": "gamma",
    "inv": "power",
    "multistep": "gamma",
    "poly": "power",
    "sigmoid": "gamma",
    "cosine": "min_lr",
    "one_cycle": "final_div_factor",
    "warm_restarts": "min_lr",
    "plateau": "gamma",
}
"""The word that a policy's course hangs on."""
WANTED = {
    "step": "the factor of each step: gamma: 0.1 divides the rate by ten",
    "multistep": "the factor of each step: gamma: 0.1 divides the rate by ten",
    "exp": "the factor of each iteration, a little below 1: gamma: 0.999",
}
HIGHEST = 1e6
"""A rate beyond this moves a weight by more than any net's weights are, with any gradient that is
worth the name.
"""


def rate_faults(resolved: Resolved, length: int | None) -> Iterator[Diagnostic]:
    """NS694 where the rate is 0 before the last iteration, NS695 where it is negative, not finite
    or beyond all weights.

    length: iterations of the training; None: not known yet, and nothing is said. One finding for
    each who learns.
    """
    said: set[tuple[object, ...]] = set()
    for course in courses(resolved, length):
        fault = unusable(course) or nothing(course)
        if fault is not None and (key := (fault.code, fault.span)) not in said:
            said.add(key)
            yield fault


def nothing(course: Course) -> Diagnostic | None:
    """NS694, of one who learns."""
    if not course.length:
        return None
    stretch = next(iter(idle(course)), None)
    # the last iteration alone loses little: a lint tells of it, NS426
    if stretch is None or stretch[0] == course.length - 1:
        return None
    word, policy = find_blamed_word(course, stretch), course.words.lr_policy
    if word != "warmup_iter":
        why = course.value(word)
    else:
        why = f"warmup_iter is {course.words.warmup_iter}, of {course.length}"
    notes = (f"{word} is {WANTED[policy]}",) if policy in WANTED and word == "gamma" else ()
    fact = of(course, f"{when(stretch, course.length)}, by lr_policy {policy}: {why}")
    return Diagnostic("NS694", fact, course.place(word, "lr_policy"), notes=notes)


def of(course: Course, fact: str) -> str:
    if course.name:
        return f"{course.name}: {fact}"
    return fact


def idle(course: Course) -> list[Stretch]:
    """Where the rate is 0, but for the iteration at which a climb from 0 begins."""
    words = course.words
    climbs = words.warmup_iter > 0 and words.warmup_start_lr == 0
    return [each for each in schedule(words, course.length or 1).nothing if not (climbs and each == (0, 0))]


def find_blamed_word(course: Course, stretch: Stretch) -> str:
    """The word to change: of the warm-up where nothing beyond it is concerned."""
    if stretch[1] < course.words.warmup_iter:
        return "warmup_iter"
    return BLAMED[course.words.lr_policy]


def when(stretch: Stretch, length: int) -> str:
    first, last = stretch
    if last == length - 1:
        if first:
            return f"from iteration {first} of {length} on"
        return f"in all {length} iterations"
    if first == 0:
        return f"before iteration {last + 1} of {length}"
    return f"from iteration {first} to {last} of {length}"


def unusable(course: Course) -> Diagnostic | None:
    """NS695, of one who learns."""
    if not course.length:
        return None
    made = schedule(course.words, course.length)
    # a huge base_lr was written so; what a policy makes of it is not
    beyond = max(HIGHEST, course.words.base_lr)
    found = (
        made.where(lambda rate: not math.isfinite(rate))
        or made.where(lambda rate: rate < 0)
        or made.where(lambda rate: rate > beyond)
    )
    if not found:
        return None
    word = find_blamed_word(course, found[0])
    rate, worst = made.rate(found[0][0]), made.rate(found[0][1])
    if not math.isfinite(rate):
        value = "not finite"
    else:
        value = f"{rate:.3g}" + ("" if worst == rate else f", in the end {worst:.3g}")
    fact = of(
        course,
        f"{when(found[0], course.length)}, lr_policy {course.words.lr_policy} makes it {value}:"
        f" {course.value(word)}",
    )
    return Diagnostic("NS695", fact, course.place(word, "lr_policy"))
