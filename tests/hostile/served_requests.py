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
    from netspec.serving.batcher import Batching
    from netspec.serving.engine import open_model
    from netspec.serving.exchange import Request as Whole
    from netspec.serving.gate import Gate
    from netspec.serving.http import Service
    from netspec.serving.limits import Limits
    from netspec.serving.repository import Entry, Repository

    async def ask(service: Service, request: Request) -> int:
        body, headers, path = request
        answer = await service.respond(Whole(b"POST", path.encode(), dict(headers), body))
        assert answer.status < 500, (answer, body[:300])
        assert answer.status == 200 or json.loads(answer.body)["error"], (answer.status, body[:300])
        return answer.status

    async def every() -> list[int]:
        repository = Repository()
        repository.add(Entry("model", "1", open_model(model, "cpu", allow_uncertified=True), Batching(4, 4)))
        service = Service(repository, Gate(Limits()))
        service.start()
        statuses = [await ask(service, request) for request in requests]
        await service.stop()
        return statuses

    return asyncio.run(every())
