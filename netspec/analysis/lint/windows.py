"""Lints on windows and what they see: NS401, NS402, NS403, NS408, NS411, NS440."""

from collections.abc import Iterable, Iterator
from math import inf
from typing import Any

from netspec.analysis.lint.view import Found, Lint, Slide, View, finding
from netspec.ir.dims import Size
from netspec.ir.graph import Value
from netspec.layers.common.windows import both

__all__ = [
    "LINTS",
    "far_sighted",
    "lint_chequerboard",
    "lint_dropped_input",
    "lint_padded_pooling",
    "lint_skipped_input",
    "overhanging",
]


def lint_dropped_input(view: View) -> Iterator[Found]:
    """NS401: the last window ends before the input does."""
    for s, axes in alike(
        s
        for s in view.windows
        if s.stride <= s.reach and s.left > 0 and "transposed" not in s.node.layer.traits
    ):
        fact = (
            f"the last {s.left} of {s.size} along {axes} {'is' if s.left == 1 else 'are'} read by no window"
        )
        note = (
            f"({s.size} - {s.reach - s.begin}) % {s.stride} = {s.left}; round_mode: EXACT makes this an error"
        )
        yield finding("NS401", s.node, fact, "stride", note)


def lint_skipped_input(view: View) -> Iterator[Found]:
    """NS402: gaps between windows."""
    for s, axes in alike(
        s
        for s in view.windows
        if s.stride > s.reach and s.out > 1 and "transposed" not in s.node.layer.traits
    ):
        fact = (
            f"stride {s.stride} along {axes} leaves {s.stride - s.reach} unread between windows of {s.reach}"
        )
        yield finding("NS402", s.node, fact, "stride")


def alike(slides: Iterable["Slide"]) -> Iterator[tuple["Slide", str]]:
    """One slide for each layer and its numbers, and the axes they hold for: `H and W`."""
    found: dict[tuple[Any, ...], list[Slide]] = {}
    for s in slides:
        found.setdefault((s.node, s.size, s.out, s.stride, s.reach, s.begin), []).append(s)
    for each in found.values():
        yield each[0], " and ".join(s.axis for s in each)


def lint_chequerboard(view: View) -> Iterator[Found]:
    """NS403: windows of a transposed convolution overlap unevenly (Odena et al. 2016)."""
    for node in view.nodes:
        if {"windowed", "transposed"} <= node.layer.traits:
            image = node.layer.bottom(view.typed.bottoms(node)[0])
            window = node.layer.window(image)
            axes = zip(window.kernel, window.stride, window.dilation, image.space, strict=True)
            uneven = [
                (k, s) for k, s, d, size in axes if d == 1 and k % s and size != 1
            ]  # a single window overlaps with none
            # square windows are uneven along all axes: said once
            for kernel, stride in uneven[:1]:
                yield finding(
                    "NS403",
                    node,
                    f"stride must divide kernel_size for even cover: {kernel} % {stride} = {kernel % stride}",
                    "kernel_size",
                )


def lint_padded_pooling(view: View) -> Iterator[Found]:
    """NS411: a mean that counts the border's zeros, or a window that lies wholly in the border."""
    pools = [s for s in view.windows if "pooling" in s.node.layer.traits]
    for s, axes in alike(s for s in pools if s.past):
        yield finding(
            "NS411",
            s.node,
            f"the last window along {axes} begins after the last of the {s.size} values",
            "stride",
        )
    for node in view.nodes:
        if "pooling" in node.layer.traits and node.layer.averages_border(view.typed.bottoms(node)[0]):
            note = "count_include_pad: false divides by the values that are there"
            yield finding("NS411", node, "the means at the border count the padding's zeros", "pad", note)


def overhanging(view: View) -> Iterator[Found]:
    """NS440: a pooling's window is larger than its padded input, which Caffe allows where it rounds
    up.
    """
    for node in view.nodes:
        if not {"pooling", "windowed"} <= node.layer.traits:
            continue
        image = node.layer.bottom(view.typed.bottoms(node)[0])
        window = node.layer.window(image)
        over = [
            (k, size + both(p)) for k, p, size in zip(window.reach, window.pads, image.space, strict=True)
        ]
        larger = [(k, room) for k, room in over if isinstance(k, int) and isinstance(room, int) and k > room]
        for kernel, room in larger[:1]:
            fact = f"kernel_size {kernel} is larger than the padded input {room}: its one window ends there"
            yield finding(
                "NS440",
                node,
                fact,
                "kernel_size",
                "Caffe rounds up and takes it; PyTorch by default, EXACT and FLOOR refuse it",
            )


def far_sighted(view: View) -> Iterator[Found]:
    """NS408: even the narrowest branch sees more than twice the input: most of what it sees is
    padding.
    """
    reported: set[tuple[Value, int]] = set()
    for node in view.nodes:
        alike: dict[tuple[str, float, int], list[int]] = {}
        for source, axes in view.fields.get(node.tops[0], {}).items() if node.tops else ():
            for field in axes:
                if field is None or (source, field.axis) in reported:
                    continue
                size: Size = view.typed.types[source].shape[field.axis]
                if isinstance(size, int) and field.axis > 0 and 2 * size < field.narrow.size < inf:
                    reported.add((source, field.axis))
                    alike.setdefault((source.name, field.narrow.size, size), []).append(field.axis)
        for (name, seen, size), found in alike.items():
            where = f"{'axis' if len(found) == 1 else 'axes'} {' and '.join(map(str, sorted(found)))}"
            yield finding(
                "NS408",
                node,
                f"a unit sees {seen:g} along {where} of {name}, which has {size}",
                "name",
            )


LINTS: tuple[Lint, ...] = (
    lint_dropped_input,
    lint_skipped_input,
    lint_chequerboard,
    far_sighted,
    lint_padded_pooling,
    overhanging,
)
