"""Layers for sequences beyond Caffe's: GRU, Reverse."""

from collections.abc import Iterator
from typing import Any

from netspec.ir.field import Reads, Step
from netspec.ir.layer import Example, Layer, ModuleText, Weight, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.types import TensorType
from netspec.layers.recurrent import Recurrent
from netspec.record import param

__all__ = ["GRU", "Reverse"]


class GRU(Recurrent, type="GRU"):
    """Gated recurrent unit: an LSTM without a cell of its own, and with two gates.

    (z, r)_t = s(W_x x_t + b + W_h h);  n_t = tanh(W_x x_t + b + W_h (r h));  h_t = z h + (1 - z) n_t;  h = cont_t h_{t-1}
    (Cho et al. 2014; s is the sigmoid)

    reset_after has r (W_h h + bias_h) in n_t, as cuDNN and PyTorch do.
    """

    hidden, gates, made = 1, 3, 6

    reset_after: bool = param(
        default=False,
        dialects={"torch": True, "tf": True},
        doc="reset what W_h made of the state, not the state",
    )

    def weights(self, *bottoms: TensorType) -> Iterator[Weight]:
        yield from super().weights(*bottoms)
        if self.reset_after:
            yield Weight("bias_h", (self.num_output,), self.bias_filler)

    def torch(self, *bottoms: TensorType) -> ModuleText:
        made = super().torch(*bottoms)
        if self.reset_after:
            return made._replace(keywords={**made.keywords, "reset_after": True})
        return made

    def step(self, g: OnnxBuilder, weights: dict[str, Any]) -> Any:
        n = self.num_output
        of_gates, of_new = g.split(weights["weight_h"], 0, (2 * n, n))

        def one(h: Any, x: Any, cont: Any) -> tuple[Any, Any]:
            h = g.Mul(cont, h)
            gates, new = g.call("Split", x, (2 * n, n), outputs=2, axis=-1)
            z, r = g.Split(
                g.Sigmoid(g.Add(gates, g.Gemm(h, of_gates, transB=1))),
                outputs=2,
                axis=-1,
                num_outputs=2,
            )
            if self.reset_after:
                back = g.Mul(r, g.Gemm(h, of_new, weights["bias_h"], transB=1))
            else:
                back = g.Gemm(g.Mul(r, h), of_new, transB=1)
            h = g.Add(g.Mul(z, h), g.Mul(g.Sub(1.0, z), g.Tanh(g.Add(new, back))))
            return h, h

        return one

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{num_output: 4}", "T,N,5; T,N -> T,N,4", weights=120)
        yield accepts("{num_output: 4}", "T,N,5; T,N; N,2 -> T,N,4", weights=144)
        yield accepts(
            "{num_output: 4, expose_hidden: true}", "4,N,5; 4,N; 1,N,4 -> 4,N,4; 1,N,4", weights=120
        )
        yield accepts("{num_output: 2}", "T,N,3,2; T,N -> T,N,2", weights=56, dialect="torch")
        yield rejects("{num_output: 4}", "4,3,5; 4,2", code="NS302", at="bottom.1")
        yield rejects("{num_output: 4}", "T,N; T,N", code="NS303", at="bottom.0")
        yield rejects("{}", "T,N,5; T,N", code="NS103")


class Reverse(Layer, type="Reverse", keeps=(), param="reverse_param"):
    """Turn an axis back to front: a recurrent layer between two of them reads its sequence from the
    end.

    y[i] = x[n - 1 - i] along axis     (Schuster and Paliwal 1997 join both directions)

    In cont a sequence's last step is then to be 0.
    """

    axis: int = param(default=0, doc="the axis that is turned; negative counts from the back")

    def infer(self, x: TensorType) -> TensorType:
        x.axis(self.axis)
        return x

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (tuple(None if axis == x.axis(self.axis) else Step(axis) for axis in range(x.rank)),)

    def torch(self, x: TensorType) -> ModuleText:
        return module("Reverse", x.axis(self.axis))

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.flipped(x, x.type.axis(self.axis))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "T,N,3 -> T,N,3")
        yield accepts("{axis: -1}", "N,3,T -> N,3,T")
        yield rejects("{axis: 3}", "T,N,3", code="NS303", at="axis")
