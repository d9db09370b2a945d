"""Nets that training would not change. In: the typed graph of a training; out: NS671, in `check`
and before `train` begins.
"""

from netspec.diagnostics.model import Diagnostic, Label
from netspec.ir.graph import TypedGraph
from netspec.source import Span

__all__ = ["still"]

SHOWN = 4


def still(typed: TypedGraph, section: Span | None = None) -> Diagnostic | None:
    """NS671 where no weight is to learn: there are none, or each has lr_mult 0, or no loss asks for
    it. section: where the spec speaks of training.
    """
    own = [ref for ref in typed.weight_refs() if not ref.shared]
    learnable = [ref for ref in own if ref.weight.kind == "parameter"]
    if any(ref.kind == "parameter" for ref in own):
        if any(any(node.loss_weights) for node in typed.graph.nodes):
            return None
        return Diagnostic("NS671", "the net has no loss in the training phase", section)
    if not learnable:
        return Diagnostic("NS671", "no layer of the net has weights", section)
    places = [
        span
        for node in dict.fromkeys(ref.node for ref in learnable)
        if (span := node.places["param"]) is not None
    ]
    others = tuple(Label(span, "and here") for span in places[1:SHOWN])
    why = "lr_mult is 0 for all"
    if typed.settings:
        why = "train.freeze, or a factor of 0, holds all"
    fact = f"{why} of its {len(learnable)} weights and biases: the training would change nothing"
    return Diagnostic("NS671", fact, places[0] if places else section, others=others)
