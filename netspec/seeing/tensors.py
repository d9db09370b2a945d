"""Gradients of a net to what it is given. In: a NetSubject and a sample; out: tensors. Knows torch."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from netspec.data.samples import Sample
from netspec.diagnostics import fail
from netspec.seeing.finite import check_finite
from netspec.seeing.seen import Array
from netspec.seeing.subject import NetSubject, Subject

__all__ = ["bare_scores", "gradient_of", "picture_input", "tops_of"]


def picture_input(subject: Subject, view: str) -> str:
    """The input that has places: of pictures, else the first that has an axis after the channels.
    Raises SpecError NS750.
    """
    if subject.picture:
        return subject.picture
    for name, taken in subject.taken.items():
        if len(taken.shape) >= 2 and not taken.integer:
            return name
    raise fail("NS750", f"{view} shows places of an input, and none has places", path=subject.path)


def leaves_of(sample: Sample, name: str) -> dict[str, Any]:
    """The inputs as tensors, gradients kept for one."""
    import torch

    made = {n: torch.from_numpy(value.copy()) for n, value in sample.arrays.items()}
    made[name].requires_grad_(True)
    return made


@contextmanager
def bare_scores(subject: NetSubject, output: str) -> Iterator[None]:
    """While the block runs, the layer that makes shares of an output's scores passes them on as they
    are: a share near 0 or 1 has no gradient.
    """
    import torch

    node = subject.maker_of(output)
    if node is None or "normalizes_scores" not in node.layer.traits:
        yield
        return
    layers: Any = subject.net.layers
    home, _, last = layers[node.name][0].rpartition(".")
    modules = subject.net.get_submodule(home)._modules
    kept = modules[last]
    modules[last] = torch.nn.Identity()
    try:
        yield
    finally:
        modules[last] = kept


def gradient_of(
    subject: NetSubject, sample: Sample, name: str, pick: Callable[[Mapping[str, Any]], Any]
) -> Array:
    """The gradient of a number that `pick` makes of the outputs, to one input, (1, ...)."""
    import torch

    with torch.enable_grad(), subject.fitting(sample.arrays):
        feed = leaves_of(sample, name)
        number = pick(subject.call(feed)).sum()
        (found,) = torch.autograd.grad(number, feed[name], allow_unused=True)
    if found is None:
        raise fail("NS750", f"no gradient reaches {name}", path=subject.path)
    gradient: Array = found.cpu().numpy()
    check_finite({f"the gradient to {name}": gradient}, subject.path)
    return gradient


def tops_of(
    subject: NetSubject, feed: Mapping[str, Any], layers: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What some layers made, as tensors that gradients pass, and the outputs."""
    outputs: dict[str, Any] = {}
    original = subject.call

    def call(given: Mapping[str, Any]) -> dict[str, Any]:
        outputs.update(original(given))
        return outputs

    subject.__dict__["call"] = call
    try:
        made = subject.watch(feed, layers, lambda value: value)
    finally:
        del subject.__dict__["call"]
    return made, outputs
