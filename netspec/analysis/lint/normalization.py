"""Lints on normalisation that cannot do what it is for: statistics older than the training, means
of one value. NS427, NS428.
"""

import math
from collections.abc import Iterator

from netspec.analysis.learning_rate.courses import courses
from netspec.analysis.lint.view import Found, Lint, View, finding
from netspec.ir.dims import evaluate, symbols, untrace
from netspec.ir.graph import Node

__all__ = ["COURSE", "LINTS", "lagging", "lone"]

LATEST = 2
"""Statistics that remember so many times the training, or more, weigh its first iterations like its
last (at least 0.6 to 1).
"""


def lagging(view: View) -> Iterator[Found]:
    """NS427: the statistics that test reads are those of the whole training, not of the net at its
    end.
    """
    updates = [
        course.length * course.words.iter_size
        for course in courses(view.resolved, view.length)
        if course.length is not None
    ]
    if not updates:
        return
    for node in view.nodes:
        if node.layer.remembers is None or not in_training(node, view):
            continue
        word, share = node.layer.remembers
        memory = 1 / (1 - share) if share < 1 else math.inf
        if memory * (1 + 1e-9) >= LATEST * sum(updates):  # 1 / (1 - 0.999) is a little less than 1,000
            if share < 1:
                many = f"remembers {memory:,.0f} iterations"
            else:
                many = "forgets nothing"
            fact = (
                f"{word} {share:g} {many}, this training has {sum(updates):,}: test reads the means of all of"
                " it, its beginning too"
            )
            # a tenth of the training, and ten iterations at most, as torch's momentum 0.1 remembers
            shorter = 1 - 1 / max(2, min(10, sum(updates) // 10))
            note = f"{word}: {shorter:.2g} remembers {1 / (1 - shorter):.0f}"
            yield finding("NS427", node, fact, word if word in node.places else "type", note)


def in_training(node: Node, view: View) -> bool:
    return (node.mode or view.typed.graph.phase).upper() == "TRAIN"


def lone(view: View) -> Iterator[Found]:
    """NS428: a mean of a single value is that value, and what is left of it is 0, whatever comes
    in.
    """
    train = view.resolved.file.train
    batch = (
        train.data.batch_size if train is not None and train.data is not None and in_learning(view) else None
    )
    firsts = {
        name
        for given in view.typed.graph.inputs
        if given.type is not None and given.type.rank
        for name in symbols(given.type.batch)
    }
    for node in view.nodes:
        if not node.bottoms or ("batch_statistics" in node.layer.traits and not by_batch(node, view)):
            continue
        count = node.layer.population(*view.typed.bottoms(node))
        if count is not None and batch is not None:
            count = evaluate(count, dict.fromkeys(firsts, batch))
        if count is not None and untrace(count) == 1:
            if batch is not None and "batch_statistics" in node.layer.traits:
                samples = f", batch_size is {batch}"
            else:
                samples = ""
            fact = (
                f"each mean is over a single value of {view.typed.bottoms(node)[0]}{samples}: what remains is"
                " always 0"
            )
            yield finding("NS428", node, fact, "type")


def in_learning(view: View) -> bool:
    return view.typed.graph.phase.upper() == "TRAIN"


def by_batch(node: Node, view: View) -> bool:
    return in_training(node, view) and node.layer.batch_in_training


LINTS: tuple[Lint, ...] = (lone,)
COURSE: tuple[Lint, ...] = (lagging,)
