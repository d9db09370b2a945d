"""Every generated file is what its generator makes of the code as it is; a row at fault is named, and then nothing is written."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def generate(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    script = root / ".ci" / "generate.py"
    return subprocess.run(
        [sys.executable, script, *words], cwd=root, capture_output=True, text=True, check=False
    )


@pytest.mark.slow  # a step of its own in .ci/run
def test_generated_files_are_fresh() -> None:
    done = generate(ROOT, "--check")
    assert done.returncode == 0, done.stdout + done.stderr


PLANTED = """
import runpy, sys
from netspec.ir.layer import Layer, accepts
from netspec.layers import softmax

def odd(old=softmax.Softmax.examples):
    yield from list(old())[:2]
    {row}

softmax.Softmax.examples = staticmethod(odd)
Layer.infer.__doc__ = "what would be written if anything were"
sys.argv = ["generate.py"]
runpy.run_path({script!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("yield accepts('{axis: wide}', 'N,3 -> N,3')", "Softmax row 2: axis: wide is no "),
        ("yield accepts('{axis: 5}', 'N,3 -> N,3')", "Softmax row 2: RuleError: axis 5"),
        ("yield accepts('{axis: 1', 'N,3 -> N,3')", "Softmax row 2: SpecError: "),
        ("yield accepts('{breadth: 1}', 'N,3 -> N,3')", "Softmax row 2: {breadth: 1} does not fit: breadth"),
        ("yield accepts('{}', 'N,3')", "Softmax row 2: ValueError: "),
    ],
)
def test_a_row_at_fault_is_named_and_nothing_is_written(row: str, words: str) -> None:
    code = PLANTED.format(row=row, script=str(ROOT / ".ci" / "generate.py"))
    before = (ROOT / "docs" / "traits.md").read_text(encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.endswith("nothing was written\n")
    assert (ROOT / "docs" / "traits.md").read_text(encoding="utf-8") == before
