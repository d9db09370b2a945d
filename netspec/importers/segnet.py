"""Weights of classes as SegNet's fork of Caffe has them -> `class_weight`. In: the layers of a
file; out: the same, those losses in netspec's words.
"""

from collections.abc import Iterable

from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.importers.decode import Piece
from netspec.importers.spec_layers import names_in

__all__ = ["weigh_classes"]

GROUP = "loss_param"
SWITCH, WEIGHTS, OURS = "weight_by_label_freqs", "class_weighting", "class_weight"


def weigh_classes(layers: Iterable[Piece], diagnostics: Diagnostics) -> list[Piece]:
    """The layers; a NS025 for each word of the fork, which says what it is here.

    The fork multiplies each place's loss by the weight of its class where SWITCH is true, and
    divides by the number of places (alexgkendall/caffe-segnet, softmax_loss_layer.cpp).
    """
    return [translate(layer, diagnostics) for layer in layers]


def translate(layer: Piece, diagnostics: Diagnostics) -> Piece:
    """A layer in netspec's words; itself where it has none of the fork's."""
    words = layer.get(GROUP)
    if not isinstance(words, Piece) or not {SWITCH, WEIGHTS} & words.keys():
        return layer
    if OURS not in names_in(layer["type"], GROUP) or (words.get(SWITCH) and WEIGHTS not in words):
        return layer  # kept as it is, with NS021
    made, kept = Piece(layer.message, layer.owner), Piece(words.message, words.owner)
    made.update(layer)
    kept.update({name: value for name, value in words.items() if name not in (SWITCH, WEIGHTS)})
    if words.get(SWITCH):
        kept[OURS] = words[WEIGHTS]
    made[GROUP] = kept
    word = WEIGHTS if WEIGHTS in words else SWITCH
    fact = f"{word} of {layer.owner}: {explain(words)}"
    diagnostics.add(Diagnostic("NS025", fact, words.span(word)))
    return made


def explain(words: Piece) -> str:
    """What becomes of the fork's words."""
    if WEIGHTS not in words:
        return "it is false, as here"
    if not words.get(SWITCH):
        return f"SegNet's fork heeds it only beside {SWITCH}: true"
    if words.get("normalize") is False or words.get("normalization") not in (None, "VALID"):
        return f"{OURS} says the same here"
    return f"{OURS} here, with which the loss is divided by the sum of the weights, in the fork by the number of labels"
