"""What the emitted text leaves out: an argument that is the module's default is not written, so the definition must know it."""

import inspect
import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from torch import nn

from netspec import torch_modules
from netspec.ir import layer
from tests.layers.rows import accepted, typed

pytestmark = pytest.mark.torch
BLOCKS = [import_module(f"netspec.torch_modules.{m.name}") for m in iter_modules(torch_modules.__path__)]


def constructed(target: str) -> Any:
    """The class of an emitted construction: torch's, or a block of ours."""
    if "." in target:
        return getattr(nn, target.removeprefix("nn."))
    return next(vars(module)[target] for module in BLOCKS if target in vars(module))


def constructions() -> list[Any]:
    """Target, arguments, keywords and defaults of what the example rows ask for, once each."""
    found: dict[str, Any] = {}
    usual = layer.module

    def noted(target: str, *arguments: Any, defaults: dict[str, Any] | None = None, **keywords: Any) -> Any:
        found.setdefault(
            repr((target, arguments, keywords, defaults)), (target, arguments, keywords, defaults or {})
        )
        return usual(target, *arguments, defaults=defaults, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        for module in [
            m
            for name, m in sys.modules.items()
            if name.startswith("netspec.") and vars(m).get("module") is usual
        ]:
            patch.setattr(module, "module", noted)
        for row in accepted():
            graph = typed(row)
            for node in graph.graph.nodes:
                node.layer.torch(*graph.bottoms(node))
    return list(found.values())


def plain(module: nn.Module) -> dict[str, Any]:
    """What a module remembers of its arguments; a number for all axes is that number for each, and none is 0."""
    kept = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    kept = {
        name: v[0] if isinstance(v, tuple) and v and all(each == v[0] for each in v) else v
        for name, v in kept.items()
    }
    return {name: None if v == 0 and not isinstance(v, bool) else v for name, v in kept.items()}


def test_what_is_left_out_is_what_the_module_takes() -> None:
    """Built without an argument and with what is said to be its default, the module is the same one."""
    tried = 0
    for target, arguments, keywords, defaults in constructions():
        cls = constructed(target)
        known = inspect.signature(cls.__init__).parameters
        written = {
            name: value for name, value in keywords.items() if name not in defaults or value != defaults[name]
        }
        for name in (
            n
            for n, each in list(known.items())[1 + len(arguments) :]
            if n in defaults and each.default is not each.empty
        ):
            tried += 1
            others = {n: value for n, value in written.items() if n != name}
            assert plain(cls(*arguments, **others)) == plain(
                cls(*arguments, **others, **{name: defaults[name]})
            ), (target, name)
    assert tried > 300
