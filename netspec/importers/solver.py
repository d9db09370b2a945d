"""A decoded SolverParameter -> the words of a spec's `train.solver`."""

from collections.abc import Iterator, Mapping
from typing import Any

from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.importers.decode import Piece
from netspec.importers.spec_layers import clean
from netspec.record import Reject
from netspec.syntax.located import place

__all__ = ["solver_section"]

TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}
NET = ("net", "train_net", "test_net", "net_param", "train_net_param", "test_net_param")
ONCE = ("test_iter",)
"""Repeated in Caffe, once for each test net."""
ELSEWHERE = {
    **dict.fromkeys(NET, "the network is the spec's own"),
    **dict.fromkeys(("solver_mode", "device_id"), "--device says where it runs"),
    **dict.fromkeys(
        ("train_state", "test_state"),
        "give level and stages where the spec is used: --level, --stage",
    ),
    "eval_type": "a test measures what its layers do: DetectionEvaluate average precision, Accuracy its share",
    "show_per_class_result": "`netspec test` always tells each class",
    "debug_info": "`netspec see maps` shows what layers make",
    "snapshot_after_train": "the end of a training always has a snapshot",
    "snapshot_prefix": "snapshots go to the run's folder",
    "snapshot_format": "snapshots are safetensors",
    "weights": "give weights to start from where training is started",
}


def solver_section(solver: Piece, diagnostics: Diagnostics) -> dict[str, Any]:
    """The solver's words in the file's order, with the type in today's spelling. NS025 for each
    word that a spec has no place for.

    NS425, NS426: what is odd about the training that they ask for.
    """
    from netspec.resolve.sections.solver import SolverParameter

    known = SolverParameter.names
    section: dict[str, Any] = {}
    for key, value in solver.items():
        if key == "solver_type" and "type" in solver:
            fact = "solver_type of the solver: type says it, too, and Caffe refuses both; type is kept"
            diagnostics.add(Diagnostic("NS025", fact, solver.span(key)))
        elif key == "solver_type":
            section["type"] = TYPES[value]
        elif isinstance(value, list) and len(value) > 1 and key in ONCE:
            section[key] = value[0]
            fact = (
                f"{key} of the solver: one for each of {len(value)} test nets; the spec has one, the first's"
                f" {value[0]} is kept"
            )
            diagnostics.add(Diagnostic("NS025", fact, solver.span(key)))
        elif key in known:
            section[key] = clean(key, value)
        else:
            why = ELSEWHERE.get(key, "a spec has no such word")
            diagnostics.add(Diagnostic("NS025", f"{key} of the solver: {why}", solver.span(key)))
    diagnostics.found += odd(section, solver)
    return section


def odd(section: Mapping[str, Any], solver: Piece) -> Iterator[Diagnostic]:
    """What is odd about the words, at their places in the file; nothing where they do not go
    together, which check says of the spec.
    """
    from netspec.analysis.learning_rate.courses import Course
    from netspec.analysis.lint.solver import of_solver
    from netspec.resolve.sections.solver import SolverParameter, solver_faults

    said = place(section)
    for word, value in said.mapping.items():
        value.span = solver.span(word) or solver.span("solver_type")
        if value.span is not None:
            said.keys[word] = value.span
    try:
        words = SolverParameter.read(said.mapping, whole=said)
    except Reject:
        return
    if not any(solver_faults(words)):
        yield from of_solver(Course("", words, words.max_iter, said, said))
