"""The Protocol that layers build ONNX with: the builder keeps it, layers and plug-in authors need nothing beside it."""

import inspect
import re
from pathlib import Path

from netspec import layers
from netspec.emit.onnx_idioms import Builder
from netspec.ir.onnx import OnnxBuilder

IDIOMS = {
    name: member
    for name, member in vars(OnnxBuilder).items()
    if inspect.isfunction(member) and not name.startswith("_")
}


def test_the_builder_has_every_idiom_with_these_parameters() -> None:
    shapes = {
        name: [(p.name, p.kind, p.default) for p in inspect.signature(made).parameters.values()]
        for name, made in IDIOMS.items()
    }
    found = {
        name: [
            (p.name, p.kind, p.default) for p in inspect.signature(getattr(Builder, name)).parameters.values()
        ]
        for name in IDIOMS
    }
    assert found == shapes


def test_layers_use_no_other_idiom() -> None:
    """Operators begin with a capital; anything else that is asked of `g` is one of the Protocol's, which mypy cannot tell from one."""
    texts = [path.read_text(encoding="utf-8") for path in Path(layers.__file__).parent.rglob("*.py")]
    used = {word for text in texts for word in re.findall(r"\bg\.([a-z]\w*)", text)}
    assert used <= set(IDIOMS)
    assert set(IDIOMS) - used <= {"body"}
