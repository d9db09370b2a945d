"""Trials of a number: what they answer, and that each layer that is typed anew is paid for."""

import pytest
from analysis_specs import net, typed

from netspec.diagnostics.model import Edit
from netspec.repair.size_literals import Use, uses
from netspec.repair.size_trials import PASSED, VISITS, Trials

CONV = "type: Convolution, num_output: 4, kernel_size"
CHAIN = net("[N, 1, 40, 40]", "\n".join(f"name: c{i}, {CONV}: 3" for i in range(18)))


def edit(trials: Trials, layer: str, number: int) -> Edit:
    """The kernel of a layer set otherwise."""
    (node,) = (n for n in trials.graph.nodes if n.name == layer)
    (span,) = (w.span for w, use in uses(node) if isinstance(use, Use) and use.name == "kernel_size")
    return Edit(span, str(number))


@pytest.mark.parametrize(("layer", "typed_anew"), [("c0", 18), ("c1", 17), ("c17", 1)])
def test_what_is_typed_anew_is_paid_for(layer: str, typed_anew: int) -> None:
    """The layers behind the change, and a little for those that are passed by."""
    trials = Trials(typed(CHAIN).graph, {})
    for i, (number, refuted) in enumerate(((2, False), (1, False))):
        assert trials.refutes(edit(trials, layer, number)) is refuted
        assert VISITS - trials.left == (i + 1) * (typed_anew + typed_anew // PASSED)
    assert trials.remaining([edit(trials, layer, 2)]) == set()
    assert trials.refutes(edit(trials, layer, 99)) is True


def test_nothing_is_known_once_all_is_spent() -> None:
    trials = Trials(typed(CHAIN).graph, {})
    wrong = edit(trials, "c5", 99)
    assert trials.remaining([wrong]) is not None and trials.refutes(wrong)
    trials.left = 0
    assert trials.remaining([wrong]) is None and not trials.refutes(wrong)
    trials.left = 1
    assert trials.refutes(wrong)
