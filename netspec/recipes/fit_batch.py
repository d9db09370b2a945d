"""The largest batch whose training fits into a memory. In: a program, bytes; out: the batch, and what
its step needs. Trains nothing and reads no data.
"""

import os
from typing import NamedTuple

import torch

from netspec.analysis.backward_memory import backward_memory
from netspec.analysis.cost import batch_symbol
from netspec.analysis.memory import activation_memory
from netspec.diagnostics import fail
from netspec.driver import Program
from netspec.ir.dims import product
from netspec.ir.graph import TypedGraph
from netspec.resolve.sections.expect import show_amount
from netspec.resolve.sections.solver import SolverParameter
from netspec.training.batches.feeds import section_of
from netspec.training.optim.rules import RULES

__all__ = ["Need", "count_need", "fit_batch", "measure_free"]

FLOAT = 4
MOST = 1 << 30
"""No batch is larger: a net whose values are this small is not kept by memory."""


class Need(NamedTuple):
    """Bytes of a training step. average: a second set of weights, where train.average keeps one;
    values: what layers make and keep for the backward pass, where most of it lives at once.
    """

    batch: int
    weights: int
    gradients: int
    solver: int
    average: int
    values: int

    @property
    def total(self) -> int:
        return sum(self[1:])


def fit_batch(program: Program, room: int) -> Need:
    """The need of the largest batch that has room. NS638: not even one sample has, or the net fixes
    the batch itself.
    """
    typed = program.training_graph("train")
    one = count_need(program, typed, 1)
    if one.total > room:
        fixed = one.total - one.values
        fact = (
            f"one sample must fit: it needs {fixed:,} bytes for weights, gradients and solver, and {one.values:,} for values ="
            f" {one.total:,}, and there are {show_amount(room, 'B')}"
        )
        raise fail("NS638", fact, path=program.resolved.spec.source.name)
    if count_need(program, typed, 2).values == one.values:
        fact = f"its inputs have a number where {batch_symbol(typed)} would take any batch"
        raise fail("NS638", fact, path=program.resolved.spec.source.name)
    low, high = 1, 2
    while high < MOST and count_need(program, typed, high).total <= room:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if count_need(program, typed, middle).total <= room:
            low = middle
        else:
            high = middle
    return count_need(program, typed, low)


def count_need(program: Program, typed: TypedGraph, batch: int) -> Need:
    """What a step with so many samples needs, all numbers in float32."""
    section = section_of(program)
    size = {batch_symbol(typed): batch}
    values, behind = activation_memory(typed, size, training=True), backward_memory(typed, size)
    if values is None or behind is None:
        fact = "sizes of its values stay open: give height and width as numbers"
        raise fail("NS638", fact, path=program.resolved.spec.source.name)
    owned = [ref for ref in typed.weight_refs() if not ref.shared]
    sizes = {ref.name: FLOAT * number(product(ref.weight.shape)) for ref in owned}
    trained = {ref.name: sizes[ref.name] for ref in owned if ref.kind == "parameter"}
    words = dict.fromkeys(trained, section.solver)
    for part in program.players():
        if part.said.solver is not None:
            words |= dict.fromkeys(part.weights & trained.keys(), part.said.solver.over(section.solver))
    solver = sum(size * buffers(words[name]) for name, size in trained.items())
    average = sum(sizes.values()) if section.average is not None else 0
    return Need(batch, sum(sizes.values()), sum(trained.values()), solver, average, max(values, behind))


def number(size: object) -> int:
    assert isinstance(size, int), "a weight's sizes are numbers (NS304)"
    return size


def buffers(words: SolverParameter) -> int:
    """Numbers that the solver keeps for each trained one."""
    rule = RULES[words.type]
    if not rule.counted and words.momentum == 0:
        return 0
    return len(rule.buffers)


def measure_free(device: torch.device) -> int | None:
    """Bytes that the device has free; None where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
