"""Requests that say the same but for their numbers: in, a model and the JSON before binary tensors that
it has taken once; out, what was understood of it, and the head of the answer, without reading it again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Heads", "Place", "Understood", "remember"]

# Longer ones are read each time, and so many are kept: clients may send what they like.
LONGEST, MOST = 2048, 256


class Place(NamedTuple):
    """Where the bytes of an input lie behind the JSON: numbers, none of which could be wrong."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    begin: int

    def take(self, body: bytes, end: int) -> "np.ndarray":
        import numpy as np

        return np.frombuffer(body, self.dtype, self.size, end + self.begin).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Understood:
    """A head: how many bytes follow it, the inputs among them, and what else was asked."""

    size: int
    places: Sequence[Place]
    outputs: Any
    patience: float | None

    def take(self, body: bytes, end: int) -> "Mapping[str, np.ndarray]":
        return {place.name: place.take(body, end) for place in self.places}


class Heads:
    """What one model has seen. The oldest is forgotten first."""

    def __init__(self) -> None:
        self.asked: dict[bytes, Understood] = {}
        self.answered: dict[Any, bytes] = {}

    def find(self, body: bytes, end: int) -> Understood | None:
        """What a body's head says, where it is known and as many bytes follow as it announces."""
        found = self.asked.get(body[:end]) if end <= LONGEST else None
        if found is None or len(body) - end != found.size:
            return None
        return found

    def keep(self, head: bytes, understood: Understood) -> None:
        if len(head) <= LONGEST:
            remember(self.asked, head, understood)

    def keep_answer(self, key: Any, head: bytes) -> None:
        remember(self.answered, key, head)


def remember(known: dict[Any, Any], key: Any, value: Any) -> None:
    """Keep a value; where it is one too many, the oldest key is forgotten."""
    while key not in known and len(known) >= MOST:
        known.pop(next(iter(known)), None)
    known[key] = value
