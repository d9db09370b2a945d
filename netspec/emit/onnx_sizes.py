"""Sizes at run time: an expression over symbols becomes int64 arithmetic on the shapes of the
graph's inputs. Knows no layer.
"""

from collections.abc import Sequence

from netspec.emit.onnx_builder import Calls, Operand
from netspec.ir.dims import Atom, Dim, Extremum, Quotient, Size, bounds, untrace

__all__ = ["Sizes"]


class Sizes(Calls):
    """`size` and `sizes`: what a Dim is worth in the call at hand, as a constant where it is a
    number.
    """

    def __init__(self) -> None:
        super().__init__()
        self.symbols: dict[str, tuple[Operand, int]] = {}
        """Where each symbol stands alone: an input and its axis."""
        self.measured: dict[str, Operand] = {}

    def sizes(self, shape: Sequence[Size]) -> Operand:
        """The shape as a 1-D int64 tensor: for Reshape, Expand, Slice, Pad, ConstantOfShape."""
        shape = [untrace(s) for s in shape]
        if all(isinstance(s, int) for s in shape):
            return self.const(tuple(shape), "int64")
        return self.Concat(*(self.size(s) for s in shape), axis=0) if len(shape) > 1 else self.size(shape[0])

    def size(self, size: Size) -> Operand:
        """One size as an int64 tensor of shape [1]. Computed once, in the main graph, so that
        subgraphs can use it too.
        """
        size = untrace(size)
        if isinstance(size, int):
            return self.const((size,), "int64")
        if str(size) not in self.measured:
            outer, self.scope = self.scope, self.main
            self.measured[str(size)] = self.polynomial(size)
            self.scope = outer
        return self.measured[str(size)]

    def polynomial(self, size: Dim) -> Operand:
        total: Operand | None = None
        for monomial, count in size.terms.items():
            term = None if count == 1 and monomial else self.size(count)
            for atom, power in monomial:
                value = self.atom(atom)
                for _ in range(power):
                    if term is None:
                        term = value
                    else:
                        term = self.Mul(term, value)
            total = term if total is None else self.Add(total, term)
        assert total is not None, "a Dim has at least one term"
        return total

    def atom(self, atom: Atom) -> Operand:
        if isinstance(atom, Quotient):
            return self.floor_quotient(atom)
        if isinstance(atom, Extremum):
            operands = [self.size(a) for a in atom.arguments]
            return self.call("Min" if atom.kind == "min" else "Max", *operands)  # type: ignore[no-any-return]
        if atom.text not in self.symbols:
            raise self.refuse(
                f"a size that depends on {atom.text} must be computed, and {atom.text} stands alone in no"
                " input's shape"
            )
        if atom.text not in self.measured:
            value, axis = self.symbols[atom.text]
            self.measured[atom.text] = self.Shape(value, start=axis, end=axis + 1)
        return self.measured[atom.text]

    def floor_quotient(self, atom: Quotient) -> Operand:
        """floor(a / b). ONNX's Div cuts towards zero, its Mod has the divisor's sign: (a - a mod b)
        / b where a may be negative.
        """
        a, b = self.size(atom.numerator), self.size(atom.denominator)
        if bounds(atom.numerator)[0] < 0:
            a = self.Sub(a, self.Mod(a, b))
        return self.Div(a, b)  # type: ignore[no-any-return]
