"""One sample of a batch. In: what a value is in the net, an array; out: the sample's part. Nets that
walk along time have the batch on axis 1.
"""

from netspec.ir.graph import Value
from netspec.ir.types import find_batch_axis
from netspec.seeing.seen import Array
from netspec.seeing.subject import NetSubject, Subject

__all__ = ["of_layer", "of_output"]


def of_output(subject: Subject, name: str, values: Array) -> Array:
    """The first sample of an output; of one along time the steps are the last axis."""
    if values.ndim == 0:
        return values.reshape(1)
    axis = 0
    if isinstance(subject, NetSubject):
        axis = batch_axis(subject, next(v for v in subject.typed.graph.outputs if v.name == name))
    if axis == 0:
        return values[0]  # type: ignore[no-any-return]
    made: Array = values.take(0, axis)
    return made.reshape(len(made), -1).T


def of_layer(subject: Subject, name: str, values: Array) -> Array:
    """The first sample of a layer's first top; of one along time a row is a step."""
    if not isinstance(subject, NetSubject):
        return values[0]  # type: ignore[no-any-return]
    made: Array = values.take(0, batch_axis(subject, subject.nodes[name].tops[0]))
    return made


def batch_axis(net: NetSubject, value: Value) -> int:
    """Where samples lie: the axis that is as long as the batch, else the first."""
    return find_batch_axis(net.typed.types[value].shape) or 0
