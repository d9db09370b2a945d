"""Idioms that several layers need, as methods of the builder `g`: reshaping with symbolic sizes,
broadcasting, slices, padding, pooling.

Typed operands in, typed operands out unless said otherwise; sizes may be symbolic everywhere. What
is known of onnxruntime stands here.
"""

from collections.abc import Sequence
from typing import Any

from netspec.emit.onnx_builder import Operand
from netspec.emit.onnx_sizes import Sizes
from netspec.ir.dims import Size, product, total, untrace
from netspec.ir.types import LOWEST, TensorType
from netspec.layers.common.windows import Window, ends, pool_sizes

__all__ = ["Builder"]

Shape = tuple[Size, ...]
Borders = Sequence[tuple[Size, Size]]
PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""ONNX's words for those of pad_mode; symmetric has none (`mirrored`)."""


class Builder(Sizes):
    """The builder `g`: any operator by its name (`Calls`), `sizes` at run time (`Sizes`), and the
    idioms below.
    """

    # --- shapes ------------------------------------------------------------------------------------------------------

    def shape_of(self, x: Operand, begin: int = 0, end: int | None = None) -> Operand:
        """The sizes of axes begin..end as int64, measured on the tensor itself. Where a size is
        known as a Dim, `g.sizes` is the way.
        """
        return self.Shape(x, start=begin or None, end=end)  # type: ignore[no-any-return]

    def reshape(self, x: Operand, shape: Sequence[Size]) -> Operand:
        """x with another shape of as many elements, symbols kept: a constant shape with 0 (as in x)
        and one -1 where that says it.
        """
        shape = tuple(untrace(s) for s in shape)
        before = x.known.shape if x.known else ()
        wanted = [s if isinstance(s, int) else -1 for s in shape]
        for i, (old, new) in enumerate(zip(before, shape, strict=False)):
            if old == new and wanted[i] == -1:
                wanted[i] = 0
        simple = wanted.count(-1) <= 1 and 0 not in shape
        if simple:
            target = self.const(tuple(wanted), "int64")
        else:
            target = self.sizes(shape)
        made = self.Reshape(x, target, allowzero=1 if 0 in shape else None)  # else 0 copies an axis
        return self.typed(made, TensorType(shape, x.known.dtype if x.known else "float32"))

    def flatten(self, x: Operand, axis: int = 1, end: int = -1) -> Operand:
        """x with axes axis..end (both included) made one."""
        shape, end = x.type.shape, end % x.type.rank
        return self.reshape(x, (*shape[:axis], product(shape[axis : end + 1]), *shape[end + 1 :]))

    def matrix(self, x: Operand, axis: int = 1) -> Operand:
        """x as a matrix: axes before `axis` are rows, the rest columns. A matrix already of that
        form stays as it is.
        """
        shape = x.type.shape
        if x.type.rank == 2 and axis == 1:
            return x
        return self.reshape(x, (product(shape[:axis]), product(shape[axis:])))

    def aligned(self, w: Operand, axis: int, rank: int) -> Operand:
        """w reshaped so that it broadcasts along axes axis.. of a tensor of that rank: a
        per-channel vector for axis 1.
        """
        after = rank - axis - w.type.rank
        if after:
            return self.reshape(w, (*w.type.shape, *(1,) * after))
        return w

    def expand(self, x: Operand, shape: Sequence[Size]) -> Operand:
        """x broadcast to a shape."""
        return self.typed(
            self.Expand(x, self.sizes(shape)),
            TensorType(tuple(shape), x.known.dtype if x.known else "float32"),
        )

    def full(self, shape: Sequence[Size], value: float = 0.0) -> Operand:
        """A float32 tensor of that shape, every element the same."""
        return self.expand(self.const(float(value)), shape)

    def transpose(self, x: Operand, order: Sequence[int]) -> Operand:
        """The axes of x in another order: axis i of the result is axis order[i] of x."""
        return self.typed(
            self.Transpose(x, perm=tuple(order)),
            TensorType(tuple(x.type.shape[i] for i in order), x.type.dtype),
        )

    def slice(self, x: Operand, axis: int, begin: Size, end: Size) -> Operand:
        """Elements begin <= i < end along an axis; 0 <= begin <= end <= size."""
        shape = tuple(end - begin if i == axis else s for i, s in enumerate(x.type.shape))
        return self.typed(
            self.Slice(x, self.size(begin), self.size(end), (axis,)),
            TensorType(shape, x.type.dtype),
        )

    def split(self, x: Operand, axis: int, parts: Sequence[Size]) -> tuple[Operand, ...]:
        """Consecutive stretches of x along an axis, of these sizes."""
        made = (
            self.call("Split", x, self.sizes(parts), outputs=len(parts), axis=axis)
            if len(parts) > 1
            else self.Identity(x)
        )
        shapes = [tuple(p if i == axis else s for i, s in enumerate(x.type.shape)) for p in parts]
        return tuple(
            self.typed(m, TensorType(s, x.type.dtype))
            for m, s in zip(made if len(parts) > 1 else (made,), shapes, strict=True)
        )

    def concat(self, xs: Sequence[Operand], axis: int) -> Operand:
        """The operands side by side along an axis; a single one as it is."""
        if len(xs) == 1:
            return xs[0]
        first = xs[0].type
        shape = tuple(
            total(x.type.shape[axis] for x in xs) if i == axis else s for i, s in enumerate(first.shape)
        )
        return self.typed(self.Concat(*xs, axis=axis), TensorType(shape, first.dtype))

    def reduce(self, kind: str, x: Operand, axes: Sequence[int], *, keep: bool = False) -> Operand:
        """Sum, Mean, Max, Min, Prod, L1, L2, SumSquare, ... over axes, which stay with size 1 if
        `keep`. No axes: x as it is.
        """
        if not axes:
            return x
        shape = tuple(1 if i in axes else s for i, s in enumerate(x.type.shape) if keep or i not in axes)
        made = self.call("Reduce" + kind, x, self.const(tuple(axes), "int64"), keepdims=int(keep))
        return self.typed(made, TensorType(shape, x.type.dtype))

    def cast(self, x: Operand, dtype: str) -> Operand:
        """x as float32, int64, bool, ..."""
        from onnx import TensorProto

        made = self.Cast(
            x,
            to=TensorProto.DataType.Value(
                {"float32": "FLOAT", "float64": "DOUBLE"}.get(dtype, dtype.upper())
            ),
        )
        return self.typed(made, TensorType(x.known.shape, dtype)) if x.known else made

    # --- padding -----------------------------------------------------------------------------------------------------

    def padded(
        self, x: Operand, window: Window, mode: str = "constant", value: float = 0.0
    ) -> tuple[Operand, list[int]]:
        """x made ready for a windowed operator, and that operator's `pads` (begin of each axis,
        then end of each).

        Plain zeros of known number are left to the operator; all else is put around x here, and
        pads are 0. Not for pooling: a zero is not a neutral border there.
        """
        borders = [ends(p) for p in window.pads]
        flat = [untrace(b) for b, _ in borders] + [untrace(e) for _, e in borders]
        if all(s == 0 for s in flat) or (
            mode == "constant" and value == 0 and all(isinstance(s, int) for s in flat)
        ):
            return x, flat  # type: ignore[return-value]
        return self.pad(x, borders, mode, value), [0] * len(flat)

    def pad(self, x: Operand, borders: Borders, mode: str = "constant", value: float = 0.0) -> Operand:
        """x with (begin, end) more elements along each of its last axes.

        Modes: constant, reflect (the edge once), symmetric (the edge twice), replicate, circular.
        The border must be smaller than the size for reflect, at most the size for symmetric and
        circular: the layer's `infer` sees to it.
        """
        first = x.type.rank - len(borders)
        if mode == "symmetric":
            for axis, (begin, end) in enumerate(borders, first):
                x = self.mirrored(x, axis, begin, end)
            return x
        every = (*((0, 0),) * first, *borders)
        pads = self.sizes([b for b, _ in every] + [e for _, e in every])
        made = self.Pad(x, pads, float(value) if mode == "constant" and value else None, mode=PAD_MODES[mode])
        return self.typed(
            made,
            TensorType(
                tuple(s + b + e for s, (b, e) in zip(x.type.shape, every, strict=True)),
                x.type.dtype,
            ),
        )

    def mirrored(self, x: Operand, axis: int, begin: Size, end: Size) -> Operand:
        """One axis bordered by its own elements in reverse, the edge included: Pad has no such
        mode.
        """
        size = x.type.shape[axis]
        before = [self.flipped(self.slice(x, axis, 0, begin), axis)] if untrace(begin) != 0 else []
        after = [self.flipped(self.slice(x, axis, size - end, size), axis)] if untrace(end) != 0 else []
        return self.concat([*before, x, *after], axis)

    def flipped(self, x: Operand, axis: int) -> Operand:
        """x with an axis in reverse order."""
        # an end below any size: the first element is taken, too
        return self.typed(self.Slice(x, (-1,), (-(2**63 - 1),), (axis,), (-1,)), x.type)

    # --- pooling -----------------------------------------------------------------------------------------------------
    # onnxruntime's MaxPool and AveragePool were compared with Caffe's formulas for all sizes to 8,
    # kernels and strides to 5, borders to 4:
    # ceil_mode clips the last window as Caffe does, count_include_pad divides by what lies in the
    # padded input. They part in one case:
    # without padding Caffe does not clip, so that with a stride larger than the kernel a window may
    # begin past the input.

    def max_pool(self, x: Operand, window: Window, rounding: str) -> Operand:
        """Greatest element of each window; the border never wins, a window wholly outside gives
        -FLT_MAX. Sizes: `pool_sizes`.
        """
        if spans_all(x.type, window):
            return self.typed(self.GlobalMaxPool(x), x.type.replaced(space=(1,) * x.type.axes))
        if overshoots(window, rounding):
            return self.pool("MaxPool", self.reaching(x, window, LOWEST), window, "FLOOR")
        return self.pool("MaxPool", x, window, rounding)

    def max_pool_indices(self, x: Operand, window: Window, rounding: str) -> tuple[Operand, Operand]:
        """The same, and the place of each maximum (the first of equals) within its plane, counted
        row by row, as int64.
        """
        outside = overshoots(window, rounding)
        z = self.reaching(x, window, LOWEST) if outside else x
        type_ = x.type.replaced(space=pool_sizes(x.type.space, window, rounding))
        y, places = self.call("MaxPool", z, outputs=2, **attributes(window, "FLOOR" if outside else rounding))
        # ONNX counts places through all planes, Caffe through each
        at = self.Mod(places, self.size(product(z.type.space)))
        if outside:  # places in the longer planes, made places in the input's
            found: Operand | None = None
            for i in range(x.type.axes):
                along = self.Mod(
                    self.Div(at, self.size(product(z.type.space[i + 1 :]))),
                    self.size(z.type.space[i]),
                )
                part = self.Mul(along, self.size(product(x.type.space[i + 1 :])))
                found = part if found is None else self.Add(found, part)
            # Caffe's mask begins at -1, and stays so where a window reads nothing
            at = self.Where(self.Equal(y, LOWEST), (-1,), found)
        return self.typed(y, type_), self.typed(at, TensorType(type_.shape, "int64"))

    def average_pool(
        self, x: Operand, window: Window, rounding: str, *, count_include_pad: bool = True
    ) -> Operand:
        """Mean of each window. Its divisor, with count_include_pad: elements of the window in the
        padded input (Caffe's rule); without: in the input. What rounding up lets reach past the
        padded input counts in neither case. Sizes: `pool_sizes`.
        """
        if spans_all(x.type, window):
            return self.typed(self.GlobalAveragePool(x), x.type.replaced(space=(1,) * x.type.axes))
        if not overshoots(window, rounding):
            return self.pool("AveragePool", x, window, rounding, count_include_pad=int(count_include_pad))
        mean = self.pool("AveragePool", self.reaching(x, window, 0.0), window, "FLOOR")
        for i, axis in enumerate(range(2, x.type.rank)):
            share = self.share_inside(x.type.shape[axis], mean.type.shape[axis], window, i)
            mean = self.typed(self.Div(mean, self.aligned(share, axis, x.type.rank)), mean.type)
        return mean

    def share_inside(self, size: Size, windows: Size, window: Window, i: int) -> Operand:
        """For each window along a spatial axis without border, (min(begin + k, size) - begin) / k:
        0 or less for one past the input.
        """
        count = self.Squeeze(self.size(windows), (0,))
        begin = self.Mul(self.Range(0, count, 1), self.size(window.stride[i]))
        length = self.Sub(self.Min(self.Add(begin, self.size(window.kernel[i])), self.size(size)), begin)
        # 1: FLOAT
        share = self.Div(self.Cast(length, to=1), self.Cast(self.size(window.kernel[i]), to=1))
        return self.typed(share, TensorType((windows,)))

    def pool(self, op: str, x: Operand, window: Window, rounding: str, **more: int) -> Operand:
        made = self.call(op, x, **attributes(window, rounding), **more)
        return self.typed(made, x.type.replaced(space=pool_sizes(x.type.space, window, rounding)))

    def reaching(self, x: Operand, window: Window, value: float) -> Operand:
        """x with elements at the end of each axis, until the last window that Caffe makes is whole.

        Joined, not padded: onnxruntime would fold a Pad into the pooling behind it, which refuses a
        border as wide as its window.
        """
        sizes = pool_sizes(x.type.space, window, "CEIL")
        for i, (n, stride, reach) in enumerate(zip(sizes, window.stride, window.reach, strict=True)):
            missing = (n - 1) * stride + reach - x.type.space[i]
            if untrace(missing) != 0:
                x = self.concat(
                    [
                        x,
                        self.full((*x.type.shape[: i + 2], missing, *x.type.shape[i + 3 :]), value),
                    ],
                    i + 2,
                )
        return x

    # --- normalization -----------------------------------------------------------------------------------------------

    def lrn(self, x: Operand, size: int, alpha: float, beta: float, k: float) -> Operand:
        """x / (k + alpha/size * sum of squares over `size` channels around)^beta: ONNX's LRN and
        Caffe's ACROSS_CHANNELS, size odd.

        onnxruntime's kernel takes four axes only and an odd size only.
        """
        if x.type.rank == 4:
            return self.typed(self.LRN(x, size=size, alpha=alpha, beta=beta, bias=k), x.type)
        shape = (*x.type.shape[:2], product(x.type.shape[2:]), 1)
        return self.reshape(self.lrn(self.reshape(x, shape), size, alpha, beta, k), x.type.shape)


def attributes(window: Window, rounding: str) -> dict[str, Any]:
    """A window as the attributes of a pooling operator."""
    pads = [ends(p)[0] for p in window.pads] + [ends(p)[1] for p in window.pads]
    return {
        "kernel_shape": window.kernel,
        "strides": window.stride,
        "pads": pads,
        "dilations": window.dilation,
        "ceil_mode": int(rounding == "CEIL"),
    }


def overshoots(window: Window, rounding: str) -> bool:
    """Whether Caffe may make a window that begins past the input, which ONNX never does."""
    unpadded = all(ends(p) == (0, 0) for p in window.pads)
    return (
        rounding == "CEIL"
        and unpadded
        and any(
            isinstance(gap := s - r, int) and gap > 0
            for s, r in zip(window.stride, window.reach, strict=True)
        )
    )


def spans_all(type_: TensorType, window: Window) -> bool:
    """Whether the window is the whole input, without a border: global pooling, whatever the sizes
    are.
    """
    return window.kernel == type_.space and all(ends(p) == (0, 0) for p in window.pads)
