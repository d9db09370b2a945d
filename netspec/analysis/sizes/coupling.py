"""Says in words how open sizes hang together. In: legal sizes; out: a sentence for each requirement
that holds several symbols.
"""

from math import gcd

from netspec.analysis.sizes.legal import LegalSizes
from netspec.ir.dims import Dim, Monomial, Size, Terms, symbols
from netspec.ir.rule import WORDS, Fact

__all__ = ["factor", "joint"]


def joint(found: LegalSizes) -> tuple[str, ...]:
    """`H and W are coupled by ip1: 16*(H//4)*(W//4) = 400`, for each requirement that holds several
    symbols, in the net's order.

    A requirement on the batch alone is told, too: `N is bound by r: 4 divides N`.
    """
    said: dict[str, None] = {}
    for node, fact in found.demands:
        names = sorted(symbols(fact.left) | symbols(fact.right))
        if len(names) > 1:
            said[
                f"{', '.join(names[:-1])} and {names[-1]} are coupled by {node.name}: {state_requirement(fact)}"
            ] = None
        elif names and names[0] not in found.places:
            said[f"{names[0]} is bound by {node.name}: {state_requirement(fact)}"] = None
    return tuple(said)


def state_requirement(fact: Fact) -> str:
    """`16*H*W = 400`: products as products, what is equal on two sides."""
    word = "=" if fact.kind == "same" else WORDS[fact.kind]
    return f"{factor(fact.left)} {word} {factor(fact.right)}"


def factor(size: Size) -> str:
    """A sum as the product of a number and one sum per symbol, where it is one; else as it
    stands.
    """
    names = sorted(symbols(size))
    if not isinstance(size, Dim) or len(names) < 2:
        return str(size)
    for name in names:
        parts = split(size, name)
        if parts is not None:
            count, own, rest = parts
            factors = [bracket(factor(part)) for part in (own, rest)]
            return "*".join([*([str(count)] if count != 1 else []), *factors])
    return str(size)


def split(size: Dim, name: str) -> tuple[int, Dim, Dim] | None:
    """size = count * own * rest, own in one symbol alone and rest without it; None where there is
    no such product.
    """
    table: dict[Monomial, Terms] = {}
    for monomial, count in size.terms.items():
        mine = tuple((atom, power) for atom, power in monomial if name in atom.names)
        if any(atom.names != {name} for atom, _ in mine):
            return None
        table.setdefault(mine, {})[tuple(pair for pair in monomial if pair not in mine)] = count
    rows = list(table.values())
    shape, scales = primitive(rows[0]), []
    for row in rows:
        scale = row.get(next(iter(shape)), 0) // next(iter(shape.values()))
        if row != {key: scale * count for key, count in shape.items()}:
            return None
        scales.append(scale)
    common = gcd(*scales)
    return (
        common,
        Dim({mine: scale // common for mine, scale in zip(table, scales, strict=True)}),
        Dim(shape),
    )


def primitive(terms: Terms) -> Terms:
    """The terms without their common factor, the first of highest degree counted positive."""
    lead = max(terms, key=lambda m: sum(power for _, power in m))
    common = gcd(*terms.values()) * (1 if terms[lead] > 0 else -1)
    return {monomial: count // common for monomial, count in terms.items()}


def bracket(text: str) -> str:
    if text.isidentifier() or text.isdigit():
        return text
    return f"({text})"
