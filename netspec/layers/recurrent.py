"""Layers with a memory, time on axis 0 and streams on axis 1: RNN, LSTM, and LSTMUnit, one step of
it.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.ir.dims import Size, product
from netspec.ir.field import Reads, Step, past, same_place
from netspec.ir.layer import Example, Filler, Kept, Layer, ModuleText, Weight, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError, same
from netspec.ir.types import TensorType
from netspec.record import param

__all__ = ["LSTM", "RNN", "LSTMUnit"]

MARKS = "cont must have a number for each step and stream"


class Recurrent(Layer, param="recurrent_param", bottoms=(2, 5), tops=(1, 3), traits=("recurrent",)):
    """What RNN and LSTM share. Bottoms: x (T, N, ...), cont (T, N), 0 where a sequence begins, then
    a static input (N, ...) and, with expose_hidden, the first state; tops: y (T, N, num_output)
    and, with expose_hidden, the last state.
    """

    hidden: ClassVar[int]
    gates: ClassVar[int]
    made: ClassVar[int]
    """Numbers that a step keeps for each unit until the backward pass."""

    num_output: int = param(ge=1, doc="length of the state and of the output")
    weight_filler: Filler = param(default=Filler(), doc="how the matrices are initialised")
    bias_filler: Filler = param(default=Filler(), doc="how the biases are initialised")
    expose_hidden: bool = param(
        default=False, doc="take the first state as bottoms and give the last one as tops"
    )
    debug_info: bool = param(default=False, doc="accepted, without meaning here")
    carry_state: bool = param(
        default=True,
        dialects={"torch": False, "tf": False},
        doc=(
            "begin from the state that the call before left, unless expose_hidden (beyond Caffe, which always"
            " does)"
        ),
    )

    state_gradient: bool = param(
        default=False,
        dialects={"torch": True, "tf": True},
        doc=(
            "with expose_hidden: gradients that reach the last state go back through time (beyond Caffe,"
            " which drops them)"
        ),
    )

    def split_bottoms(self, bottoms: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """The static input, or None, and the exposed state."""
        exposed = self.hidden if self.expose_hidden else 0
        more = bottoms[2:]
        if not exposed <= len(more) <= exposed + 1:
            if exposed:
                state = f" and the {exposed} parts of the first state"
            else:
                state = ""
            raise RuleError(
                "NS205",
                f"{self.type} takes x, cont, perhaps a static input{state}: it has {len(bottoms)} bottoms",
                at="bottom",
            )
        if self.top_count != 1 + exposed:
            raise RuleError(
                "NS206", f"{self.type} makes {1 + exposed} tops here: it has {self.top_count}", at="top"
            )
        return more[0] if len(more) > exposed else None, more[len(more) - exposed :]

    def infer(self, *bottoms: TensorType) -> tuple[TensorType, ...]:
        x, cont, static, state = *bottoms[:2], *self.split_bottoms(bottoms)
        if x.rank < 3 or cont.rank != 2:
            raise RuleError(
                "NS303",
                f"{self.type} needs x (T, N, ...) and cont (T, N): they are {x} and {cont}",
                at="bottom.0" if x.rank < 3 else "bottom.1",
            )
        same(cont.shape[0], x.shape[0], MARKS, at="bottom.1")
        same(cont.shape[1], x.shape[1], MARKS, at="bottom.1")
        if static is not None:
            if static.rank < 2:
                raise RuleError("NS303", f"a static input is (N, ...): it is {static}", at="bottom.2")
            same(static.shape[0], x.shape[1], "the static input needs a row for each stream", at="bottom.2")
        first = TensorType((1, x.shape[1], self.num_output))
        for i, given in enumerate(state, len(bottoms) - len(state)):
            for a, b in zip(given.shape, first.shape, strict=False):
                same(a, b, f"the first state must be {first}", at=f"bottom.{i}")
            if given.rank != 3:
                raise RuleError("NS303", f"the first state must be {first}: it is {given}", at=f"bottom.{i}")
        return TensorType((x.shape[0], x.shape[1], self.num_output)), *(first,) * len(state)

    def indices(self, *bottoms: TensorType) -> dict[int, Size]:
        return {1: 2}

    @property
    def silent(self) -> frozenset[int]:
        if self.expose_hidden and not self.state_gradient:
            return frozenset(range(1, 1 + self.hidden))
        return frozenset()

    def weights(self, *bottoms: TensorType) -> Iterator[Weight]:
        static, rows = self.split_bottoms(bottoms)[0], self.gates * self.num_output
        yield Weight("weight_x", (rows, product(bottoms[0].shape[2:])), self.weight_filler)
        yield Weight("bias", (rows,), self.bias_filler)
        if static is not None:
            yield Weight("weight_static", (rows, product(static.shape[1:])), self.weight_filler)
        yield Weight("weight_h", (rows, self.num_output), self.weight_filler)

    def state(self, *bottoms: TensorType) -> Iterator[tuple[str, tuple[Size, ...]]]:
        if self.carry_state and not self.expose_hidden:
            for name in ("h", "c")[: self.hidden]:
                yield name, (bottoms[0].shape[1], self.num_output)

    def macs(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Size:
        static, rows = self.split_bottoms(bottoms)[0], self.gates * self.num_output
        if static is not None:
            once = bottoms[0].shape[1] * product(static.shape[1:]) * rows
        else:
            once = 0
        return product(bottoms[0].shape) * rows + product(tops[0].shape) * rows + once

    def field(self, *bottoms: TensorType) -> tuple[Reads, ...]:
        static, state = self.split_bottoms(bottoms)
        rest: tuple[Reads, ...] = ((None, Step(0)),) * (static is not None) + ((None, Step(1)),) * len(state)
        return ((past(0), Step(1)), (past(0), Step(1)), *rest)

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """All but a given state, and what the equations of a step make: so many numbers a unit, the
        first cell state among them.
        """
        first = (self.hidden - 1) * bottoms[0].shape[1] * self.num_output
        return Kept(
            tuple(range(3 if self.split_bottoms(bottoms)[0] is not None else 2)),
            own=4 * (self.made * tops[0].size - first),
        )

    def torch(self, *bottoms: TensorType) -> ModuleText:
        static = self.split_bottoms(bottoms)[0]
        usual = {"static": 0, "expose_hidden": False, "carry": True, "state_gradient": False}
        return module(
            self.type,
            product(bottoms[0].shape[2:]),
            self.num_output,
            defaults=usual,
            expose_hidden=self.expose_hidden,
            static=0 if static is None else product(static.shape[1:]),
            carry=self.carry_state or self.expose_hidden,
            state_gradient=self.state_gradient and self.expose_hidden,
        )

    def onnx(self, g: OnnxBuilder, *bottoms: Any, **weights: Any) -> Any:
        """A Scan over time: exact whatever cont says, for any number of steps and streams."""
        (x, cont), (static, state) = bottoms[:2], self.split_bottoms(bottoms)
        t, n, one = x.type.shape[0], x.type.shape[1], (x.type.shape[1], self.num_output)
        first = [g.reshape(s, one) for s in state] or [
            g.state(name) for name, _ in self.state(*(b.type for b in bottoms))
        ]
        first = first or [g.full(one)] * self.hidden
        steps = self.project(g, x, weights["weight_x"], weights["bias"], (t, n))
        if static is not None:
            once = g.Gemm(g.matrix(static), weights["weight_static"], transB=1)
            steps = g.typed(
                g.Add(
                    steps,
                    g.reshape(
                        g.typed(once, TensorType((n, self.gates * self.num_output))),
                        (1, n, self.gates * self.num_output),
                    ),
                ),
                steps.type,
            )
        marks = g.reshape(cont if cont.type.dtype == "float32" else g.cast(cont, "float32"), (t, n, 1))
        *last, y = g.scan(self.step(g, weights), first, [steps, marks])
        y = g.typed(self.read_out(g, y, weights, (t, n)), self.infer(*(b.type for b in bottoms))[0])
        if self.expose_hidden:
            return (y, *(g.reshape(g.typed(s, TensorType(one)), (1, *one)) for s in last))
        for (name, _), value in zip(self.state(*(b.type for b in bottoms)), last, strict=False):
            g.keep(name, value)
        return y

    def project(self, g: OnnxBuilder, x: Any, weight: Any, bias: Any, steps: tuple[Size, Size]) -> Any:
        """W_x x + b for all steps at once."""
        rows = self.gates * self.num_output
        y = g.Gemm(g.matrix(x, 2), weight, bias, transB=1)
        return g.reshape(g.typed(y, TensorType((steps[0] * steps[1], rows))), (*steps, rows))

    def step(self, g: OnnxBuilder, weights: dict[str, Any]) -> Any:
        """The function of one step: state and inputs to new state and output."""
        raise NotImplementedError

    def read_out(self, g: OnnxBuilder, y: Any, weights: dict[str, Any], steps: tuple[Size, Size]) -> Any:
        """The top from what the steps gave."""
        return y


class RNN(Recurrent, type="RNN"):
    """The plain recurrent layer, whose output has a tanh of its own.

    h_t = tanh(W_x x_t + b + W_h (cont_t h_{t-1}) [+ W_static s]),  y_t = tanh(W_o h_t + b_o)     (Elman 1990; Caffe's RNN)

    The state is carried from call to call until reset_state().
    """

    hidden, gates, made = 1, 1, 3

    def weights(self, *bottoms: TensorType) -> Iterator[Weight]:
        yield from super().weights(*bottoms)
        yield Weight("weight_o", (self.num_output, self.num_output), self.weight_filler)
        yield Weight("bias_o", (self.num_output,), self.bias_filler)

    def macs(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Size:
        return super().macs(bottoms, tops) + product(tops[0].shape) * self.num_output

    def step(self, g: OnnxBuilder, weights: dict[str, Any]) -> Any:
        def one(h: Any, x: Any, cont: Any) -> tuple[Any, Any]:
            h = g.Tanh(g.Add(x, g.Gemm(g.Mul(cont, h), weights["weight_h"], transB=1)))
            return h, h

        return one

    def read_out(self, g: OnnxBuilder, y: Any, weights: dict[str, Any], steps: tuple[Size, Size]) -> Any:
        rows = g.typed(y, TensorType((*steps, self.num_output)))
        flat = g.typed(
            g.Tanh(g.Gemm(g.matrix(rows, 2), weights["weight_o"], weights["bias_o"], transB=1)),
            TensorType((steps[0] * steps[1], self.num_output)),
        )
        return g.reshape(flat, (*steps, self.num_output))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{num_output: 4}", "T,N,5; T,N -> T,N,4", weights=60)
        yield accepts("{num_output: 4}", "T,N,5; T,N; N,2 -> T,N,4", weights=68)
        yield accepts("{num_output: 4, expose_hidden: true}", "4,N,5; 4,N; 1,N,4 -> 4,N,4; 1,N,4", weights=60)
        yield accepts(
            "{num_output: 4, expose_hidden: true, state_gradient: true}",
            "4,N,5; 4,N; 1,N,4 -> 4,N,4; 1,N,4",
            weights=60,
        )
        yield accepts("{num_output: 2, carry_state: false}", "T,N,3,2; T,N -> T,N,2", weights=24)
        yield rejects("{num_output: 4}", "T,N; T,N", code="NS303", at="bottom.0")
        yield rejects("{num_output: 4}", "4,3,5; 4,2", code="NS302", at="bottom.1")
        yield rejects("{num_output: 4, expose_hidden: true}", "T,N,5; T,N", code="NS205", at="bottom")


class LSTM(Recurrent, type="LSTM"):
    """Long short-term memory without peepholes.

    (i, f, o, g)_t = W_x x_t + b + W_h (cont_t h_{t-1}) [+ W_static s];  c_t = cont_t s(f) c_{t-1} + s(i) tanh(g);  h_t = s(o) tanh(c_t)
    (Hochreiter and Schmidhuber 1997, Gers et al. 2000; Caffe's LSTM, as in Donahue et al. 2015; s is the sigmoid)

    The state is carried from call to call until reset_state().
    """

    hidden, gates, made = 2, 4, 8

    def step(self, g: OnnxBuilder, weights: dict[str, Any]) -> Any:
        def one(h: Any, c: Any, x: Any, cont: Any) -> tuple[Any, Any, Any]:
            h, c = cell(g, g.Add(x, g.Gemm(g.Mul(cont, h), weights["weight_h"], transB=1)), cont, c)
            return h, c, h

        return one

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{num_output: 4}", "T,N,5; T,N -> T,N,4", weights=160)
        yield accepts("{num_output: 4}", "4,3,5; 4,3; 3,2 -> 4,3,4", weights=192)
        yield accepts(
            "{num_output: 4, expose_hidden: true}",
            "T,N,5; T,N; 1,N,4; 1,N,4 -> T,N,4; 1,N,4; 1,N,4",
            weights=160,
        )
        yield accepts(
            "{num_output: 2, expose_hidden: true}",
            "T,N,3,2; T,N; N,7; 1,N,2; 1,N,2 -> T,N,2; 1,N,2; 1,N,2",
            weights=128,
        )
        yield accepts(
            "{num_output: 2, weight_filler: {type: uniform, min: -0.08, max: 0.08}, carry_state: false}",
            "T,N,3; T,N -> T,N,2",
            weights=48,
        )
        yield rejects("{num_output: 4}", "T,N,5; T,N; 3,2; 1,N,4", code="NS205", at="bottom")
        yield rejects("{num_output: 4}", "4,3,5; 4,3; 2,2", code="NS302", at="bottom.2")
        yield rejects("{num_output: 4}", "T,N,C; T,N", code="NS304")
        yield rejects(
            "{num_output: 4, expose_hidden: true}",
            "4,3,5; 4,3; 1,3,5; 1,3,4",
            code="NS302",
            at="bottom.2",
            outputs=3,
        )
        yield rejects(
            "{num_output: 4, expose_hidden: true}", "4,3,5; 4,3; 1,3,4; 1,3,4", code="NS206", at="top"
        )
        yield rejects("{}", "T,N,5; T,N", code="NS103")


class LSTMUnit(Layer, type="LSTMUnit", bottoms=3, tops=2):
    """One step of an LSTM: from the cell c, gates and cont the new cell and output.

    c' = cont s(f) c + s(i) tanh(g),  h = s(o) tanh(c'),  gates = (i, f, o, g)     (Caffe's LSTMUnit)

    Bottoms (1, N, n), (1, N, 4 n), (1, N); tops c', h.
    """

    def infer(self, c: TensorType, gates: TensorType, cont: TensorType) -> tuple[TensorType, ...]:
        if c.rank != 3 or gates.rank != 3:
            raise RuleError(
                "NS303",
                f"LSTMUnit needs c (1, N, n) and gates (1, N, 4 n): they are {c} and {gates}",
                at="bottom.0" if c.rank != 3 else "bottom.1",
            )
        same(c.shape[0], 1, "LSTMUnit makes one step", at="bottom.0")
        for have, want in zip(gates.shape, (1, c.shape[1], 4 * c.shape[2]), strict=True):
            same(have, want, "gates must be four times as wide as c", at="bottom.1")
        same(cont.size, c.shape[1], "cont must have a number for each stream", at="bottom.2")
        return (TensorType(c.shape),) * 2

    def indices(self, c: TensorType, gates: TensorType, cont: TensorType) -> dict[int, Size]:
        return {2: 2}

    def field(self, c: TensorType, gates: TensorType, cont: TensorType) -> tuple[Reads, ...]:
        marks: Reads = (None, Step(cont.rank - 1)) if cont.rank < 3 else ()
        return same_place(3), same_place(2), marks

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept((0, 2), own=4 * (2 * bottoms[0].size + bottoms[1].size))

    def torch(self, c: TensorType, gates: TensorType, cont: TensorType) -> ModuleText:
        return module("LSTMUnit")

    def onnx(self, g: OnnxBuilder, c: Any, gates: Any, cont: Any) -> Any:
        if cont.type.dtype == "float32":
            marks = cont
        else:
            marks = g.cast(cont, "float32")
        h, after = cell(g, gates, g.reshape(marks, (1, c.type.shape[1], 1)), c)
        return g.typed(after, c.type), g.typed(h, c.type)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "1,N,4; 1,N,16; 1,N -> 1,N,4; 1,N,4", outputs=2)
        yield rejects("{}", "1,N,4; 1,N,12; 1,N", code="NS302", at="bottom.1", outputs=2)
        yield rejects("{}", "2,N,4; 2,N,16; 2,N", code="NS302", at="bottom.0", outputs=2)
        yield rejects("{}", "N,4; N,16; N", code="NS303", at="bottom.0", outputs=2)


def cell(g: OnnxBuilder, gates: Any, cont: Any, c: Any) -> tuple[Any, Any]:
    """The new h and c; the gates i, f, o, g lie side by side on the last axis."""
    i, f, o, new = g.Split(gates, outputs=4, axis=-1, num_outputs=4)
    c = g.Add(g.Mul(g.Mul(cont, g.Sigmoid(f)), c), g.Mul(g.Sigmoid(i), g.Tanh(new)))
    return g.Mul(g.Sigmoid(o), g.Tanh(c)), c
