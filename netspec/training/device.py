"""Where a net runs. In: a word (cpu, cuda, auto) and nets; out: a device, and the nets on it with
their shared tensors still shared.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from netspec.diagnostics import fail
from netspec.training.optim.solver import ParameterSpec

__all__ = ["exact_float32", "find_device", "move", "steady", "to_device"]


def find_device(word: str) -> torch.device:
    """The device for `cpu`, `cuda`, `cuda:1` or `auto` (the GPU if there is one). NS678: it is not
    there.
    """
    if word == "auto":
        word = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(word)
    except RuntimeError as error:
        raise fail("NS678", f"{word} is not the name of a device: cpu, cuda, auto") from error
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        if torch.version.cuda:
            built = ""
        else:
            built = "; this PyTorch is built without CUDA"
        raise fail("NS678", f"{word} was asked for, and PyTorch sees {count} GPUs{built}")
    return device


def move(
    nets: Sequence[nn.Module], parameters: Sequence[ParameterSpec], device: torch.device
) -> list[ParameterSpec]:
    """Bring nets to a device; a tensor that several modules hold stays one tensor. The parameters,
    with the tensors as they are now.

    Module.to copies a shared buffer (a mean of batch normalization) once for each holder; here it
    is moved once.
    """
    moved: dict[Tensor, Tensor] = {}
    for module in (module for net in nets for module in net.modules()):
        for name, buffer in module.named_buffers(recurse=False, remove_duplicate=False):
            setattr(module, name, moved.setdefault(buffer, buffer.to(device)))
    for net in nets:
        net.to(device)
    return [replace(each, tensor=moved.get(each.tensor, each.tensor)) for each in parameters]


def to_device(batch: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """A batch on the device. To a GPU the copy goes through pinned memory, so that the host need
    not wait for it.
    """
    if device.type != "cuda":
        return {name: tensor.to(device) for name, tensor in batch.items()}
    return {
        name: tensor if tensor.is_cuda else tensor.pin_memory().to(device, non_blocking=True)
        for name, tensor in batch.items()
    }


@contextmanager
def steady(wanted: bool = True) -> Iterator[None]:
    """One thread, and only algorithms that sum in one order: the same bits on any number of cores."""
    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])


@contextmanager
def exact_float32(rounded: bool = False) -> Iterator[None]:
    """Full float32 products on the GPU: PyTorch lets convolutions round their factors to 10 bits
    (TF32) unless told not to. rounded: let it, and products of matrices too.
    """
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, convolution.allow_tf32
    matmul.allow_tf32 = convolution.allow_tf32 = rounded
    try:
        yield
    finally:
        matmul.allow_tf32, convolution.allow_tf32 = before
