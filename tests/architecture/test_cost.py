"""What a hostile or very faulty text may cost: processor time and memory of `netspec` in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS, MEGABYTES = 9.0, 500
"""Three times what is aimed at: a loaded machine counts more processor time for the same work."""
LAYERS = 2000

PROBE = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
from netspec.cli import main
try:
    main()
except SystemExit as end:
    code = end.code
spent = resource.getrusage(resource.RUSAGE_SELF)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
most = int(status["VmHWM"].split()[0])  # ru_maxrss would be that of the process that started this one
print("\\n" + json.dumps([code, spent.ru_utime + spent.ru_stime, most // 1024]), file=sys.stderr)
"""


def chain(layer: str) -> str:
    """A net of many layers of one form; {i} is the number of a layer, {before} the one before."""
    rows = (layer.format(i=i, before=f"r{i - 1}" if i else "data") for i in range(LAYERS))
    return "input: {data: [N, 3, 8, 8]}\nlayers:\n" + "".join(f"  - {{{row}}}\n" for row in rows)


def doubling(text: str, joined: str) -> str:
    rows = [f"  a{i + 1}: {joined.replace('a', f'a{i}')}\n" for i in range(20)]
    return (
        f"input: {{data: [N, 3]}}\nvars:\n  a0: {text}\n{''.join(rows)}layers:\n  - {{name: r, type: ReLU}}\n"
    )


SPECS = {
    "one misspelt type": chain("name: r{i}, type: Relu, bottom: {before}"),
    "many misspelt types": chain("name: r{i}, type: Convolut{i}ion, bottom: {before}"),
    "misspelt bottoms": chain("name: r{i}, type: ReLU, bottom: x{before}"),
    "misspelt keys": chain("name: r{i}, type: Convolution, nun_output: 3, kernel_size: 1, bottom: {before}"),
    "no numbers": chain("name: r{i}, type: Convolution, num_output: 3x, kernel_size: 1, bottom: {before}"),
    "windows too large": chain("name: r{i}, type: Convolution, num_output: 3, kernel_size: 9, bottom: data"),
    "misspelt fillers": chain(
        "name: r{i}, type: InnerProduct, num_output: 3, bottom: data, weight_filler: {{type: xav{i}ier}}"
    ),
    "misspelt words": chain("name: r{i}, type: Pooling, pool: MAXI, kernel_size: 1, bottom: {before}"),
    "one name for all": chain("name: r, type: ReLU, bottom: data"),
    "texts that double": doubling("x" * 30, "$a$a$a$a"),
    "lists that double": doubling("[1, 2, 3, 4]", "${a + a}"),
    "lists of texts": doubling(f"[{'x' * 900}]", "${a + a + a}"),
    "axes": f"input: {{data: [{', '.join('1' * 5001)}]}}\nlayers:\n  - {{name: r, type: ReLU}}\n",
    "aliases": "input: {data: [N, 3]}\nlayers:\n  - &a {name: r, type: ReLU}\n" + "  - *a\n" * 30_000,
    "a long word": f"input: {{data: [N, 3]}}\nlayers:\n  - {{name: r, type: {'x' * 1_000_000}, bottom: {'z' * 1_000_000}}}\n",
}


@pytest.mark.parametrize("what", SPECS)
def test_check_costs_little(what: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPECS[what])
    done = subprocess.run(
        [sys.executable, "-c", PROBE, "check", "spec.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    code, seconds, megabytes = json.loads(done.stderr.splitlines()[-1])
    assert code == 1, done.stderr[-2000:]
    assert seconds < SECONDS
    assert megabytes < MEGABYTES
    assert len(done.stdout) < 4_000_000


HEAD = 'layer { name: "d" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n'
WORDS = 400_000


def repeated(words: str, layer: str = "ReLU", group: str = "") -> str:
    """A prototxt of one layer with words in any number, in a message of it or not."""
    inside = f"{group} {{ {words} }}" if group else words
    return f'{HEAD}layer {{ name: "r" type: "{layer}" bottom: "data" top: "r" {inside} }}\n'


LAYER = 'layer {{ name: "r{i}" type: "ReLU" bottom: "data" top: "data" nonsense: 3 }}\n'
NETS = {
    "unknown words": (repeated(" ".join(f"n{i}: 3" for i in range(WORDS))), "more of this kind"),
    "an unknown word in each layer": (
        HEAD + "".join(LAYER.format(i=i) for i in range(5_000)),
        "more of this kind",
    ),
    "no numbers": (
        repeated("num_output: x " * 1_000, "Convolution", "convolution_param"),
        "more of this kind",
    ),
    "one unknown word": (
        repeated("nonsense: 3 " * WORDS),
        "nonsense stands more than 1,000 times in one message, 400,000 times",
    ),
    "messages": (
        repeated("param { lr_mult: 1 } " * (WORDS // 2), "InnerProduct"),
        "param stands more than 1,000 times",
    ),
    "dims": (HEAD.replace("dim: 8 }", "dim: 8 " * WORDS + "}"), "dim stands more than 1,000 times"),
    "a list of dims": (
        HEAD.replace("dim: 8 }", f"dim: [{', '.join('1' * WORDS)}] }}"),
        "dim stands more than 1,000 times",
    ),
    "bottoms": (
        repeated('bottom: "data" ' * WORDS, "Concat"),
        "bottom stands more than 1,000 times in one message, 400,001 times",
    ),
    "kernel sizes": (
        repeated("kernel_size: 3 " * WORDS, "Convolution", "convolution_param"),
        "kernel_size stands more than 1,000 times",
    ),
    "inputs": ("".join(f'input: "i{i}" ' for i in range(WORDS)) + HEAD, "input stands more than 1,000 times"),
    "fields": (HEAD + "layer { } " * (WORDS + 200_000), "about 600,010 fields; at most 500,000 are read"),
}


@pytest.mark.parametrize("what", NETS)
def test_import_costs_little(what: str, tmp_path: Path) -> None:
    """Of many findings of a kind the first are shown and the others counted; what no net has is refused before it is worked on."""
    text, said = NETS[what]
    (tmp_path / "net.prototxt").write_text(text)
    command = [sys.executable, "-c", PROBE, "import", "net.prototxt", "-o", "net.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    _, seconds, megabytes = json.loads(done.stderr.splitlines()[-1])
    assert seconds < SECONDS
    assert megabytes < MEGABYTES
    assert len(done.stdout) < 200_000
    assert said in done.stdout + done.stderr


def test_one_trial_serves_all_fixes_of_a_kind(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPECS["one misspelt type"])
    done = subprocess.run(
        [sys.executable, "-c", PROBE, "check", "spec.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.count("= help: write ReLU") == LAYERS
