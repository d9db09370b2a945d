"""Layers of transformers: MultiHeadAttention, ClassToken."""

from collections.abc import Iterator
from math import inf
from typing import Any

from netspec.ir.dims import Size, product
from netspec.ir.field import Reads, Step, past
from netspec.ir.layer import (
    Example,
    Filler,
    Kept,
    Layer,
    ModuleText,
    Weight,
    accepts,
    module,
    rejects,
)
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError, divides, same
from netspec.ir.types import LOWEST, TensorType
from netspec.layers.common.windows import number
from netspec.record import param

__all__ = ["ClassToken", "MultiHeadAttention"]

# as Glorot and Bengio wrote it, by the mean of both fans; Caffe's default is fan_in alone
XAVIER = Filler(type="xavier", variance_norm="AVERAGE")


class MultiHeadAttention(Layer, type="MultiHeadAttention", param="attention_param", bottoms=(1, 3)):
    """Let every token gather from the tokens that its query matches, in several heads side by side.

    y = W_o [head_1; ...; head_h] + b_o,  head = softmax(Q K^T / sqrt(d)) V,  Q, K, V = W x + b     (Vaswani et al. 2017)

    Bottoms: x (N, T, C), for itself; or queries and the memory (N, S, C) that they look at; and a
    mask (N, S) or (N, T, S), 0 for what may not be seen. A query that may see nothing sees all
    alike, a causal one all up to its place. For a mask over x itself list x twice.
    """

    num_heads: int = param(ge=1, doc="heads; each has C / num_heads channels")
    causal: bool = param(default=False, doc="a token sees only those up to its own place")
    bias_term: bool = param(default=True, doc="add biases to queries, keys, values and the result")
    dropout_ratio: float = param(
        default=0.0,
        ge=0,
        lt=1,
        doc="probability that a weight of the softmax is dropped while training",
    )
    weight_filler: Filler = param(default=XAVIER, doc="how the matrices are initialised")
    bias_filler: Filler = param(default=Filler(), doc="how the biases are initialised")

    def infer(
        self, x: TensorType, memory: TensorType | None = None, mask: TensorType | None = None
    ) -> TensorType:
        seen = x if memory is None else memory
        for i, bottom in enumerate((x, seen)):
            if bottom.rank != 3:
                raise RuleError(
                    "NS303",
                    f"attention needs tokens (N, T, C): its bottom is {bottom}",
                    at=f"bottom.{i}" if i else "bottom.0",
                )
        divides(self.num_heads, x.shape[2], "num_heads must divide the channels", at="num_heads")
        same(seen.shape[0], x.shape[0], "the memory needs as many samples", at="bottom.1")
        same(seen.shape[2], x.shape[2], "the memory needs as many channels", at="bottom.1")
        if self.causal:
            same(
                seen.shape[1],
                x.shape[1],
                "causal attention needs as many keys as queries",
                at="causal",
            )
        if mask is not None:
            wanted = (
                (x.shape[0], seen.shape[1]) if mask.rank == 2 else (x.shape[0], x.shape[1], seen.shape[1])
            )
            if mask.rank not in (2, 3):
                raise RuleError("NS303", f"a mask is (N, S) or (N, T, S): it is {mask}", at="bottom.2")
            for have, want in zip(mask.shape, wanted, strict=True):
                same(have, want, "the mask must be (N, S) or (N, T, S)", at="bottom.2")
        return TensorType(x.shape)

    def indices(self, *bottoms: TensorType) -> dict[int, Size]:
        if len(bottoms) > 2:
            return {2: 2}
        return {}

    def weights(self, *bottoms: TensorType) -> Iterator[Weight]:
        c = bottoms[0].shape[2]
        yield Weight("in_weight", (3 * c, c), self.weight_filler)
        if self.bias_term:
            yield Weight("in_bias", (3 * c,), self.bias_filler)
        yield Weight("out_weight", (c, c), self.weight_filler)
        if self.bias_term:
            yield Weight("bias", (c,), self.bias_filler)

    def macs(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Size:
        n, t, c = bottoms[0].shape
        s = bottoms[1].shape[1] if len(bottoms) > 1 else t
        # queries and the result; keys and values; Q K^T and what the heads gather
        return 2 * n * t * c * c + 2 * n * s * c * c + 2 * n * t * s * c

    def field(self, *bottoms: TensorType) -> tuple[Reads, ...]:
        token = past(1) if self.causal else None
        row = Step(1) if len(bottoms) > 2 and bottoms[2].rank == 3 else token
        mask: tuple[Reads, ...] = ((Step(0), row, None),) if len(bottoms) > 2 else ()
        memory: tuple[Reads, ...] = ((Step(0), token, None),) if len(bottoms) > 1 else ()
        return ((Step(0), Step(1) if len(bottoms) > 1 else token, None), *memory, *mask)

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """Queries, keys, values, what the heads gathered, and the softmax."""
        n, t, c = bottoms[0].shape
        s = bottoms[1].shape[1] if len(bottoms) > 1 else t
        # the softmax; with dropout its mask, and what that left, too
        scores = self.num_heads * n * t * s * (3 if self.dropout_ratio else 1)
        return Kept(tuple(range(min(len(bottoms), 2))), own=4 * (2 * n * t * c + 2 * n * s * c + scores))

    @property
    def draws(self) -> bool:
        return self.dropout_ratio > 0

    def torch(self, *bottoms: TensorType) -> ModuleText:
        return module(
            "MultiHeadAttention",
            bottoms[0].shape[2],
            self.num_heads,
            defaults={"causal": False, "bias": True, "dropout": 0.0},
            causal=self.causal,
            bias=self.bias_term,
            dropout=self.dropout_ratio,
        )

    def onnx(self, g: OnnxBuilder, *bottoms: Any, **weights: Any) -> Any:
        x = bottoms[0]
        seen = bottoms[1] if len(bottoms) > 1 else x
        (n, t, c), s, width = x.type.shape, seen.type.shape[1], x.type.shape[2] // self.num_heads
        parts = g.split(weights["in_weight"], 0, (c, c, c))
        biases = g.split(weights["in_bias"], 0, (c, c, c)) if self.bias_term else (None,) * 3

        def heads(value: Any, part: int, length: Size, order: tuple[int, ...]) -> Any:
            rows = g.Gemm(g.matrix(value, 2), parts[part], biases[part], transB=1)
            return g.transpose(g.reshape(rows, (n, length, self.num_heads, width)), order)

        q, k, v = (
            heads(x, 0, t, (0, 2, 1, 3)),
            heads(seen, 1, s, (0, 2, 3, 1)),
            heads(seen, 2, s, (0, 2, 1, 3)),
        )
        scores = g.typed(
            g.Mul(g.MatMul(q, k), float(number(width)) ** -0.5),
            TensorType((n, self.num_heads, t, s)),
        )
        for hidden, score in self.build_mask(g, (t, s), bottoms[2] if len(bottoms) > 2 else None):
            scores = g.typed(g.Where(hidden, score, scores), scores.type)
        y = g.typed(g.MatMul(g.Softmax(scores, axis=-1), v), TensorType((n, self.num_heads, t, width)))
        rows = g.reshape(g.transpose(y, (0, 2, 1, 3)), (product((n, t)), c))
        return g.reshape(g.Gemm(rows, weights["out_weight"], weights.get("bias"), transB=1), x.type.shape)

    def build_mask(self, g: OnnxBuilder, sizes: tuple[Size, Size], mask: Any) -> Iterator[Any]:
        """What may not be seen, as booleans that broadcast over (N, heads, T, S), and its score:
        what is later never counts.
        """
        if mask is not None:
            n, *_, s = mask.type.shape
            places = g.reshape(mask, (n, 1, 1, s) if mask.type.rank == 2 else (n, 1, mask.type.shape[1], s))
            # not -inf: softmax over nothing but -inf is 0/0
            yield g.Equal(places, 0.0 if mask.type.dtype == "float32" else 0), LOWEST
        if self.causal:
            # -inf is safe: each token sees itself
            yield g.Greater(g.Trilu(g.full(sizes, 1.0), 1, upper=1), 0.5), -inf

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{num_heads: 2}", "N,T,6 -> N,T,6", weights=168)
        yield accepts("{num_heads: 3, causal: true}", "N,T,6 -> N,T,6", weights=168)
        yield accepts("{num_heads: 1, bias_term: false}", "2,3,4 -> 2,3,4", weights=64)
        yield accepts("{num_heads: 2, dropout_ratio: 0.1}", "N,T,4; N,S,4 -> N,T,4", weights=80)
        yield accepts("{num_heads: 2}", "N,T,4; N,S,4; N,S -> N,T,4", weights=80)
        yield accepts("{num_heads: 4}", "N,T,4; N,S,4; N,T,S -> N,T,4", weights=80)
        yield accepts("{num_heads: 2, causal: true}", "N,T,4; N,T,4; N,T -> N,T,4", weights=80)
        yield rejects("{num_heads: 4}", "N,T,6", code="NS302", at="num_heads")
        yield rejects("{num_heads: 2}", "N,6", code="NS303", at="bottom.0")
        yield rejects("{num_heads: 2}", "N,T,C", code="NS304")
        yield rejects("{num_heads: 2}", "N,3,6; N,4,8", code="NS302", at="bottom.1")
        yield rejects("{num_heads: 2}", "N,3,6; N,4,6; N,3", code="NS302", at="bottom.2")
        yield rejects("{num_heads: 2, causal: true}", "N,3,6; N,4,6", code="NS302", at="causal")
        yield rejects("{}", "N,T,6", code="NS103")


class ClassToken(Layer, type="ClassToken", keeps=(), param="class_token_param"):
    """Put a trained token before all others: what it has gathered at the end stands for the whole.

    y = [w; x_1; ...; x_T]     (BERT: Devlin et al. 2018; ViT: Dosovitskiy et al. 2020)
    """

    weight_filler: Filler = param(default=Filler(), doc="how the token is initialised")

    def infer(self, x: TensorType) -> TensorType:
        if x.rank != 3:
            raise RuleError("NS303", f"needs tokens (N, T, C): its bottom is {x}", at="bottom")
        return TensorType((x.shape[0], x.shape[1] + 1, x.shape[2]))

    def weights(self, x: TensorType) -> Iterator[Weight]:
        yield Weight("weight", (x.shape[2],), self.weight_filler)

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return ((Step(0), Step(1, 1, -1, -1), Step(2)),)

    def torch(self, x: TensorType) -> ModuleText:
        return module("ClassToken", x.shape[2])

    def onnx(self, g: OnnxBuilder, x: Any, weight: Any) -> Any:
        token = g.expand(g.reshape(weight, (1, 1, x.type.shape[2])), (x.type.shape[0], 1, x.type.shape[2]))
        return g.concat((token, x), 1)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,T,5 -> N,T+1,5", weights=5)
        yield accepts("{weight_filler: {type: gaussian, std: 0.02}}", "N,4,3 -> N,5,3", weights=3)
        yield rejects("{}", "N,5", code="NS303")
        yield rejects("{}", "N,T,C", code="NS304")
