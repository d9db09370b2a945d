"""How open sizes hang together, in words that are held against the requirements themselves, at every place of a small space."""

import random
import re
from itertools import product

import pytest
from analysis_specs import net, typed

from netspec.analysis.sizes.coupling import factor, joint, primitive, split
from netspec.analysis.sizes.legal import legal_sizes
from netspec.ir.dims import Dim, Size, bounds, evaluate, smallest, symbol, symbols

H, W, N = symbol("H"), symbol("W"), symbol("N")
SPACE = [dict(zip("HWN", sizes, strict=True)) for sizes in product(range(1, 13), range(1, 11), (1, 4, 7))]
CONV = "type: Convolution, num_output: 2, kernel_size"
HALF = "type: Pooling, kernel_size: 2, stride: 2, round_mode: FLOOR"
COUPLED = {
    "one product": ("[N, 4, H, W]", f"name: p, {HALF}\nname: r, type: Reshape, shape: [0, 24]"),
    "a flat input": ("[N, 3, 10, 8]", f"name: c, {CONV}: 5\nname: f, type: Flatten\nname: ip, type: InnerProduct, num_output: 3"),
    "divides": ("[N, 3, H, W]", "name: r, type: Reshape, shape: [0, -1, 10]"),
    "the batch too": ("[N, 4, H, W]", f"name: c, {CONV}: 2\nname: r, type: Reshape, shape: [-1, 7]"),
    "the batch alone": ("[N, H]", "name: s, type: Reduction, axis: 1\nname: r, type: Reshape, shape: [-1, 4]"),
    "sums on both sides": ("[N, 2, H, W]", f"name: a, {CONV}: [3, 1]\nname: b, {CONV}: [1, 3], bottom: data\n"
                           "name: f, type: Flatten, bottom: a\nname: g, type: Flatten, bottom: b\nname: e, type: Eltwise, bottom: [f, g]"),
}  # fmt: skip


def value(text: str, sizes: dict[str, int]) -> int:
    return int(eval(text, {"min": min, "max": max, **sizes}))


def is_met(requirement: str, sizes: dict[str, int]) -> bool:
    """`A = B`, `A divides B` or `A >= B`, read by Python."""
    left, word, right = re.split(r" (=|divides|>=) ", requirement)
    a, b = value(left, sizes), value(right, sizes)
    return a == b if word == "=" else b % a == 0 if word == "divides" else a >= b


@pytest.mark.parametrize("name", COUPLED)
def test_what_is_said_is_what_is_required(name: str) -> None:
    """Each requirement on several symbols, or on the batch alone, is one sentence: true where the requirement holds, with its symbols."""
    found = legal_sizes(typed(net(*COUPLED[name])))
    wanted = [(node, fact) for node, fact in found.demands if len(symbols(fact.left) | symbols(fact.right)) > 1 or not
              (symbols(fact.left) | symbols(fact.right)) & found.places.keys()]  # fmt: skip
    said = joint(found)
    assert said
    by_text: dict[str, list[bool]] = {}
    for sentence in said:
        names, node, requirement = re.fullmatch(
            r"(.*?) (?:are coupled|is bound) by (\w+): (.*)", sentence
        ).groups()  # type: ignore[union-attr]
        used = sorted(set(re.findall(r"\b[A-Z]\d*\b", requirement)))
        assert re.split(", | and ", names) == used
        by_text[f"{node} {used}"] = [is_met(requirement, sizes) for sizes in SPACE]
        assert len(set(by_text[f"{node} {used}"])) == 2, "a requirement that says nothing here"
    for node, fact in wanted:
        used = sorted(symbols(fact.left) | symbols(fact.right))
        assert by_text.pop(f"{node.name} {used}") == [fact.holds(sizes) for sizes in SPACE]
    assert not by_text


def test_each_requirement_is_said_once_and_none_of_one_axis() -> None:
    found = legal_sizes(
        typed(
            net(
                "[N, 2, H, W]",
                f"name: a, {CONV}: 3\nname: b, {CONV}: 3, bottom: data\nname: c, {CONV}: [4, 2]",
            )
        )
    )
    assert joint(found) == ()
    twice = (
        "name: r, type: Reshape, shape: [0, -1, 10]\nname: s, type: Reshape, shape: [0, -1, 10], bottom: data"
    )
    assert [line.partition(":")[0] for line in joint(legal_sizes(typed(net("[N, 3, H, W]", twice))))] == [
        "H, N and W are coupled by r",
        "H, N and W are coupled by s",
    ]


def own(draw: random.Random, x: Size, y: Size) -> Size:
    """A sum in one symbol."""
    return draw.choice(
        (
            x,
            x + draw.randint(-4, 4),
            x * x + 2 * x,
            x // 2,
            3 * (x // 2) - 1,
            2 * x + 4,
            x * x - 3,
            smallest(x, 5),
        )
    )


@pytest.mark.parametrize("seed", range(60))
def test_products_are_written_as_products(seed: int) -> None:
    """A number and one sum per symbol: the text has one factor for each, and is worth what the size is."""
    draw = random.Random(seed)
    count, a, b = draw.choice((1, 2, -3, 16)), own(draw, H, W), own(draw, W, H)
    c: Size = own(draw, N, H) if seed % 3 == 0 else 1
    size = count * a * b * c
    text = factor(size)
    assert all(value(text, sizes) == evaluate(size, sizes) for sizes in SPACE)
    assert isinstance(size, Dim)
    factors = re.sub(r"\([^()]*(\([^()]*\)[^()]*)*\)", "x", text.removeprefix("-"))
    assert " " not in factors, f"a sum, not a product: {text}"


@pytest.mark.parametrize(
    "size", [H * W + H + 2, H * W + W * W - H, H // W * W, H * W + 3 * smallest(H, W), H * W + N]
)
def test_what_is_no_product_stays_as_it_is(size: Size) -> None:
    assert factor(size) == str(size)
    assert isinstance(size, Dim)
    assert split(size, "H") is None


def test_the_parts_of_a_product() -> None:
    """count * own * rest: own in one symbol, rest without it, neither with a common factor, rest's first term positive."""
    for count, a, b in product(
        (1, 2, -6), (H, 2 * H - 3, H * H + H // 2), (W, W - 5, N * W - 2 * W + 4, -(W * W) + 2)
    ):
        size = count * a * b
        assert isinstance(size, Dim)
        found = split(size, "H")
        assert found is not None
        number, mine, rest = found
        assert number * mine * rest == size
        assert symbols(mine) == {"H"} and "H" not in symbols(rest)
        assert primitive(rest.terms) == rest.terms and abs(number) == abs(count)
        assert bounds(size) == bounds(number * mine * rest)


def test_one_symbol_or_none_is_written_as_it_stands() -> None:
    for size in (7, H, 4 * H + 8, H * H - H, H // 3 + 2):
        assert factor(size) == str(size)
    assert factor(16 * (H // 4) * (W // 4)) == "16*(H//4)*(W//4)"
    assert factor(2 * (H - 4) * (W - 4)) == "2*(H - 4)*(W - 4)"
    assert factor(H * W) == "H*W"
