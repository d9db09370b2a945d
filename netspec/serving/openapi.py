"""The server described for machines: in, its routes and limits; out, an OpenAPI 3.1 document."""

import re
from collections.abc import Iterable
from typing import Any

from netspec.serving.body_schemas import SCHEMAS, bodies_of, refer
from netspec.serving.limits import Limits, bounds
from netspec.version import __version__

__all__ = ["describe_routes"]


def describe_routes(routes: Iterable[tuple[str, str, str]], limits: Limits) -> dict[str, Any]:
    """Of each route its method, its pattern and what it is for."""
    paths: dict[str, dict[str, Any]] = {}
    for method, pattern, about in routes:
        paths.setdefault(pattern, {})[method.lower()] = describe_route(pattern, about)
    bound = {f.name: {"value": getattr(limits, f.name), **f.metadata} for f in bounds()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "netspec serve: Open Inference Protocol v2", "version": __version__},
        "paths": paths,
        "components": {"schemas": SCHEMAS},
        "x-limits": bound,
    }


def describe_route(pattern: str, about: str) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", pattern)
    sent, comes = bodies_of(pattern)
    described: dict[str, Any] = {
        "summary": about,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ],
        "responses": {"200": describe_body("as asked", comes), "default": describe_body("why not", "Error")},
    }
    if sent:
        described["requestBody"] = {"required": sent == "InferRequest", "content": content_of(sent)}
    return described


def describe_body(about: str, schema: str) -> dict[str, Any]:
    if not schema:
        return {"description": about}
    return {"description": about, "content": content_of(schema)}


def content_of(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": refer(schema)}}
