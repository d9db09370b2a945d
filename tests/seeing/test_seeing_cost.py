"""What five views of the digits' run cost beyond torch's own import, and what they never load."""

import compileall
import json
import subprocess
import sys
from pathlib import Path

import pytest

import netspec

pytestmark = pytest.mark.torch

VIEWS = ("filters", "maps", "net", "confusion", "mistakes")
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
CHILD = """
import json, os, resource, sys
begun = resource.getrusage(resource.RUSAGE_SELF)
import torch
ended = resource.getrusage(resource.RUSAGE_SELF)
found = {"torch": ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime}
for view in sys.argv[3:]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = os.fork()
    if not child:
        from netspec.cli import main
        sys.argv = ["netspec", "see", view, sys.argv[1], "-o", f"{sys.argv[2]}/{view}.html"]
        try:
            main()
        except SystemExit as stop:
            with open(f"{sys.argv[-1]}.json", "w") as file:
                json.dump([stop.code, sorted(sys.modules)], file)
        os._exit(0)
    os.waitpid(child, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found[view] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps(found))
"""


def test_five_views_cost_little_beyond_torch(run: Path, tmp_path: Path) -> None:
    compileall.compile_dir(Path(netspec.__file__).parent, quiet=2)  # as an installed package is
    words = [sys.executable, "-c", CHILD, str(run), str(tmp_path), *VIEWS]
    spent = json.loads(subprocess.run(words, capture_output=True, text=True, check=True, timeout=300).stdout)
    for view in VIEWS:
        code, loaded = json.loads((tmp_path / f"{view}.html.json").read_text())
        assert code in (0, None), view
        ours = [name for name in loaded if name.startswith("netspec")]
        assert [name for name in loaded if name in HEAVY] == [], view
        assert len(ours) < LOADED, (view, len(ours))
    assert sum(spent[view] for view in VIEWS) < MOST * spent["torch"], spent
