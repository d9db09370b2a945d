"""Who learns by which words for how long, and where the words stand. In: a spec with `train:`; out:
one course, or one for each player.
"""

from collections.abc import Iterator

from netspec.frozen_classes import frozen
from netspec.resolve.resolve import Resolved
from netspec.resolve.sections.solver import SolverParameter
from netspec.source import Span
from netspec.syntax.located import Located

__all__ = ["Course", "courses", "read_length"]


@frozen
class Course:
    """One who learns. name: the player's, "" where one learns everything. length: its updates;
    None: not known before the data are.

    own: the words that are its own; shared: those of train.solver, where they are others' too.
    """

    name: str
    words: SolverParameter
    length: int | None
    own: Located
    shared: Located

    def says(self, word: str) -> bool:
        return self.own.get(word) is not None or self.shared.get(word) is not None

    def place(self, *words: str) -> Span | None:
        """The place of the first word that is written; else that of the solver."""
        for word in words:
            for said in (self.own, self.shared):
                if (found := said.get(word)) is not None and found.span is not None:
                    return found.span
        return self.own.span or self.shared.span

    def value(self, word: str) -> str:
        """`gamma is 0`, or `gamma is not given` where it is the default that counts."""
        if self.says(word):
            return f"{word} is {getattr(self.words, word):g}"
        return f"{word} is not given"

    def fact(self, text: str) -> str:
        """The text with the name of who is meant, as the findings of a lint begin with a
        layer's.
        """
        return f"{self.name or 'solver'}: {text}"


def read_length(resolved: Resolved) -> int | None:
    """The iterations of a training, where the spec alone tells: not where it counts epochs."""
    train = resolved.file.train
    if train is not None and not train.solver.epochs:
        return train.solver.max_iter or None
    return None


def courses(resolved: Resolved, length: int | None) -> Iterator[Course]:
    """The courses of a spec; length: iterations of the training."""
    section, train = resolved.spec.section("train"), resolved.file.train
    shared = section.get("solver") if section is not None else None
    if train is None or section is None or shared is None:
        return
    if not train.players:
        yield Course("", train.solver, length, shared, shared)
    players = section.get("players")
    for name, player in train.players.items():
        body = players.get(name) if players is not None else None
        own = body.get("solver") if body is not None else None
        if player.solver is not None:
            words = player.solver.over(train.solver)
        else:
            words = train.solver
        yield Course(
            name,
            words,
            length * player.steps if length is not None else None,
            own or shared,
            shared,
        )
