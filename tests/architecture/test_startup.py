"""What the everyday commands import, and how much processor time they take, each in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "numpy", "onnx", "onnxruntime", "rich", "jsonschema", "sklearn", "PIL", "safetensors")
MOST_SECONDS = (
    1.5  # of processor time: about ten times what it takes, and a third of what importing torch takes
)
LENET = "specs/lenet.yaml"

PROBE = """
import json, resource, sys
from netspec.cli import main
try:
    main()
except SystemExit as end:
    code = end.code
spent = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([code, spent.ru_utime + spent.ru_stime, sorted(sys.modules)]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", LENET),
        ("show", LENET),
        ("show", "--json", LENET),
        ("explain", "NS301"),
        ("explain", "train.solver.gamma"),
        ("explain", "Convolution.pad"),
        ("explain", LENET, "conv1"),
        ("layers",),
        ("layers", "Convolution"),
        ("diff", LENET, LENET),
        ("hash", LENET),
        ("sizes", LENET),
        ("--help",),
        ("completion", "bash"),
    ],
    ids=" ".join,
)
def test_command_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    code, seconds, modules = json.loads(done.stderr.splitlines()[-1])
    assert code in (0, None), done.stdout + done.stderr
    assert [name for name in HEAVY if name in modules] == []
    assert seconds < MOST_SECONDS


def test_a_finding_imports_jsonschema_for_its_words_and_nothing_heavier(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "input: {data: [N, 3, 8, 8]}\nlayers:\n  - {name: conv1, type: Convolution, num_output: many, kernel_size: 3}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", PROBE, "check", str(spec)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    code, _, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 1
    assert [name for name in HEAVY if name in modules] == ["jsonschema"]


def test_only_the_families_in_use_are_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, "check", LENET], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = json.loads(done.stderr.splitlines()[-1])[2]
    assert "netspec.layers.convolution" in modules
    assert not {
        "netspec.layers.recurrent",
        "netspec.layers.loss_pairs",
        "netspec.resolve.json_schema.publish",
        "netspec.resolve.messages.schema",
    } & set(modules)
