"""A decoded SolverParameter -> the words of a spec's `train.solver`."""

from typing import Any

from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.importers.decode import Piece
from netspec.importers.spec_layers import clean

__all__ = ["solver_section"]

TYPES = {"SGD": "SGD", "NESTEROV": "Nesterov", "ADAGRAD": "AdaGrad", "RMSPROP": "RMSProp", "ADADELTA": "AdaDelta", "ADAM": "Adam"}
NET = ("net", "train_net", "test_net", "net_param", "train_net_param", "test_net_param")
ELSEWHERE = {
    **dict.fromkeys(NET, "the network is the spec's own"),
    **dict.fromkeys(("solver_mode", "device_id"), "--device says where it runs"),
    **dict.fromkeys(("train_state", "test_state"), "give level and stages where the spec is used: --level, --stage"),
    "snapshot_prefix": "snapshots go to the run's folder",
    "snapshot_format": "snapshots are safetensors",
    "weights": "give weights to start from where training is started",
}


def solver_section(solver: Piece, diagnostics: Diagnostics) -> dict[str, Any]:
    """The solver's words in the file's order, with the type in today's spelling. NS025 for each word that a spec has no place for."""
    from netspec.resolve.solver_section import SolverParameter

    known = SolverParameter.names
    section: dict[str, Any] = {}
    for key, value in solver.items():
        if key == "solver_type":
            section.setdefault("type", TYPES[value])
        elif key in known:
            section[key] = clean(key, value)
        else:
            why = ELSEWHERE.get(key, "a spec has no such word")
            diagnostics.add(Diagnostic("NS025", f"{key} of the solver: {why}", solver.span(key)))
    return section
