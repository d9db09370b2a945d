"""Which of a net's numbers a view explains, and what it is called: a class where the output tells
classes apart, else the place in its output. In: a Subject, outputs, what is asked; out: names.
"""

from collections.abc import Mapping
from typing import NamedTuple

from netspec.diagnostics import SpecError, fail
from netspec.seeing.seen import Array, Asked
from netspec.seeing.subject import NetSubject, Subject

__all__ = ["Answer", "chosen_answer", "sorts"]


class Answer(NamedTuple):
    """A number of an output. word: of its class, or where it stands; label: the class, None where the
    output does not tell classes apart.
    """

    output: str
    number: int
    word: str
    label: str | None


def chosen_answer(subject: Subject, outputs: Mapping[str, Array], asked: Asked) -> Answer:
    """The class that is asked for, else the one with the best score; of an output that is no scores
    its greatest number; without one of several numbers, the first of one. Raises SpecError NS750, NS757.
    """
    single = [name for name, values in outputs.items() if values.size == len(values)]
    try:
        name = subject.scores(outputs)
    except SpecError:
        if not single:
            raise
        name = single[0]
    scores = outputs[name].reshape(len(outputs[name]), -1)[0]
    number = (
        int(scores.argmax()) if asked.label is None else find_class(subject, name, len(scores), asked.label)
    )
    return name_answer(subject, name, number, len(scores))


def find_class(subject: Subject, output: str, count: int, label: str) -> int:
    """The number of a class by its name or number."""
    names = list(subject.labels.get(output, ()))
    if label in names:
        return names.index(label)
    if label.isdecimal() and int(label) < count:
        return int(label)
    there = ", ".join(names[:12]) or f"0 to {count - 1}"
    raise fail("NS757", f"{label}; there are {there}", path=subject.path)


def name_answer(subject: Subject, output: str, number: int, count: int) -> Answer:
    """What one of an output's `count` numbers is called."""
    name = subject.name_class(output, number)
    if name != str(number):
        return Answer(output, number, name, name)
    if count == 1:
        return Answer(output, number, output, None)
    if sorts(subject, output):
        return Answer(output, number, f"class {number}", name)
    return Answer(output, number, f"{output}[{number}]", None)


def sorts(subject: Subject, name: str) -> bool:
    """Whether an output is scores of classes, by the layer that makes it or the loss that reads it."""
    if not isinstance(subject, NetSubject):
        return name in subject.labels
    node = subject.maker_of(name)
    if node is not None and "normalizes_scores" in node.layer.traits:
        return True
    return name in judged_outputs(subject)


def judged_outputs(net: NetSubject) -> set[str]:
    """The values that a loss or a measure of the test net reads as scores of classes."""
    if net.program.resolved.file.train is None:
        return set()
    nodes = net.program.training_graph("test").graph.nodes
    return {node.bottoms[0].name for node in nodes if node.layer.answers == "classes" and node.bottoms}
