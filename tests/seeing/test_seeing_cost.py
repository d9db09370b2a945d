"""What five views of the digits' run cost beyond torch's own import, and what they never load."""

import compileall
import json
import sys
from pathlib import Path

import pytest

import netspec

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from view_cost import VIEWS, measure_views

pytestmark = pytest.mark.torch

MOST = 2.0
"""Of torch's import, what all five may take together: 3 s where that takes a second and a half. They take 0.9."""
HEAVY = (
    "sklearn",
    "scipy",
    "onnx",
    "onnxruntime",
    "torch._inductor",
    "netspec.training.session",
    "netspec.exporters",
)
LOADED = 380
"""Modules of netspec that a view may load, of more than 700; the most, mistakes, loads 340."""


def test_five_views_cost_little_beyond_torch(run: Path, tmp_path: Path) -> None:
    compileall.compile_dir(Path(netspec.__file__).parent, quiet=2)  # as an installed package is
    spent = measure_views(run, tmp_path)
    for view in VIEWS:
        code, loaded = json.loads((tmp_path / f"{view}.html.json").read_text())
        assert code in (0, None), view
        ours = [name for name in loaded if name.startswith("netspec")]
        assert [name for name in loaded if name in HEAVY] == [], view
        assert len(ours) < LOADED, (view, len(ours))
    assert sum(spent[view] for view in VIEWS) < MOST * spent["torch"], spent
