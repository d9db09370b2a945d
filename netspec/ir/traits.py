"""Traits: what passes may ask of a layer type, a closed set, each with what it says and what a type
that bears it owes. Knows no layer.
"""

from typing import NamedTuple

__all__ = ["ASIDE", "JUDGING", "SOURCE", "TRAITS", "DefinitionError", "Trait", "check_traits"]

PER_BOTTOM = ".N"


class DefinitionError(Exception):
    """A layer type that says of itself what cannot be: the fact, and notes."""

    def __init__(self, fact: str, *notes: str) -> None:
        super().__init__(fact)
        self.fact = fact
        self.notes = notes


class Trait(NamedTuple):
    """says: what is so of a type that bears it. owes: what passes then rely on. methods: those that
    the type must define itself.
    """

    says: str
    owes: str
    methods: tuple[str, ...] = ()


TRAITS: dict[str, Trait] = {
    "batch_statistics": Trait(
        "normalises by means that training takes of the whole batch",
        "`batch_in_training`, where a parameter keeps it from that",
    ),
    "data": Trait(
        "reads or makes its tops itself, which a call may pass in instead",
        "no bottoms; `reads`, where a file lies behind it",
    ),
    "dropout": Trait(
        "leaves its bottom alone outside training",
        "a top of the bottom's shape; `passes_on`, where a parameter says otherwise",
    ),
    "each_bottom": Trait(
        "Caffe's form with several bottoms does the same to each, with the same weights",
        "one bottom and one top here",
    ),
    "elementwise": Trait(
        "a unit of the top is made of the units at its own place in the bottoms",
        "a top of a bottom's shape; `field`, where something else is read besides",
    ),
    "has_bias": Trait("may add a bias per channel", "a weight called `bias` where it does"),
    "input": Trait("declares inputs of the net", "no bottoms"),
    "joins": Trait("lays bottoms side by side", "`along`: the axis", ("along",)),
    "logistic": Trait(
        "takes the sigmoid of each value",
        "nothing else done to it: a loss with takes_logits may do it as well",
    ),
    "loss": Trait("a loss: training makes its first top small", "a first top of one number"),
    "metric": Trait("a measure of a test, which no training follows", "trait no_gradient"),
    "no_gradient": Trait("no gradient reaches its bottoms", "none arrives there"),
    f"no_gradient{PER_BOTTOM}": Trait("no gradient reaches bottom N, counted from 0", "none arrives there"),
    "normalizes_scores": Trait(
        "makes shares of scores, along an axis",
        "a parameter `axis`, which heads that read the scores take over",
    ),
    "pooling": Trait(
        "makes one value of many, channel by channel",
        "`averages_border`, where means count a border",
    ),
    "rearranges": Trait(
        "moves, repeats or leaves out whole slices along one axis",
        "nothing computed; `field` leaves that axis out",
    ),
    "recurrent": Trait(
        "walks along time, axis 0 of its bottoms, batch on axis 1",
        "`state`, where a call leaves something for the next",
    ),
    "stands_in": Trait(
        "stands for a type that is defined elsewhere",
        "`stands_for`; nothing else of it is used",
        ("stands_for",),
    ),
    "stochastic": Trait("draws numbers in training", "`draws`, where only a parameter makes it do so"),
    "takes_logits": Trait("a loss that takes the sigmoid of its first bottom itself", "trait loss"),
    "takes_scores": Trait("a loss that normalises its first bottom itself, by a softmax", "trait loss"),
    "takes_shares": Trait(
        "a loss whose labels may be shares of the classes",
        "a label of the scores' shape, real numbers, counts so",
    ),
    "transposed": Trait("its windows slide over the top, not the bottom", "trait windowed"),
    "unpools": Trait(
        "puts values back where a pooling took them, by the mask in bottom 1",
        "indices in bottom 1, where there is one",
    ),
    "view": Trait(
        "the same numbers in another shape, or a part of them",
        "a top in the bottom's memory: it takes none of its own",
    ),
    "windowed": Trait(
        "slides a window over the axes after the channels",
        "`window`; `bottom`, where it is not the first bottom as it stands; `border_mode`, where the border"
        " holds no constant",
        ("window",),
    ),
}

IMPLIED = {
    "metric": "no_gradient",
    "takes_logits": "loss",
    "takes_scores": "loss",
    "takes_shares": "loss",
    "transposed": "windowed",
}

SOURCE = frozenset(("data", "input"))
"""Traits of layers whose tops are inputs of the net."""
JUDGING = frozenset(("loss", "metric"))
"""Traits of layers that say how good the net is; a deployed net has none of them."""
ASIDE = SOURCE | JUDGING
"""Layers with these are passed over when a bottom is left out: they do not carry the net's value
on.
"""


def check_traits(name: str, traits: frozenset[str]) -> None:
    """Refuse, as DefinitionError, what is no trait, or is borne without the one that it takes for
    granted.
    """
    for trait in sorted(traits):
        head, dot, number = trait.partition(".")
        if dot and number.isdecimal():
            known = f"{head}{PER_BOTTOM}"
        else:
            known = trait
        if known not in TRAITS or trait.endswith(PER_BOTTOM):
            raise unknown(name, trait)
        if not traits.issuperset({IMPLIED.get(trait, trait)}):
            raise DefinitionError(
                f"{name} has trait {trait}, which needs trait {IMPLIED[trait]}: {TRAITS[trait].says}"
            )


def unknown(name: str, trait: str) -> DefinitionError:
    """What to say of a word that is no trait."""
    from netspec.diagnostics.suggest import nearest

    near = nearest(trait, TRAITS)
    meant = f": did you mean {near[0]}?" if near else ""
    return DefinitionError(
        f"{trait!r}, of {name}, is no trait of a layer{meant}",
        f"there are {', '.join(TRAITS)} (docs/traits.md)",
    )
