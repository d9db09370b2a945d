"""Size rules that windowed layers share: kernel, stride, padding, dilation. Works on integers, Dims
and traced sizes alike.
"""

from typing import Any, Literal, overload

from netspec.ir.dims import Size, ceil_div, largest, product, smallest, untrace
from netspec.ir.field import Border, Window, ends
from netspec.ir.rule import Change, RuleError, at_least, divides
from netspec.ir.types import SPACE, TensorType

__all__ = [
    "Border",
    "Pad",
    "PadMode",
    "PerAxis",
    "Window",
    "axis_names",
    "both",
    "check_axes",
    "check_mirror",
    "ends",
    "fold_batch",
    "number",
    "pad_size",
    "pool_sizes",
    "spread",
    "transpose_sizes",
    "unfold_batch",
    "window",
    "windows",
]

PerAxis = int | tuple[int, ...]
Pad = int | tuple[int | tuple[int, int], ...] | Literal["valid", "same", "full", "causal", "same_tf"]
PadMode = Literal["constant", "reflect", "symmetric", "replicate", "circular"]
LONG = {"H": "height", "W": "width", "L": "length", "D": "depth"}


def check_axes(x: TensorType, does: str) -> None:
    """Refuse a bottom without one to three axes of space; `does` is what the layer does with
    them.
    """
    if x.axes not in (1, 2, 3):
        raise RuleError("NS303", f"{does}, after batch and channels: its bottom is {x}", at="bottom")


def number(size: Size) -> int:
    """A size that is a number by now: a kernel, a stride."""
    value = untrace(size)
    assert isinstance(value, int), f"{size} is not a number"
    return value


def axis_names(axes: int) -> tuple[str, ...]:
    """L; H, W; D, H, W; beyond that D0, D1, ..."""
    return SPACE.get(axes) or tuple(f"D{i}" for i in range(axes))


def both(pad: Border) -> Size:
    """Padding on both sides together."""
    if isinstance(pad, tuple):
        return pad[0] + pad[1]
    return 2 * pad


@overload
def spread(value: PerAxis, axes: int, at: str) -> tuple[int, ...]: ...
@overload
def spread(value: "int | tuple[int | tuple[int, int], ...]", axes: int, at: str) -> tuple[Border, ...]: ...
def spread(value: Any, axes: int, at: str) -> tuple[Any, ...]:
    """One value per spatial axis; a single one stands for all."""
    values = value if isinstance(value, tuple) else (value,)
    if len(values) == 1:
        return values * axes
    if len(values) != axes:
        raise RuleError(
            "NS107",
            f"{at} has {len(values)} values: the bottom has {axes} spatial {'axis' if axes == 1 else 'axes'}",
            at=at,
        )
    return values


def window(
    space: tuple[Size, ...],
    *,
    kernel_size: PerAxis,
    stride: PerAxis = 1,
    pad: "Pad" = 0,
    dilation: PerAxis = 1,
) -> Window:
    """The window that the parameters mean for an input of this space; pad words become numbers
    (docs/layers/Convolution.md).
    """
    axes = len(space)
    if axes == 0:
        raise RuleError("NS303", "a window needs a spatial axis, after batch and channels", at="bottom")
    kernel, strides, dilations = (
        spread(kernel_size, axes, "kernel_size"),
        spread(stride, axes, "stride"),
        spread(dilation, axes, "dilation"),
    )
    pads: tuple[Border, ...]
    if isinstance(pad, str):
        pads = tuple(
            padding(pad, d * (k - 1), s, size)
            for k, s, d, size in zip(kernel, strides, dilations, space, strict=True)
        )
    else:
        pads = spread(pad, axes, "pad")
    return Window(kernel, strides, tuple(map(plainest, pads)), dilations)


def plainest(pad: Border) -> Border:
    """One number where a border is as wide on both sides: however it was written, what is asked of
    it later has one answer.
    """
    if isinstance(pad, tuple):
        begin, end = map(untrace, pad)
        if isinstance(begin, int) and begin == end:
            return pad[0]
        return pad
    return pad


def pointwise(axis: int, axes: int) -> bool:
    """Whether a convolution has no space and is meant so: its channels were said to be the last
    axis (Caffe's 0-d convolution).

    With the default axis, space is missing by mistake: that stays an error.
    """
    return axes == 0 and axis != 1


def padding(word: str, margin: Size, stride: Size, size: Size) -> Border:
    """Begin and end for a pad word; margin is dilation (kernel - 1)."""
    if word == "valid":
        return 0
    if word == "full":
        return margin
    if word == "causal":
        return (margin, 0)
    if word == "same":
        return (margin // 2, margin - margin // 2)
    # TensorFlow's SAME: ceil(size / stride) windows, the odd row at the end
    missing = largest((ceil_div(size, stride) - 1) * stride + margin + 1 - size, 0)
    return (missing // 2, missing - missing // 2)


def windows(
    space: tuple[Size, ...], w: Window, rounding: str = "FLOOR", *, over: bool = False
) -> tuple[Size, ...]:
    """Number of windows along each axis: floor((in + 2 pad - reach) / stride) + 1, or rounded up,
    or exact.

    over: rounded up, a window may be larger than its padded input, as long as there is one by that
    count. Otherwise such a window raises RuleError.

    >>> from netspec.ir.field import Window
    >>> windows((28, 28), Window(kernel=(5, 5), stride=(2, 2), pads=(0, 0), dilation=(1, 1)))
    (12, 12)
    """
    sizes = []
    for i, (size, name) in enumerate(zip(space, axis_names(len(space)), strict=True)):
        free = size + both(w.pads[i]) - w.dilation[i] * (w.kernel[i] - 1) - 1
        # this arithmetic is printed: it names a dilation only where there is one
        if untrace(w.dilation[i]) == 1:
            free = size + both(w.pads[i]) - w.kernel[i]
        if rounding == "CEIL":
            count = ceil_div(free, w.stride[i]) + 1
        else:
            count = free // w.stride[i] + 1
        if not (over and rounding == "CEIL" and counts_windows(free, w.stride[i])):
            fits(space, w, i, f"{name}_out", count)
        if rounding == "EXACT":
            divides(
                w.stride[i],
                free,
                "round_mode EXACT: windows must end at the border",
                at="stride",
                code="NS305",
            )
        sizes.append(count)
    return tuple(sizes)


def counts_windows(free: Size, stride: Size) -> bool:
    """Whether ceil(free / stride) + 1 windows are at least one, which becomes a fact where it is
    open; False where they are none.
    """
    if isinstance(untrace(free), int):
        return number(free) + number(stride) >= 1  # ceil(free / stride) + 1 >= 1
    at_least(
        free + stride,
        1,
        "a window, rounded up, must begin in its input",
        code="NS301",
        at="kernel_size",
    )
    return True


def fits(space: tuple[Size, ...], w: Window, i: int, name: str, count: Size) -> None:
    """A window larger than its padded input is an error."""
    padded, reach = space[i] + both(w.pads[i]), w.reach[i]
    long = LONG.get(axis_names(len(space))[i], "size")
    if isinstance(untrace(padded), int):
        if reach > padded:  # type: ignore[operator]
            if untrace(w.dilation[i]) == 1:
                what = "kernel_size"
            else:
                what = "dilated kernel"
            fact = f"{reach} is larger than the padded {long} {padded}"
            raise RuleError(
                "NS301",
                f"{what} {fact}",
                at="kernel_size",
                label=fact,
                name=name,
                value=count,
                changes=smaller_windows(space, w),
            )
        return
    at_least(padded, reach, "a window must fit its input", code="NS301", at="kernel_size")


def smaller_windows(space: tuple[Size, ...], w: Window) -> list[Change]:
    """Kernels that fit, and paddings that make room."""
    changes = []
    room = [
        (untrace(s + both(p)) - 1) // untrace(d) + 1
        for s, p, d in zip(space, w.pads, w.dilation, strict=True)
    ]
    most = min(r for r in room if isinstance(r, int))
    if most >= 1:
        changes.append(Change(f"use kernel_size <= {most}", {"kernel_size": most}))
    lacks = [ceil_div(untrace(r) - untrace(s), 2) for s, r in zip(space, w.reach, strict=True)]
    need = max(n for n in lacks if isinstance(n, int))
    # one pad for all sides is offered only where the spec has one, too
    if all(w.pads[0] == p for p in w.pads) and not isinstance(w.pads[0], tuple):
        changes.append(Change(f"use pad >= {need}", {"pad": need}))
    return changes


def pool_sizes(space: tuple[Size, ...], w: Window, rounding: str, *, over: bool = True) -> tuple[Size, ...]:
    """Caffe's pooling sizes: rounded up, and where there is padding no window begins past the input
    and its first border.

    over: as for windows.
    """
    sizes = windows(space, w, rounding, over=over)
    # Caffe cuts nothing without a border: a stride past the kernel may begin outside
    if rounding != "CEIL" or all(untrace(b) == 0 == untrace(e) for b, e in map(ends, w.pads)):
        return sizes
    # Caffe takes one off where (out - 1) stride >= in + pad: as a minimum it needs no branch
    return tuple(
        smallest(out, ceil_div(size + ends(p)[0], s))
        for out, size, p, s in zip(sizes, space, w.pads, w.stride, strict=True)
    )


def pad_size(x: TensorType, w: Window) -> Size:
    """Elements of a bottom with its border written out."""
    return product([*x.shape[:2], *(size + both(pad) for size, pad in zip(x.space, w.pads, strict=True))])


def check_mirror(space: tuple[Size, ...], w: Window, mode: str) -> None:
    """A border made of the input's own elements needs as many of them: reflect one more, since it
    leaves the edge out.
    """
    if mode in ("constant", "replicate"):
        return
    for size, pad in zip(space, w.pads, strict=True):
        for side in ends(pad):
            at_least(
                size,
                side + 1 if mode == "reflect" else side,
                f"pad_mode {mode} takes the border from the input",
                code="NS307",
                at="pad",
            )


def fold_batch(x: TensorType, axis: int) -> TensorType:
    """The bottom of a layer whose channels are that axis: all axes before it count as batch."""
    at = x.axis(axis)
    if at == 1:
        return x
    return TensorType((product(x.shape[:at]), *x.shape[at:]), x.dtype)


def unfold_batch(y: TensorType, x: TensorType, axis: int) -> TensorType:
    """The top for such a bottom: the batch axes as they were."""
    at = x.axis(axis)
    if at == 1:
        return y
    return TensorType((*x.shape[:at], *y.shape[1:]), y.dtype)


def transpose_sizes(
    space: tuple[Size, ...], w: Window, output_padding: tuple[int, ...] = ()
) -> tuple[Size, ...]:
    """Sizes of a transposed convolution: stride (in - 1) + dilation (kernel - 1) + 1 - 2 pad, and
    output_padding rows more.
    """
    sizes = []
    for i, (size, name) in enumerate(zip(space, axis_names(len(space)), strict=True)):
        out = w.stride[i] * (size - 1) + w.dilation[i] * (w.kernel[i] - 1) + 1 - both(w.pads[i])
        # a term of 0 would only lengthen the arithmetic that is printed
        if output_padding and untrace(output_padding[i]) != 0:
            out = out + output_padding[i]
        at_least(
            out,
            1,
            "the padding must leave an output",
            code="NS301",
            at="pad",
            name=f"{name}_out",
            value=out,
        )
        sizes.append(out)
    return tuple(sizes)
