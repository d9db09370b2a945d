"""A request and its answer as plain values. Knows neither sockets nor models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import orjson

__all__ = ["JSON", "Request", "Response", "make_error", "make_json"]

JSON = b"application/json"


@dataclass(slots=True, eq=False)
class Request:
    """A whole request. Header names are in lower case; `target` is as it was sent, with its query."""

    method: bytes
    target: bytes
    headers: dict[bytes, bytes]
    body: bytes = b""
    peer: str = ""


class Response(NamedTuple):
    """An answer; the length is told by who writes it."""

    status: int
    body: bytes = b""
    kind: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


def make_json(value: object, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Response:
    return Response(status, orjson.dumps(value), JSON, headers)


def make_error(message: str, status: int, details: Mapping[str, object] | None = None) -> Response:
    """{"error": sentence}; where trying again later may help, it is told when."""
    again = ((b"retry-after", b"1"),) if status == 503 else ()
    return make_json({"error": message, **(details or {})}, status, again)
