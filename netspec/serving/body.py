"""Bodies that the client compressed. In: bytes and their encoding; out: bytes or a RequestError."""

import zlib

from netspec.serving.tensors import RequestError

__all__ = ["inflate"]

# zlib's window bits: with a gzip header, with a zlib header (which is what HTTP calls deflate).
ENCODINGS = {"gzip": 31, "deflate": 15}


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before. Raises RequestError: 413 (more than `limit` bytes), 415 or 400
    (encoding).
    """
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
        raise RequestError(f"the body must have at most {limit} bytes", 413)
    if not stream.eof or stream.unused_data:
        raise RequestError(
            f"the body must be one complete {encoding} stream:"
            f" {'bytes follow it' if stream.eof else 'it is cut off'}"
        )
    return inflated
