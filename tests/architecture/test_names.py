"""Who may know whom: imports run one way, layer types are named in layers/ alone, and emitted names
stay clear of torch's.
"""

import ast
import graphlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from netspec.layers.index import TYPES
from tests.architecture.modules import FILES, ROOT, tree, walk
from tests.each import each

ORDER = (
    ("version", "source", "frozen_classes", "allowed_paths"),
    ("kinds",),
    ("record",),
    ("diagnostics",),
    ("strict_json", "strict_xml", "file_reading"),
    ("garbage_collection", "file_writing", "read_options", "ort_format", "seal"),
    ("imaging",),
    ("caffe",),
    ("syntax", "ir"),
    ("torch_modules",),
    ("layers",),
    ("augmentation",),
    ("plugin", "plugins"),
    ("resolve",),
    ("pictures",),
    ("data",),
    ("fusion",),
    ("analysis",),
    ("emit",),
    ("driver",),
    ("repair",),
    ("compiled",),
    ("importers",),
    ("reference",),
    ("training",),
    ("exporters",),
    ("recipes",),
    ("api",),
    ("serving",),
    ("seeing",),
    ("cli",),
    ("__main__",),
)
"""Each may import those above it, and those beside it that do not import it; imports inside
functions count as all others do.
"""
SERVING_KNOWS = {
    "version",
    "source",
    "frozen_classes",
    "allowed_paths",
    "kinds",
    "record",
    "diagnostics",
    "strict_json",
    "file_reading",
    "file_writing",
    "imaging",
    "ort_format",
    "seal",
}

NAMED = {
    "augmentation/frame.py": {"Crop", "Flip"},  # what is done to pictures has these names everywhere
    "augmentation/geometry.py": {"Scale"},
    "resolve/augmentations.py": {"Crop", "Flip"},
    "emit/onnx_idioms.py": {"Split"},  # ONNX's operator of that name
    "exporters/quantization/convert.py": {
        *("Clip", "Concat", "Flatten", "Reshape"),  # ONNX's operators of these names
    },
    "seeing/onnx_filters.py": {"Flatten", "Reshape"},  # so here
    "ir/graph.py": {"Input"},  # the class of a graph's inputs
    "training/run/log.py": {"Log"},  # the class of a run's log
    "importers/net_inputs.py": {"Input"},  # Caffe's input: of a net becomes such a layer
    "caffe/messages.py": None,  # Caffe's own enum of types
    "emit/prototxt.py": {
        "Input",
        "Power",
    },  # an input of the net becomes such a layer, and the scale of its pixels
    "importers/oldest.py": None,  # what V0 and V1 files say otherwise of certain types
    "importers/upgrade.py": None,
    "importers/nvidia.py": None,
}
"""Where a word that is also a layer type's name means something else, or a file format's history is
told.
"""


def part(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


OUTSIDE_INIT = each("path", [p for p in FILES if part(p) != "__init__"], name_of)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line, and the part of netspec that is imported; inside functions, too."""
    for n in walk(path):
        if isinstance(n, ast.ImportFrom) and (n.module or "").split(".")[0] == "netspec":
            names = [n.module or ""] if n.module != "netspec" else [f"netspec.{a.name}" for a in n.names]
        elif isinstance(n, ast.Import):
            names = [a.name for a in n.names if a.name.split(".")[0] == "netspec"]
        else:
            continue
        for name in names:
            yield n.lineno, [*name.split("."), "__init__"][1]


@OUTSIDE_INIT
def test_imports_run_one_way(path: Path) -> None:
    rank = {name: i for i, names in enumerate(ORDER) for name in names}
    mine = part(path)
    assert mine in rank, f"{mine} has no place in the order"
    for line, other in imports(path):
        if other == mine:
            continue
        assert rank[other] <= rank[mine], f"line {line}: {mine} imports {other}"
        assert mine != "serving" or other in SERVING_KNOWS, f"line {line}: serving imports {other}"


def test_no_file_imports_what_imports_it() -> None:
    """Inside a room, too; imports in functions and for types count."""
    graphlib.TopologicalSorter(files_imported()).prepare()  # CycleError names the circle


def files_imported() -> dict[str, set[str]]:
    """For each module the modules of netspec that its file names in imports."""
    names = {".".join(("netspec", *p.relative_to(ROOT).with_suffix("").parts)): p for p in FILES}
    modules = {name.removesuffix(".__init__"): path for name, path in names.items()}
    found: dict[str, set[str]] = {name: set() for name in modules}
    for name, path in modules.items():
        for n in walk(path):
            if isinstance(n, ast.ImportFrom) and n.module in modules:
                inner = {f"{n.module}.{a.name}" for a in n.names}
                found[name] |= (inner & modules.keys()) or {n.module}
            elif isinstance(n, ast.Import):
                found[name] |= {a.name for a in n.names} & modules.keys()
        found[name].discard(name)
    return found


@each("path", [p for p in FILES if part(p) != "layers"], name_of)
def test_no_layer_type_is_named_outside_layers(path: Path) -> None:
    today = {name for name, _ in TYPES.values()}
    found = {
        n.value
        for n in walk(path)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and n.value in today
    }
    for n in walk(path):
        if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("netspec.layers"):
            found |= {a.name for a in n.names if a.name in today}
    allowed = NAMED.get(str(path.relative_to(ROOT)), set())
    assert allowed is None or found <= allowed


@pytest.mark.torch
def test_attributes_of_torch_modules_are_forbidden_names() -> None:
    import torch
    from torch import nn

    from netspec.emit.names import FORBIDDEN, Names
    from netspec.torch_modules.base import Network

    taken = {name for cls in (nn.Module, Network) for name in dir(cls()) if not name.startswith("_")}
    assert taken <= FORBIDDEN
    made = {Names()[name] for name in (*taken, "type", "class", "self", "torch")}
    assert made.isdisjoint(taken)
    assert callable(torch.nn.Module.type)


def test_serving_never_imports_torch() -> None:
    for path in (p for p in FILES if part(p) == "serving"):
        names = {a.name.split(".")[0] for n in walk(path) if isinstance(n, ast.Import) for a in n.names}
        names |= {(n.module or "").split(".")[0] for n in walk(path) if isinstance(n, ast.ImportFrom)}
        assert "torch" not in names, path


@pytest.mark.torch
def test_a_net_named_as_a_block_keeps_both_classes() -> None:
    """The class of the network and the inlined modules share one namespace."""
    from netspec.compiled import compile as compiled
    from netspec.driver import load_source
    from netspec.source import Source

    for name in ("scale", "Crop", "network", "f", "nn", "torch", "tensor", "any"):
        text = f"netspec: 1\nname: {name}\ninput: {{x: [N, 3, 4, 4]}}\nlayers:\n  - {{name: l, type: Scale, bias_term: true}}\n"
        import torch

        net = compiled(load_source(Source("spec.yaml", text)))
        assert net(torch.ones(1, 3, 4, 4)).shape == (1, 3, 4, 4)


def module_of(path: Path) -> str:
    return ".".join(("netspec", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


def offered(path: Path) -> set[str] | None:
    """A module's `__all__`, where it has one."""
    for node in tree(path).body:
        if (
            isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]) == "__all__"
            and isinstance(node.value, ast.List)
        ):
            return set(ast.literal_eval(node.value))
    return None


@cache
def modules() -> dict[str, set[str] | None]:
    return {module_of(path): offered(path) for path in FILES}


@OUTSIDE_INIT
def test_other_rooms_import_what_is_offered(path: Path) -> None:
    """Within a room everything may be used; across rooms what stands in `__all__`, and modules."""
    for node in walk(path):
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        public = modules().get(module)
        if public is not None and [*module.split("."), ""][1] != part(path):
            names = {alias.name for alias in node.names if f"{module}.{alias.name}" not in modules()}
            assert names <= public, f"line {node.lineno}: {sorted(names - public)} of {module}"
