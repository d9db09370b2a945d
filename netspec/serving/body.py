"""Request bodies: bounded in size and time, inflated where the client compressed them. In: a
request; out: bytes or a RequestError.
"""

import asyncio
import zlib

from starlette.requests import Request

from netspec.serving.tensors import RequestError

__all__ = ["read_body"]

SECONDS = 30.0
# How long to go on reading what is announced to be too long: a client that is still sending would
# not see the answer.
DRAIN = 2.0
# zlib's window bits: with a gzip header, with a zlib header (which is what HTTP calls deflate).
ENCODINGS = {"gzip": 31, "deflate": 15}


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, inflated. Raises RequestError: 408 (took too long), 413 (more than `limit`
    bytes), 415 or 400 (encoding).
    """
    announced = request.headers.get("content-length", "0")
    too_long = len(announced) > 18 or int(announced) > limit
    try:
        async with asyncio.timeout(DRAIN if too_long else SECONDS):
            body = await _collect(request, limit)
    except TimeoutError as error:
        raise (
            _too_large(limit)
            if too_long
            else RequestError(f"the body must arrive within {SECONDS:g} seconds", 408)
        ) from error
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return body
    return _inflate(body, encoding, limit)


async def _collect(request: Request, limit: int) -> bytes:
    """Reads to the end even where it is too long, but keeps nothing of it then."""
    parts: list[bytes] = []
    total = 0
    async for part in request.stream():
        total += len(part)
        if total > limit:
            parts.clear()
        else:
            parts.append(part)
    if total > limit:
        raise _too_large(limit)
    return b"".join(parts)


def _inflate(body: bytes, encoding: str, limit: int) -> bytes:
    if encoding not in ENCODINGS:
        raise RequestError(
            f"Content-Encoding must be one of identity, {', '.join(ENCODINGS)}: got {encoding[:40]!r}",
            415,
        )
    stream = zlib.decompressobj(wbits=ENCODINGS[encoding])
    try:
        inflated = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise RequestError(f"the body must be {encoding}: {error}") from error
    if len(inflated) > limit:
        raise _too_large(limit)
    if not stream.eof or stream.unused_data:
        raise RequestError(
            f"the body must be one complete {encoding} stream:"
            f" {'bytes follow it' if stream.eof else 'it is cut off'}"
        )
    return inflated


def _too_large(limit: int) -> RequestError:
    return RequestError(f"the body must have at most {limit} bytes", 413)
