"""Requests to a server, sound and damaged, asked of its application without a socket. Knows the protocol by two samples."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from tests.hostile.damage import NUMBERS, PAYLOADS, damaged

__all__ = ["asked", "make_request"]

LENGTH = b"inference-header-content-length"
WRONG: tuple[Any, ...] = (None, -1, 1e308, 2**70, [], {}, [[]], "", "x" * 9000, True, [1, [2]], *PAYLOADS[:4])
Request = tuple[bytes, list[tuple[bytes, bytes]], str]


def make_request(chance: random.Random, sound: bool = False) -> Request:
    """A body, headers and path: JSON with values of the wrong kind, bytes damaged, or nested without end."""
    values = np.arange(128, dtype=np.float32)
    tensor: dict[str, Any] = {
        "name": "data",
        "datatype": "FP32",
        "shape": [2, 1, 8, 8],
        "data": values.tolist(),
    }
    headers: list[tuple[bytes, bytes]] = []
    raw = b""
    if chance.random() < 0.4:
        raw = values.tobytes()
        tensor = {**tensor, "parameters": {"binary_data_size": len(raw)}}
        del tensor["data"]
    whole: dict[str, Any] = {"inputs": [tensor], "id": "1"}
    if not sound and chance.random() < 0.6:
        place = chance.choice((tensor, whole, tensor.get("parameters", tensor)))
        place[chance.choice((*place, "parameters", "outputs"))] = chance.choice(WRONG)
    body = json.dumps(whole).encode()
    if not sound and chance.random() < 0.3:
        key = chance.choice(("data", "shape", "inputs"))
        body = body.replace(f'"{key}": ['.encode(), f'"{key}": [{chance.choice(NUMBERS)}, '.encode())
    if raw:
        headers.append((LENGTH, str(len(body)).encode()))
    body += raw
    if not sound and chance.random() < 0.6:
        body = damaged(body, chance)
    if not sound and chance.random() < 0.2:
        headers.append(
            (
                chance.choice((b"content-encoding", LENGTH, b"content-type")),
                chance.choice((b"gzip", b"deflate", b"-1", b"9" * 40, b"\xff")),
            )
        )
    return body, headers, "/v2/models/model/infer"


def asked(model: Path, requests: list[Request]) -> list[int]:
    """The status of each answer; an answer that is no JSON, or an error without words, raises."""
    from netspec.serving.engine import open_model
    from netspec.serving.http import create_app

    app = create_app(open_model(model, "cpu", allow_uncertified=True), "model", max_batch=4, queue=4)

    async def ask(request: Request) -> int:
        body, headers, path = request
        given, told = [{"type": "http.request", "body": body, "more_body": False}], []

        async def receive() -> dict[str, Any]:
            return given.pop() if given else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            told.append(message)

        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http", "path": path,
                 "raw_path": path.encode(), "query_string": b"", "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)}  # fmt: skip
        await app(scope, receive, send)  # type: ignore[arg-type]
        answer = b"".join(each.get("body", b"") for each in told[1:])
        status = int(told[0]["status"])
        assert status < 500, (status, answer, body[:300])
        assert status == 200 or json.loads(answer)["error"], (status, body[:300])
        return status

    async def every() -> list[int]:
        async with app.router.lifespan_context(app):
            return [await ask(request) for request in requests]

    return asyncio.run(every())
