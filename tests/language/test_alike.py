"""Layers that say the same are one object, each at its own place: what passes find out of one is found out once."""

from typing import Any

import pytest

from netspec import driver
from netspec.ir.layer import Layer
from netspec.repair.check import check_source
from netspec.source import Source
from netspec.syntax import expand
from netspec.syntax.expand import Expansion

HEAD = "netspec: 1\ninput: {data: [N, 8, 32, 32]}\nlayers:\n"
SAME = "  - {name: %s, type: Convolution, num_output: 8, kernel_size: 3, pad: 1, weight_filler: msra}\n"


def layers_of(text: str) -> list[Layer]:
    graph = driver.load_source(Source("s.yaml", HEAD + text)).graph("test").graph
    return [node.layer for node in graph.nodes]


def test_what_says_the_same_is_one_object() -> None:
    first, second = layers_of(SAME % "a" + SAME % "b")
    assert first is second


def test_what_says_something_else_is_another() -> None:
    other = SAME.replace("pad: 1", "pad: 2")
    pool = "  - {name: %s, type: Pooling, pool: MAX, kernel_size: 2, stride: 2%s}\n"
    made = layers_of(SAME % "a" + other % "b" + pool % ("p", "") + pool % ("q", ", top: [q, mask]"))
    assert len({id(layer) for layer in made}) == 4
    assert [layer.top_count for layer in made] == [1, 1, 1, 2]


def test_each_is_told_of_at_its_own_place() -> None:
    wide = SAME.replace("pad: 1", "pad: 1, group: 3")
    found = check_source(Source("s.yaml", HEAD + wide % "a" + SAME % "b" + wide % "c, bottom: data"))
    assert [d.span.begin[0] for d in found if d.code == "NS302" and d.span is not None] == [4, 6]


class Forgetful(dict[object, object]):
    """Keeps nothing."""

    def __setitem__(self, key: object, value: object) -> None:
        pass


BLOCKS = """
vars: {wide: 8}
blocks:
  inner:
    vars: {width: 8, deep: false}
    top: [y]
    layers:
      - {name: c, type: Convolution, num_output: $width, kernel_size: 3, pad: 1, weight_filler: msra, bottom: x}
      - {name: r, type: ReLU, when: $deep}
      - {name: y, type: TanH}
  outer:
    vars: {odd: required}
    defaults: {Convolution: {dilation: 1}}
    layers:
      - {name: a, block: inner, repeat: 2, share: %s, vars: {width: $wide, deep: $odd}}
      - {name: b, block: inner, vars: {width: $wide}}
  counted:
    layers:
      - {name: s, type: Power, scale: "${1 + i}"}
"""
USES = """
  - {name: o, block: outer, repeat: 3, vars: {odd: "${i == 2}"}}
  - {name: p, block: outer, vars: {odd: false}}
  - {name: n, block: counted, repeat: 3}
  - {name: q, block: outer, repeat: 2, vars: {odd: false}}
  - {name: e, type: Eltwise, bottom: [q.0.b.c, q]}
"""


@pytest.mark.parametrize("share", ["true", "false"])
def test_uses_with_equal_values_are_those_unrolled_one_by_one(
    share: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source("s.yaml", HEAD.replace("layers:\n", (BLOCKS % share) + "layers:") + USES)
    made = driver.load_source(source).resolved_text()
    counted = []
    whole = Expansion.unroll

    def unroll(self: Expansion, *given: Any) -> Any:
        self.unrolled = Forgetful()  # type: ignore[assignment]
        counted.append(given[0])
        return whole(self, *given)

    monkeypatch.setattr(Expansion, "unroll", unroll)
    assert driver.load_source(source).resolved_text() == made
    assert len(counted) > 20 and made.count("type: Convolution") == 18


def test_copies_count_as_layers_though_none_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expand, "MOST_LAYERS", 300)
    text = "blocks: {b: {layers: [{name: r, type: ReLU}]}}\nlayers:\n  - {name: u, block: b, repeat: 200}\n"
    text += "  - {name: v, block: b, repeat: 200}\n"
    found = check_source(Source("s.yaml", HEAD.replace("layers:\n", text)))
    assert [d.code for d in found] == ["NS008"]
