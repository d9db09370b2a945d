"""What findings are about and rest on, as values that passes may ask for; words are made of them.
Knows no graph and no way to mend.
"""

from typing import NamedTuple

from netspec.frozen_classes import frozen

__all__ = ["NOTHING", "About", "Computed", "Evidence", "First", "Missed", "Unheard"]


class About(NamedTuple):
    """What a finding is about, by name: a layer, a value of the net, a key (dotted, from its layer
    or from the top) or a variable of the text; "" for what it is not about.
    """

    layer: str = ""
    value: str = ""
    key: str = ""


NOTHING = About()


class Evidence:
    """What a finding rests on. Each kind of evidence is a subclass."""


@frozen
class Computed(Evidence):
    """The value came out of an expression: what is wrong with it may stand elsewhere."""


@frozen
class Unheard(Evidence):
    """A key that nothing knows, where nothing is like it and no other section has it."""


class First(NamedTuple):
    """The first layer that a change of a number would make another, and what it would give then."""

    layer: str
    number: str
    gives: str


@frozen
class Missed(Evidence):
    """An expectation that the net does not meet.

    counted: a number that any wrong size changes too. among: of these layers one made the shape
    another; agreed: the last value before them that is as expected. first: what is known of that
    layer once a number is blamed. sizes: those that disagree.
    """

    counted: bool = False
    among: tuple[str, ...] = ()
    agreed: str = ""
    first: First | None = None
    sizes: Evidence | None = None
