"""Files in onnxruntime's own format, as far as a certificate needs them. In: their bytes; out: their
properties, and whether they are as they were written.

A flatbuffer has no order in which its parts could be hashed, so such a file is sealed whole: one string
in it holds all its properties after a digest of the bytes, these 64 letters taken as zeros.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from netspec.diagnostics.model import fail
from netspec.file_reading import open_file

__all__ = [
    "BOXED",
    "Boxed",
    "box_properties",
    "is_ort",
    "is_ort_file",
    "read_boxed",
    "require_onnx",
    "seal_bytes",
    "unbox_properties",
]

BOXED = "netspec.ort"
EMPTY = "0" * 64
# Four bytes before a string are its length.
MARK = re.compile(rb'\{"sha256": "([0-9a-f]{64})", "netspec\.properties": ')


class Boxed(NamedTuple):
    """What stands in a file, and whether its bytes are those that were sealed."""

    properties: Mapping[str, str]
    whole: bool


def is_ort(data: memoryview | bytes) -> bool:
    return bytes(data[4:8]) == b"ORTM"


def is_ort_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file is of this format, whatever its name ends in. Raises SpecError NS720."""
    try:
        with open_file(path) as file:
            return is_ort(file.read(8))
    except OSError as error:
        raise fail("NS720", error.strerror or str(error), path=os.fspath(path)) from error


def require_onnx(path: str | os.PathLike[str]) -> None:
    """For what reads a graph, or hands the file to who reads no other format. Raises SpecError NS720,
    NS721.
    """
    if is_ort_file(path):
        fact = "it is in onnxruntime's own format: here the ONNX file is needed of which it was made"
        raise fail("NS721", fact, path=os.fspath(path))


def box_properties(properties: Mapping[str, str]) -> str:
    """All properties as the one that such a file has, not sealed yet."""
    return json.dumps({"sha256": EMPTY, "netspec.properties": dict(properties)}, ensure_ascii=True)


def unbox_properties(said: Mapping[str, str]) -> Mapping[str, str]:
    """The properties of a loaded model, from wherever they stand. Raises ValueError."""
    if BOXED not in said:
        return said
    return check_texts(json.loads(said[BOXED]))


def check_texts(boxed: Any) -> dict[str, str]:
    found = boxed.get("netspec.properties") if isinstance(boxed, dict) else None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError("its properties must be an object of strings")
    return found


def read_boxed(data: memoryview) -> Boxed:
    """Raises ValueError where no such properties stand in the file."""
    at, length = find_box(data)
    try:
        properties = check_texts(json.loads(bytes(data[at : at + length])))
    except RecursionError as error:
        raise ValueError("its properties are nested too deep") from error
    match = MARK.match(data, at)
    assert match is not None
    return Boxed(properties, digest_around(data, match.start(1)) == match[1].decode())


def find_box(data: memoryview) -> tuple[int, int]:
    found = [match.start() for match in MARK.finditer(data)]
    if len(found) != 1:
        raise ValueError(f"it must hold one object of properties: it holds {len(found)}")
    return found[0], int.from_bytes(data[found[0] - 4 : found[0]], "little")


def digest_around(data: memoryview, at: int) -> str:
    whole = hashlib.sha256(data[:at])
    whole.update(EMPTY.encode())
    whole.update(data[at + len(EMPTY) :])
    return whole.hexdigest()


def seal_bytes(data: bytearray) -> None:
    """Write the digest into a file's bytes. Raises ValueError as read_boxed."""
    with memoryview(data) as view:
        at = find_box(view)[0]
        match = MARK.match(view, at)
        assert match is not None
        start = match.start(1)
        digest = digest_around(view, start)
        del match
    data[start : start + len(EMPTY)] = digest.encode()
