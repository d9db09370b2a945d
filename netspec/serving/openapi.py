"""The server described for machines: in, its routes and limits; out, an OpenAPI 3.1 document."""

import re
from collections.abc import Iterable
from typing import Any

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
        "x-limits": bound,
    }


def describe_route(pattern: str, about: str) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", pattern)
    described: dict[str, Any] = {
        "summary": about,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ],
        "responses": {"200": {"description": "as asked"}, "default": {"description": '{"error": sentence}'}},
    }
    if pattern.endswith("/infer"):
        described["requestBody"] = {"required": True, "content": {"application/json": {}}}
    return described
