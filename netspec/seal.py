"""Is a model file the one that was certified? In: a path; out: its hashes and properties, or
SpecError NS712, NS713, NS715.

Reads protobuf's wire itself, so that a server needs neither torch nor onnx: fields are hashed in
the order of their numbers, as protobuf writes them, so a file that was loaded and saved again is
the same. Weights count by name, shape and bytes, in the file or beside it.
"""

import hashlib
import json
import mmap
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from netspec.diagnostics.model import fail
from netspec.file_reading import open_below, open_file
from netspec.ort_format import Boxed, is_ort, read_boxed
from netspec.strict_json import read_json

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "CERTIFICATE",
    "PROBES",
    "SEAL",
    "Seal",
    "certificate_of",
    "check_allowed",
    "choose_probed",
    "probe_array",
    "properties_of",
    "seal_of",
]

CERTIFICATE = "netspec.certificate"
SEAL = "netspec.seal"
PROBES = "netspec.probes"
CLAIMS = (
    CERTIFICATE,
    PROBES,
    "netspec.certified",
    "netspec.largest_difference",
    "netspec.tolerance",
)
"""Properties that are the certificate: they are hashed by themselves, since a file is hashed before it
has them.
"""
CERTIFIED = ("true", "partial", "quantized")
"""What a file says of itself that was compared: with torch, in part, or as int8 or fp16 with a float
file that was.
"""
METADATA = 16 << 20
"""Bytes of properties that are read."""
# numbers of fields in onnx.proto: of ModelProto, GraphProto and TensorProto
GRAPH, PROPERTIES = 7, 14
INITIALIZER = 5
NAME, RAW, DIMS, KIND, OUTSIDE, WHERE = 8, 9, 1, 2, 13, 14

Field = tuple[int, int, memoryview]
"""Number, wire type, and the bytes: of a length-delimited field its content, else the number as it
is written.
"""


class Seal(NamedTuple):
    """The hashes of a model file, and its properties."""

    graph: str
    weights: str
    claims: str
    properties: Mapping[str, str]

    def text(self) -> str:
        """The hashes as a property of the model."""
        return json.dumps({name: getattr(self, name) for name in HASHES})


HASHES = ("graph", "weights", "claims")


def check_allowed(path: str | os.PathLike[str], uncertified: bool = False) -> None:
    """Let a certified file pass whose hashes are those of the certificate, and any other only with
    `uncertified`.

    Raises SpecError: NS712 (no certificate), NS713 (another graph or other weights), NS715 (the
    certificate cannot be read), NS720, NS721.
    """
    if not uncertified:
        certificate_of(path)


def certificate_of(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Seal]:
    """The certificate of a file that it belongs to. Raises SpecError as `check_allowed`."""
    boxed = read_box(path)
    said = properties_of(path) if boxed is None else boxed.properties
    if not os.path.getsize(path):  # nothing is a sound message, of no model
        raise fail("NS721", "the file is empty", path=os.fspath(path))
    if said.get("netspec.certified") not in CERTIFIED:
        raise fail("NS712", why_not(said), path=os.fspath(path), notes=(DOING_WITHOUT,))
    try:
        claim, hashes = read_json(said[CERTIFICATE], constants=True), read_json(said[SEAL])
        wanted = {key: str(hashes[key]) for key in HASHES}
        if not isinstance(claim, dict):
            raise TypeError("it is no JSON object")
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, KeyError):
            why = f"{error.args[0]} is missing"
        else:
            why = str(error)
        raise fail("NS715", why, path=os.fspath(path), notes=(DOING_WITHOUT,)) from error
    if boxed is not None:
        if not boxed.whole:
            fact = "its bytes are not what was certified"
            raise fail("NS713", fact, path=os.fspath(path), notes=(DOING_WITHOUT,))
        return claim, Seal(**wanted, properties=said)
    seal = seal_of(path)
    changed = [name for name in HASHES if getattr(seal, name) != wanted[name]]
    if changed:
        fact = f"its {' and '.join(changed)} {'are' if changed != ['graph'] else 'is'} not what was certified"
        raise fail("NS713", fact, path=os.fspath(path), notes=(DOING_WITHOUT,))
    return claim, seal


DOING_WITHOUT = "`--allow-uncertified` takes the file as it is"


def read_box(path: str | os.PathLike[str]) -> Boxed | None:
    """What a file in onnxruntime's own format says; None of any other. Raises SpecError NS715, NS720."""
    with open_mapped(Path(path)) as data:
        if not is_ort(data):
            return None
        try:
            return read_boxed(data)
        except ValueError as error:
            raise fail("NS715", str(error), path=os.fspath(path), notes=(DOING_WITHOUT,)) from error


def properties_of(path: str | os.PathLike[str]) -> dict[str, str]:
    """What a model file says of itself. Raises SpecError: NS720 (not readable), NS721 (no
    model).
    """
    with open_mapped(Path(path)) as data:
        return properties(data, path)


def why_not(said: Mapping[str, str]) -> str:
    if said.get("netspec.certified") == "false":
        return "it was exported with --no-certify: nobody has compared it with torch"
    return "it has no certificate: nobody has compared it with what was trained"


def seal_of(path: str | os.PathLike[str], claims: Mapping[str, str] | None = None) -> Seal:
    """Hash a model file. claims: the certificate that it is to have, where it has none yet.

    Raises SpecError: NS720 (not readable), NS721 (no model, or weights outside that are not there).
    """
    path = Path(path)
    with open_mapped(path) as data:
        graph, weights = Parts(), dict[str, list[str]]()
        for number, kind, content in fields(data, path):
            if number == GRAPH and kind == 2:
                for inner, sort, part in fields(content, path):
                    if inner == INITIALIZER and sort == 2:
                        name, digest = tensor(part, path)
                        weights.setdefault(name, []).append(digest)
                    else:
                        graph.add(inner, part, 1)
            elif number != PROPERTIES or entry(content, path)[0] not in (SEAL, *CLAIMS):
                graph.add(number, content, 0)
        every = json.dumps(sorted(weights.items())).encode()
        said = properties(data, path)
        return Seal(
            graph.digest(),
            hashlib.sha256(every).hexdigest(),
            digest_claims(said if claims is None else claims),
            said,
        )


def digest_claims(said: Mapping[str, str]) -> str:
    """The hash of what a file says was compared, and how well."""
    every = json.dumps(sorted((key, said[key]) for key in CLAIMS if key in said))
    return hashlib.sha256(every.encode()).hexdigest()


class Parts:
    """Contents of fields, hashed in the order of their numbers; of one number as they come,
    properties sorted.
    """

    def __init__(self) -> None:
        self.found: dict[tuple[int, int], list[bytes]] = {}

    def add(self, number: int, content: memoryview, level: int) -> None:
        self.found.setdefault((level, number), []).append(hashlib.sha256(content).digest())

    def digest(self) -> str:
        whole = hashlib.sha256()
        for (level, number), parts in sorted(self.found.items()):
            whole.update(f"{level} {number} {len(parts)}\n".encode())
            whole.update(b"".join(sorted(parts) if (level, number) == (0, PROPERTIES) else parts))
        return whole.hexdigest()


def tensor(content: memoryview, path: Path) -> tuple[str, str]:
    """Name and digest of an initializer: element type, shape, and bytes wherever they lie. Raises
    SpecError NS721 where two readers could take it for two things.
    """
    name, dims, kind, outside = "", list[int](), 0, list[tuple[str, str]]()
    within, beyond = False, False
    body = hashlib.sha256()
    for number, wire, part in fields(content, path):
        if number == NAME:
            name = text(part)
        elif number == DIMS:
            # packed or one by one: who reads protobuf takes both
            dims += numbers(part) if wire == 2 else [varint(part, 0)[0]]
        elif number == KIND:
            kind = varint(part, 0)[0]
        elif number == OUTSIDE:
            outside.append(entry(part, path))
        elif number == RAW:
            within = within or len(part) > 0
            body.update(part)
        elif number == WHERE:
            beyond = varint(part, 0)[0] == 1
        else:
            body.update(f"{number}:".encode())
            body.update(part)
    places = dict(outside)
    if beyond != bool(outside) or (beyond and within) or len(places) < len(outside):
        raise fail("NS721", f"the weights {name} are said to lie in two places, or in none", path=str(path))
    if outside:
        beside(body, places, path)
    return name, hashlib.sha256(f"{kind} {dims} ".encode() + body.digest()).hexdigest()


def beside(body: Any, outside: Mapping[str, str], path: Path) -> None:
    """The bytes of a tensor that lie in a file of the model's own folder."""
    name = outside.get("location", "")
    if not name or Path(name).name != name:
        raise fail("NS721", f"weights may lie in the folder of the model only: {name!r}", path=str(path))
    with open_mapped(path.with_name(name), "NS721", path.parent) as data:
        said = [outside[key] for key in ("offset", "length") if key in outside]
        # int() would also read 1_0 and other digits, where onnxruntime does not
        if not all(text.isascii() and text.isdecimal() and len(text) < 20 for text in said):
            raise fail("NS721", f"a place in {name} must be a number", path=str(path))
        start = int(outside.get("offset", "0"))
        end = start + int(outside["length"]) if "length" in outside else len(data)
        if not 0 <= start <= end <= len(data):
            raise fail(
                "NS721",
                f"{name} has {len(data)} bytes: a tensor is said to lie at {start} to {end}",
                path=str(path),
            )
        body.update(data[start:end])


@contextmanager
def open_mapped(path: Path, code: str = "NS720", below: Path | None = None) -> Iterator[memoryview]:
    """The bytes of a regular file, mapped. below: a folder that it must not lead out of."""
    try:
        with open_file(path) if below is None else open_below(path, [below]) as file:
            size = os.fstat(file.fileno()).st_size
            # an empty file cannot be mapped
            view = memoryview(
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
            )  # unmapped with its last view
    except (OSError, ValueError) as error:
        raise fail(code, getattr(error, "strerror", None) or str(error), path=str(path)) from error
    yield view


def properties(data: memoryview, path: str | os.PathLike[str]) -> dict[str, str]:
    """metadata_props of the model; of one key the last."""
    found, room = dict[str, str](), METADATA
    for number, kind, content in fields(data, path):
        if number == PROPERTIES and kind == 2:
            room -= len(content)
            if room < 0:
                raise fail(
                    "NS721",
                    f"its properties are longer than {METADATA >> 20} MiB",
                    path=os.fspath(path),
                )
            found.update([entry(content, path)])
    return found


def entry(content: memoryview, path: str | os.PathLike[str]) -> tuple[str, str]:
    """Key and value of a StringStringEntryProto."""
    found = {number: text(part) for number, _, part in fields(content, path)}
    return found.get(1, ""), found.get(2, "")


def fields(data: memoryview, path: str | os.PathLike[str]) -> Iterator[Field]:
    """The fields of a message. Raises SpecError NS721 where the bytes are none."""
    place, end = 0, len(data)
    try:
        while place < end:
            tag, place = varint(data, place)
            number, kind = tag >> 3, tag & 7
            start = place
            if kind == 2:
                length, start = varint(data, place)
                place = start + length
            elif kind == 0:
                place = varint(data, place)[1]
            else:
                # 64 and 32 bits; groups, 3 and 4, are in no message of ONNX
                place = place + {1: 8, 5: 4}[kind]
            if place > end:
                raise IndexError
            yield number, kind, data[start:place]
    except (IndexError, KeyError) as error:
        raise fail("NS721", "it is cut off, or no ONNX model", path=os.fspath(path)) from error


def varint(data: memoryview, place: int) -> tuple[int, int]:
    """A number as protobuf writes it, and the place after it."""
    found = 0
    # 64 bits, seven in a byte
    for i in range(10):
        byte = data[place + i]
        found |= (byte & 127) << 7 * i
        if byte < 128:
            return found, place + i + 1
    raise IndexError


def numbers(data: memoryview) -> list[int]:
    found, place = list[int](), 0
    while place < len(data):
        number, place = varint(data, place)
        found.append(number)
    return found


def text(data: memoryview) -> str:
    return bytes(data).decode("utf-8", "replace")


PROBED = 64
"""Values of an output that a probe keeps."""


def choose_probed(size: int) -> list[int]:
    """Which elements of an output of so many a probe keeps: evenly spread, the first and the last
    among them.
    """
    if size:
        return sorted({i * (size - 1) // (PROBED - 1) for i in range(PROBED)})
    return []


def probe_array(
    shape: tuple[int, ...], dtype: str, kind: str, most: int, seed: int
) -> "np.ndarray[Any, Any]":
    """An input of a probe, the same on every machine: whole numbers by arithmetic alone (Weyl's
    sequence, mixed), nothing random.

    kind: pixels (0 to 255), real (-2 to 2 in steps of 1/64), priors (upright boxes in 1/256 of an
    image, then variances) or whole (below `most`).
    """
    import numpy as np

    count = 1
    for n in shape:
        count *= n
    # 2**64 over the golden ratio, then a multiplier of SplitMix64 (Steele et al. 2014)
    x = (np.arange(count, dtype=np.uint64) + np.uint64(1 + 1000003 * seed)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    # the upper bits of a product are those that all lower ones have reached
    x = x >> np.uint64(40)
    if kind == "pixels":
        made = (x % np.uint64(256)).astype(np.float64)
    elif kind == "real":
        made = (x % np.uint64(257)).astype(np.float64) / 64 - 2
    elif kind == "priors":
        first = (x[: count // 2] % np.uint64(128)).astype(np.float64) / 256
        near, far = first.reshape(-1, 2, 2).transpose(1, 0, 2)
        corners = np.concatenate((near, near + far + 1 / 256), 1)
        made = np.concatenate((corners.reshape(-1), np.full(corners.size, 0.125)))
    else:
        made = (x % np.uint64(max(most, 1))).astype(np.float64)
    found: np.ndarray[Any, Any] = made.reshape(shape).astype(dtype)
    return found
