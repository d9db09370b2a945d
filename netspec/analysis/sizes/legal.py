"""Which input sizes a net takes. In: a typed graph; out: per symbol, arithmetic progressions, found
by trying its requirements on 1..4096.

A net of fixed size is solved with symbols put in for its spatial axes; its weights must keep their
shapes.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from netspec.analysis.cost import batch_symbol
from netspec.analysis.infer import infer_tops
from netspec.analysis.sizes.progressions import Progression, compress
from netspec.diagnostics.model import fail
from netspec.frozen_classes import replace_fields
from netspec.ir.dims import Extremum, Quotient, Size, bounds, evaluate, symbol, symbols
from netspec.ir.graph import Graph, Input, Node, TypedGraph, Value
from netspec.ir.rule import WORDS, Fact, RuleError, at_least, collecting, same
from netspec.ir.types import SPACE, TensorType

__all__ = [
    "LIMIT",
    "Axis",
    "LegalSizes",
    "Violation",
    "as_json",
    "compile_count",
    "legal_sizes",
    "show_side",
    "with_letters",
]

LIMIT, FARTHEST = 4096, 1 << 16
"""Sizes that are tried; behind a net's own size as many more, where that is not too far."""
Demand = tuple[Node, Fact]


class Violation(NamedTuple):
    """Why a size will not do: the layer whose requirement fails, and the requirement with
    numbers.
    """

    sizes: Mapping[str, int]
    node: Node
    why: str

    @property
    def text(self) -> str:
        given = ", ".join(f"{name} = {size}" for name, size in self.sizes.items())
        return f"{given}: {self.node.layer.type} {self.node.name}, {self.why}"


class Axis(NamedTuple):
    """The sizes that one symbol may take by itself. given: the fixed size it stands for; coupled:
    symbols it shares a requirement with.

    assumed: what stands for each of these; limit: the largest size tried;
    illegal: the sizes nearest to the given one, or to the least legal one, that will not do.
    """

    name: str
    where: str
    given: int | None
    progressions: tuple[Progression, ...]
    coupled: tuple[str, ...]
    illegal: tuple[Violation, ...]
    assumed: Mapping[str, Size]
    limit: int = LIMIT

    @property
    def text(self) -> str:
        """`H = 188 + 16n`."""
        if not self.progressions:
            if self.assumed:
                where = f" with {', '.join(f'{other} = {size}' for other, size in self.assumed.items())}"
            else:
                where = ""
            return f"{self.name}: no size from 1 to {self.limit} will do{where}"
        said = ", or ".join(p.text(self.name) for p in self.progressions)
        ends = [p.last for p in self.progressions]
        return said + (
            f" (none was tried beyond {self.limit})"
            if None not in ends and max(e for e in ends if e) > self.limit // 2
            else ""
        )


class LegalSizes:
    """The conditions on a net's open sizes. `demands` hold for some sizes only; `given` are the
    numbers of a net of fixed size.
    """

    def __init__(
        self,
        demands: tuple[Demand, ...],
        places: Mapping[str, str],
        given: Mapping[str, int],
        batch: str,
    ) -> None:
        self.demands = demands
        self.places = places
        self.given = given
        self.batch = batch

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """Every symbol solved; where it is coupled to others, these keep their given numbers, or
        take the same size.
        """
        return tuple(self.solve(name) for name in self.places)

    def of(self, names: Iterable[str]) -> list[Demand]:
        """The demands in which any of these symbols stands."""
        wanted = frozenset(names)
        return [d for d in self.demands if wanted & find_symbols(d[1])]

    def find_coupled(self, name: str) -> tuple[str, ...]:
        """The other symbols that stand in a requirement with this one."""
        return tuple(sorted(frozenset[str]().union(*(find_symbols(f) for _, f in self.of([name]))) - {name}))

    def solve(self, name: str) -> Axis:
        """Where others hang together with it, their own requirements count too."""
        together = self.together(name)
        assumed = self.assume_others(
            name, frozenset[str]().union(*(find_symbols(f) for _, f in self.of(together))) - {name}
        )
        demands = [(node, put_in(fact, assumed)) for node, fact in self.of(together)]
        decide = compile_test([fact for _, fact in demands], name)
        given = self.given.get(name, 0)
        if LIMIT // 2 < given <= FARTHEST:
            limit = given + LIMIT
        else:
            limit = LIMIT
        legal = [decide(n) for n in range(1, limit + 1)]
        around = self.given.get(name) or next((n for n, fine in enumerate(legal, 1) if fine), 0)
        below = next((n for n in range(min(around - 1, limit), 0, -1) if not legal[n - 1]), None)
        above = next((n for n in range(around + 1, limit + 1) if not legal[n - 1]), None)
        bad = tuple(self.violation({name: n}, demands) for n in (below, above) if n is not None)
        others = self.find_coupled(name)
        found = compress(legal)
        if given > limit and decide(given) and not any(p.goes_on_to(given) for p in found):
            found = (*found, Progression(given, 1, given))
        return Axis(
            name,
            self.places[name],
            self.given.get(name),
            found,
            others,
            bad,
            {o: assumed[o] for o in others},
            limit,
        )

    def together(self, name: str) -> frozenset[str]:
        """The symbols to solve for that hang together with one, directly or through others, and
        itself.
        """
        found, fresh = frozenset[str](), frozenset((name,))
        while fresh:
            found |= fresh
            fresh = (
                frozenset(o for _, fact in self.of(fresh) for o in find_symbols(fact) if o in self.places)
                - found
            )
        return found

    def assume_others(self, name: str, others: Iterable[str]) -> dict[str, Size]:
        """What stands in for other symbols: their numbers, 1 for a count of samples, else the
        symbol itself (square inputs).
        """
        square = {o: symbol(name) for o in others if o in self.places}
        return {o: self.given.get(o, square.get(o, 1)) for o in sorted(others)}

    def violation(self, sizes: Mapping[str, int], demands: Iterable[Demand]) -> Violation:
        for node, fact in demands:
            if verdict(fact, sizes) is not True:
                left, right = (show_side(side, sizes) for side in (fact.left, fact.right))
                return Violation(
                    sizes, node, f"{fact.because}: {left} {WORDS[fact.kind]} {right} does not hold"
                )
        raise ValueError(f"{sizes} is legal")

    def refuses(self, sizes: Mapping[str, int]) -> Violation | None:
        """The first requirement that sizes for all symbols break; None where they are legal.

        A count of samples that is not among the sizes is 1; what it alone must be is not judged.
        """
        samples = dict.fromkeys(
            frozenset[str]().union(*(find_symbols(fact) for _, fact in self.demands)) - self.places.keys(),
            1,
        )
        every = {**self.given, **samples, **sizes}
        asked = self.places.keys() | sizes.keys()
        broken = [
            (node, fact)
            for node, fact in self.demands
            if find_symbols(fact) & asked and verdict(fact, every) is not True
        ]
        if broken:
            return self.violation(every, broken)
        return None


def find_symbols(fact: Fact) -> frozenset[str]:
    """The symbols that stand in a requirement."""
    return symbols(fact.left) | symbols(fact.right)


def telling(demands: tuple[Demand, ...]) -> tuple[Demand, ...]:
    """Without demands on several symbols that follow from those on each by itself: (H - 4)*(W - 4)
    >= 0 where H and W are at least 5.
    """
    several = [fact for _, fact in demands if len(find_symbols(fact)) > 1]
    if not several:
        return demands
    own: dict[str, list[Fact]] = {name: [] for fact in several for name in sorted(find_symbols(fact))}
    for _, fact in demands:
        for name in find_symbols(fact) if len(find_symbols(fact)) == 1 else ():
            own.setdefault(name, []).append(fact)
    from_there: dict[str, Size] = {
        name: symbol(name) + (least(facts, name) - 1) for name, facts in own.items()
    }
    return tuple(
        (node, fact)
        for node, fact in demands
        if len(find_symbols(fact)) < 2 or fact.holds(from_there) is not True
    )


def least(facts: Iterable[Fact], name: str) -> int:
    """The least size that meets requirements on one symbol; 1 where none is found."""
    decide = compile_test(facts, name)
    return next((n for n in range(1, LIMIT + 1) if decide(n)), 1)


def legal_sizes(typed: TypedGraph) -> LegalSizes:
    """Solve for the symbols of a net's inputs, the batch apart; or, where all its sizes are
    numbers, for its spatial axes.

    Raises SpecError (NS331) where a layer cannot be typed with symbols at all.
    """
    batch = batch_symbol(typed)
    places: dict[str, str] = {}
    for given in typed.graph.inputs:
        for axis, size in enumerate(typed.types[given.value].shape):
            if not isinstance(size, int):
                for name in sorted(symbols(size) - {batch}):
                    places.setdefault(name, f"axis {axis} of {given.value.name}")
    if places:
        return LegalSizes(telling(tuple(retype(typed, typed.types))), places, {}, batch)
    types, places, numbers = open_inputs(typed)
    return LegalSizes(telling(tuple(retype(typed, types))), places, numbers, batch)


def with_letters(graph: Graph) -> Graph:
    """A graph whose sizes may not fit, with letters for the numbers of its inputs' space: H, W,
    then H2, W2.
    """
    given: list[Input] = []
    for count, each in enumerate(graph.inputs, 1):
        if each.type is None:
            given.append(each)
            continue
        letters = axis_letters(each.type.axes, count)
        space = [
            symbol(letter) if isinstance(size, int) and size > 1 else size
            for letter, size in zip(letters, each.type.space, strict=True)
        ]
        lead = each.type.shape[: each.type.rank - len(space)]
        given.append(each._replace(type=each.type._replace(shape=(*lead, *space))))
    return replace_fields(graph, inputs=tuple(given))


def open_inputs(
    typed: TypedGraph,
) -> tuple[dict[Value, TensorType], dict[str, str], dict[str, int]]:
    """Inputs with symbols put in for their spatial axes: H and W for the first input that has any,
    H2 and W2 for the next.

    A letter that stands for something else, such as the batch, is passed over: then H2 and W2 are
    the first.
    """
    taken = {
        name for i in typed.graph.inputs for size in typed.types[i.value].shape for name in symbols(size)
    }
    types: dict[Value, TensorType] = {}
    places: dict[str, str] = {}
    numbers: dict[str, int] = {}
    count = 0
    for given in typed.graph.inputs:
        type_ = typed.types[given.value]
        count += type_.axes > 0
        while taken & set(axis_letters(type_.axes, count)):
            count += 1
        space: list[Size] = []
        for axis, (letter, size) in enumerate(
            zip(axis_letters(type_.axes, count), type_.space, strict=True), 2
        ):
            if isinstance(size, int):
                places[letter], numbers[letter] = f"axis {axis} of {given.value.name}", size
            space.append(symbol(letter) if isinstance(size, int) else size)
        if space:
            types[given.value] = type_.replaced(space=tuple(space))
        else:
            types[given.value] = type_
    return types, places, numbers


def axis_letters(axes: int, count: int) -> tuple[str, ...]:
    """H and W for the spatial axes of the first input, H2 and W2 of the second."""
    return tuple(
        f"{letter}{count if count > 1 else ''}"
        for letter in SPACE.get(axes, tuple(f"D{i}" for i in range(axes)))
    )


def retype(typed: TypedGraph, given: Mapping[Value, TensorType]) -> Iterable[Demand]:
    """Type the graph again from these inputs, and say what that demands of their symbols. Weights
    keep the shapes they have.
    """
    types = {i.value: given[i.value] for i in typed.graph.inputs}
    for node in typed.graph.nodes:
        bottoms = tuple(types[v] for v in node.bottoms)
        try:
            with collecting() as facts:
                tops = infer_tops(node.layer, bottoms, len(node.tops))
                keep_weights(typed, node, bottoms)
                for size in (size for top in tops for size in top.shape):
                    if not isinstance(size, int) and bounds(size)[0] < 0:
                        at_least(size, 0, "a size cannot be negative")
        except (RuleError, TypeError, ValueError, IndexError, AttributeError) as error:
            fact = f"{node.layer.type} {node.name} takes numbers only: {error}"
            raise fail("NS331", fact, span=node.places["type"]) from error
        types.update(zip(node.tops, tops, strict=True))
        yield from ((node, fact) for fact in dict.fromkeys(facts))


def keep_weights(typed: TypedGraph, node: Node, bottoms: tuple[TensorType, ...]) -> None:
    """Require that the weights have the shapes they have now."""
    for old, new in zip(typed.weights[node], node.layer.weights(*bottoms), strict=True):
        for i, (number, size) in enumerate(zip(old.shape, new.shape, strict=True)):
            same(size, number, f"axis {i} of {old.name} must keep its size")


def put_in(fact: Fact, sizes: Mapping[str, Size]) -> Fact:
    if sizes:
        return fact._replace(left=evaluate(fact.left, sizes), right=evaluate(fact.right, sizes))
    return fact


def verdict(fact: Fact, sizes: Mapping[str, int]) -> bool | None:
    """Whether a fact holds; a size that cannot be computed does not."""
    try:
        return fact.holds(sizes)
    except ZeroDivisionError:
        return False


def show_side(side: Size, sizes: Mapping[str, int]) -> str:
    try:
        value = str(evaluate(side, sizes))
    except ZeroDivisionError:
        return str(side)
    if isinstance(side, int):
        return value
    return f"{side} = {value}"


# --- trying all sizes ------------------------------------------------------------------------------------------------


def compile_test(facts: Iterable[Fact], name: str) -> Callable[[int], bool]:
    """One function of the symbol that says whether all facts hold; common parts are computed
    once.
    """
    every = tuple(facts)
    kept, count = compile_count(every, name), len(every)
    return lambda n: kept(n) == count


def compile_count(facts: Iterable[Fact], name: str) -> Callable[[int], int]:
    """One function of the symbol that says how many facts hold before the first that does not."""
    work = Work(name)
    for count, fact in enumerate(facts, 1):
        left, right = work.size(fact.left), work.size(fact.right)
        test = {
            "same": f"{left} != {right}",
            "at_least": f"{left} < {right}",
            "divides": f"{left} == 0 or {right} % {left}",
        }[fact.kind]
        work.lines += [f"  if {test}: return kept", f"  kept = {count}"]
    text = "\n".join(
        [
            "def legal(n):",
            " kept = 0",
            " try:",
            "  pass",
            *work.lines,
            " except ZeroDivisionError: pass",
            " return kept",
        ]
    )
    space: dict[str, Any] = {}
    # 4,096 sizes in 1 to 3 ms; the text holds numbers and names of ours, none of a spec's
    exec(text, space)
    found: Callable[[int], int] = space["legal"]
    return found


class Work:
    """Lines of Python that compute sizes from n; `known` leads from an atom's text to the variable
    that holds it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[str] = []
        self.known: dict[str, str] = {name: "n"}

    def size(self, size: Size) -> str:
        if isinstance(size, int):
            return f"({size})"
        terms = []
        for monomial, count in size.terms.items():
            factors = [self.atom(atom) for atom, power in monomial for _ in range(power)]
            terms.append("*".join([str(count), *factors] if count != 1 or not factors else factors))
        return f"({' + '.join(terms)})"

    def atom(self, atom: Any) -> str:
        if atom.text not in self.known:
            if isinstance(atom, Quotient):
                value = f"{self.size(atom.numerator)} // {self.size(atom.denominator)}"
            elif isinstance(atom, Extremum):
                value = f"{atom.kind}({', '.join(map(self.size, atom.arguments))})"
            else:
                raise RuleError("NS302", f"{atom.text} is open: it is not {self.name}")
            self.known[atom.text] = f"v{len(self.known)}"
            self.lines.append(f"  {self.known[atom.text]} = {value}")
        return self.known[atom.text]


def as_json(found: LegalSizes) -> dict[str, Any]:
    """Per symbol: where it stands, its progressions [start, step, last], what it is coupled to, the
    nearest illegal sizes.
    """
    return {
        axis.name: {
            "where": axis.where,
            "given": axis.given,
            "progressions": [{"start": p.start, "step": p.step, "last": p.last} for p in axis.progressions],
            "coupled": list(axis.coupled),
            "illegal": [
                {"size": v.sizes[axis.name], "layer": v.node.name, "why": v.why} for v in axis.illegal
            ],
        }
        for axis in found.axes
    }
