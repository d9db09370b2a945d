"""The zoo's programs, loaded once, and a part of the zoo in which everything stands that stands in any of it (test_kinds.py holds that).

What costs a second or more for each net runs on that part by default, and on the others under the marker slow.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import pytest

from netspec import driver
from netspec.syntax.paths import zoo_specs

__all__ = ["IN_LARGE_NETS", "SAMPLE", "SPECS", "in_turn", "kinds_in", "program", "sampled"]

SPECS = dict(zoo_specs())
SAMPLE = frozenset(["bidirectional-lstm", "box", "caffenet", "char-rnn", "char-rnn-python", "convnext-t", "dcgan-digits", "dcgan-discriminator", "dcgan-generator", "deconvnet", "deepbind", "deepsea", "efficientnet-b0", "fcn-32s", "fcn-shapes", "gaussian", "gru", "inception-v3", "lenet", "lenet-1989", "lenet-5-mnist", "local-1d", "local-2d", "mobilenet-v2", "neocognitron", "se-resnet-50", "segnet", "shufflenet-v1-g3", "tdnn", "tdnn-2d", "u-net-shapes", "vae-digits", "vit-b-16", "wavenet"])  # fmt: skip
IN_LARGE_NETS = {("Eltwise", "coeff"), ("Eltwise", "axes", 2)}
"""Kinds that stand in nets of over 500 layers only, too dear for every test: the example rows of their types run them."""
SECTIONS = {
    "base", "override", "remove", "insert", "import", "vars", "when", "repeat", "share", "train", "defaults", "dialect", "output",
    "image", "blocks", "include", "exclude", "equivariant", "causal", "receptive_field", "connections",
}  # fmt: skip


@cache
def program(name: str) -> driver.Program:
    return driver.load(str(SPECS[name]))


def sampled(names: Iterable[str] = SPECS) -> list[Any]:
    """The names as parameters of a test: those outside the sample are slow."""
    return [name if name in SAMPLE else pytest.param(name, marks=pytest.mark.slow) for name in names]


def in_turn(words: Sequence[str]) -> list[Any]:
    """Each net of the sample with one of some words, in turn; every other pair of a net and a word is slow."""
    sample = sorted(SAMPLE)
    quick = {(name, words[i % len(words)]) for i, name in enumerate(sample)}
    return [
        pytest.param(name, word, marks=() if (name, word) in quick else pytest.mark.slow)
        for name in SPECS
        for word in words
    ]


def kinds_in(name: str) -> set[tuple[object, ...]]:
    """What stands in a net: types with each parameter that is given and each word of it, weights, numbers of bottoms, tops and axes."""
    typed = program(name).graph()
    text = SPECS[name].read_text(encoding="utf-8")
    found: set[tuple[object, ...]] = {("folder", SPECS[name].parent.name)}
    found |= {("section", key) for key in re.findall(r"[{,\s](\w+):", text) if key in SECTIONS}
    for node in typed.graph.nodes:
        kind = node.layer.type
        given = {key: node.layer.__dict__[key] for key in node.layer.params}
        found |= {(kind, key, value) for key, value in given.items() if isinstance(value, (str, bool))}
        found |= {(kind, key) for key, value in given.items() if value is not None and value != ()}
        found |= {(kind, "weight", ref.name) for ref in typed.weights[node]}
        found |= {(kind, "shared", node.same_as is not None), (kind, "stopped", bool(node.stopped))}
        found |= {(kind, "counts", min(len(node.bottoms), 3), min(len(node.tops), 3))}
        found |= {(kind, "axes", len(typed.types[value].shape)) for value in node.bottoms[:1]}
    return found
