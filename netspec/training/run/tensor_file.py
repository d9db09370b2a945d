"""Tensors in one safetensors file: never half-written, nothing unpickled. In: tensors by name; out: a
file, and back. Knows no run, no solver and no net.
"""

import errno
import json
import os
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from netspec.diagnostics import fail
from netspec.file_reading import Roots, open_in, read_bytes
from netspec.file_writing import replacing
from netspec.strict_json import read_object

__all__ = ["Facts", "checksum", "plain", "read_file", "read_header", "write_tensors"]

MOST = 1 << 62
"""Places that a tensor's shape may count, axes of length 0 as 1: its strides are counted in 63 bits."""
SMALL = tuple(
    kind
    for name in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")
    if (kind := getattr(torch, name, None)) is not None
)
"""Kinds of numbers that are stored, and not computed with; float32 holds each of their values."""
KINDS = (
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
)

Facts = dict[str, Any]
FACTS, CHECKSUM = "netspec", "crc32"


def reason(error: Exception) -> str:
    """What went wrong, in the operating system's words; safetensors hides the number in its
    text.
    """
    numbers = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
    known = (number for number in numbers if f"os error {number})" in str(error))
    if number := next(known, None):
        return os.strerror(number)
    return str(error)


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    facts: Facts,
    code: str = "NS673",
    *,
    follow: bool = False,
) -> None:
    """Write tensors by name, and facts (JSON) as metadata; whole or not at all. Raises SpecError
    with `code` where it cannot be written.

    follow: a path that the user named may be a link; a run's file may not. Equal content gives
    equal bytes: safetensors keeps tensors in order, but not the keys of its metadata, so there is
    one key only.
    """
    values = {name: plain(tensor) for name, tensor in tensors.items()}
    text = json.dumps({**facts, CHECKSUM: checksum(facts, values)}, sort_keys=True)
    with replacing(path, code, follow=follow) as draft:
        try:
            save_file(values, draft, {FACTS: text})
        except SafetensorError as error:
            raise fail(code, reason(error), path=str(path)) from error


def plain(tensor: Tensor) -> Tensor:
    """The values alone, on the CPU, in row order, in a storage of their own."""
    tensor = tensor.detach().cpu().contiguous()
    if tensor.untyped_storage().nbytes() == tensor.nbytes:
        return tensor
    return tensor.clone()


def read_file(path: Path, roots: Roots = None) -> tuple[dict[str, Tensor], Facts]:
    """The tensors of a safetensors file, below `roots`, and our facts about them (none in a foreign
    file).

    NS001: no such file. NS674: damaged. NS676: numbers of a kind that no weight has.
    """
    try:
        with open_in(path, roots):  # a file: what reads it opens it by its name, and would wait at a pipe
            pass
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
        facts = read_object(metadata.get(FACTS, "{}"), constants=True)
    except (
        SafetensorError,
        ValueError,
        RuntimeError,
        TypeError,
        OverflowError,
        MemoryError,
    ) as error:
        raise fail(
            "NS674", f"not a whole safetensors file: {error}", path=str(path), notes=of_others(path)
        ) from error
    except OSError as error:
        if path.is_dir():
            why = "it is a folder"
        else:
            why = error.strerror or str(error)
        raise fail("NS001", why, path=str(path)) from error
    for name, tensor in tensors.items():
        if prod(max(size, 1) for size in tensor.shape) > MOST:
            raise fail(
                "NS674", f"{name} has a shape that cannot be counted: {[*tensor.shape]}", path=str(path)
            )
        if tensor.dtype not in (*KINDS, *SMALL):
            kind = str(tensor.dtype).removeprefix("torch.")
            raise fail(
                "NS676", f"{name} holds numbers of the kind {kind}, which no weight has", path=str(path)
            )
    if FACTS in metadata and facts.pop(CHECKSUM, None) != checksum(facts, tensors):
        raise fail("NS674", "its content does not match its checksum", path=str(path))
    return {name: widen(tensor) for name, tensor in tensors.items()}, facts


def read_header(path: Path) -> Facts:
    """Our facts about a file alone, unproven. Raises SafetensorError, OSError, JsonError."""
    with open_in(path, [path.parent]):
        pass
    with safe_open(path, framework="pt") as file:
        return read_object((file.metadata() or {}).get(FACTS, "{}"), constants=True)


def widen(tensor: Tensor) -> Tensor:
    """The same values in a kind that is computed with."""
    if tensor.dtype in SMALL:
        return tensor.float()
    return tensor


def of_others(path: Path) -> tuple[str, ...]:
    """What to do with a weights file of another format, told by its first bytes."""
    begins = read_bytes(path, most=8)
    if begins.startswith((b"PK\x03\x04", b"\x80\x02")):
        return (
            (
                "it is a PyTorch file: safetensors.torch.save_file(torch.load(FILE), NEW) writes its tensors"
                " anew"
            ),
        )
    if path.suffix == ".caffemodel" or begins == b"\x89HDF\r\n\x1a\n":
        return ("`netspec import NET.prototxt --weights FILE` reads Caffe's weights",)
    return ()


def checksum(facts: Facts, tensors: Mapping[str, Tensor]) -> str:
    """CRC-32 over the facts, then name, type, shape and bytes of each tensor in the order of
    names.
    """
    crc = zlib.crc32(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        crc = zlib.crc32(f"{name} {tensor.dtype} {list(tensor.shape)}".encode(), crc)
        crc = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, crc)
    return f"{crc:08x}"
