"""What a hostile or very faulty text may cost: processor time and memory of `netspec` in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

MEGABYTES = 500
SIZES = {300: 6.0, 2000: 9.0}
"""Layers, and the seconds that they may cost: three times what is aimed at, since a loaded machine counts more for the same work."""
WORDS = {300: 40_000, 2000: 400_000}
"""Words of a prototxt that are tried beside so many layers."""
BY_SIZE = pytest.mark.parametrize("layers", [300, pytest.param(2000, marks=pytest.mark.slow)])

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


def mark_slow(rows: Iterable[str], *slow: str) -> list[Any]:
    """The rows, of which those that cost what a neighbour costs in the same way wait for a release."""
    return [pytest.param(row, marks=pytest.mark.slow if row in slow else ()) for row in rows]


def chain(layers: int, layer: str) -> str:
    """A net of many layers of one form; {i} is the number of a layer, {before} the one before."""
    rows = (layer.format(i=i, before=f"r{i - 1}" if i else "data") for i in range(layers))
    return "input: {data: [N, 3, 8, 8]}\nlayers:\n" + "".join(f"  - {{{row}}}\n" for row in rows)


def doubling(text: str, joined: str) -> str:
    rows = [f"  a{i + 1}: {joined.replace('a', f'a{i}')}\n" for i in range(20)]
    return (
        f"input: {{data: [N, 3]}}\nvars:\n  a0: {text}\n{''.join(rows)}layers:\n  - {{name: r, type: ReLU}}\n"
    )


CHAINS = {
    "one misspelt type": "name: r{i}, type: Relu, bottom: {before}",
    "many misspelt types": "name: r{i}, type: Convolut{i}ion, bottom: {before}",
    "misspelt bottoms": "name: r{i}, type: ReLU, bottom: x{before}",
    "misspelt keys": "name: r{i}, type: Convolution, nun_output: 3, kernel_size: 1, bottom: {before}",
    "no numbers": "name: r{i}, type: Convolution, num_output: 3x, kernel_size: 1, bottom: {before}",
    "windows too large": "name: r{i}, type: Convolution, num_output: 3, kernel_size: 9, bottom: data",
    "misspelt fillers": (
        "name: r{i}, type: InnerProduct, num_output: 3, bottom: data, weight_filler: {{type: xav{i}ier}}"
    ),
    "misspelt words": "name: r{i}, type: Pooling, pool: MAXI, kernel_size: 1, bottom: {before}",
    "one name for all": "name: r, type: ReLU, bottom: data",
}
OTHERS = {
    "texts that double": doubling("x" * 30, "$a$a$a$a"),
    "lists that double": doubling("[1, 2, 3, 4]", "${a + a}"),
    "lists of texts": doubling(f"[{'x' * 900}]", "${a + a + a}"),
    "axes": f"input: {{data: [{', '.join('1' * 5001)}]}}\nlayers:\n  - {{name: r, type: ReLU}}\n",
    "aliases": "input: {data: [N, 3]}\nlayers:\n  - &a {name: r, type: ReLU}\n" + "  - *a\n" * 30_000,
    "a long word": f"input: {{data: [N, 3]}}\nlayers:\n  - {{name: r, type: {'x' * 1_000_000}, bottom: {'z' * 1_000_000}}}\n",
}
"""What does not grow by layers."""


def cost_of(folder: Path, text: str, *words: str) -> tuple[list[Any], str, str]:
    """Exit code, seconds and megabytes of a command, and what it printed."""
    (folder / words[1]).write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    return json.loads(done.stderr.splitlines()[-1]), done.stdout, done.stderr


def costs_little(folder: Path, text: str, seconds: float) -> str:
    (code, spent, megabytes), out, err = cost_of(folder, text, "check", "spec.yaml")
    assert code == 1, err[-2000:]
    assert spent < seconds
    assert megabytes < MEGABYTES
    assert len(out) < 4_000_000
    return out


def use_list(value: str, rows: list[str], above: str = "") -> str:
    """A short spec whose variable a is a long list, and layers that take it."""
    head = f"input: {{data: [N, 3, 8, 8]}}\nvars: {{d: {{p: 1, q: 2}}, a: '{value}'}}\n{above}layers:\n"
    return head + "".join(f"  - {{{row}}}\n" for row in rows)


def repeat_row(row: str, times: int = 3) -> list[str]:
    return [f"name: r{i}, bottom: data, {row}" for i in range(times)]


BLOCK = """blocks:
  u:
    vars: {c: 1}
    layers:
      - {name: s, type: Slice, slice_point: $a}
      - {name: t, type: Convolution, num_output: 3, kernel_size: $a}
"""
DEFAULTS = "defaults: {Slice: {slice_point: $a}}\n"
KEYS = "{" + ", ".join(f"kx{i}: 1" for i in range(1000)) + "}"
LISTS = {
    "numbers": use_list("${[1] * 50000}", repeat_row("type: Slice, slice_point: $a")),
    "texts": use_list('${["x"] * 50000}', repeat_row("type: Slice, slice_point: $a")),
    "lists": use_list("${[[1] * 300] * 250}", repeat_row("type: Slice, slice_point: $a")),
    "mappings": use_list("${[d] * 20000}", repeat_row("type: InnerProduct, num_output: 3, param: $a")),
    "blocks": use_list("${[1] * 3000}", ["name: x, block: u, repeat: 40, vars: {c: $i}"], BLOCK),
    "dims": use_list("${[0.5] * 70000}", repeat_row("type: Reshape, shape: {dim: $a}")),
    "windows": use_list("${[1] * 70000}", repeat_row("type: Convolution, num_output: 3, kernel_size: $a")),
    "shapes": use_list("${[[1] * 10] * 8000}", ["name: r, type: Input, shape: $a"]),
    "tops": use_list('${["x"] * 70000}', repeat_row("type: Slice, top: $a")),
    "defaults": use_list("${[1] * 24000}", repeat_row("type: Slice", 50), DEFAULTS),
    "keys": use_list("1", repeat_row("type: InnerProduct, num_output: 3, weight_filler: $e", 90)).replace(
        "vars: {", f"vars: {{e: {KEYS}, "
    ),
}
"""Short texts whose variables add values in any number."""


@pytest.mark.parametrize("what", mark_slow(LISTS, *{*LISTS} - {"numbers", "texts"}))
def test_check_of_long_lists_costs_little(what: str, tmp_path: Path) -> None:
    out = costs_little(tmp_path, LISTS[what], SIZES[2000])
    assert len(out) < 100_000
    if what == "texts":
        assert out.count("and 49,999 more of this kind") == 3


@BY_SIZE
@pytest.mark.parametrize("what", mark_slow(CHAINS, "misspelt bottoms", "no numbers", "misspelt words"))
def test_check_of_many_layers_costs_little(what: str, layers: int, tmp_path: Path) -> None:
    out = costs_little(tmp_path, chain(layers, CHAINS[what]), SIZES[layers])
    if what == "one misspelt type":  # one trial serves all fixes of a kind
        assert out.count("= help: write ReLU") == layers


@pytest.mark.parametrize("what", mark_slow(OTHERS, "lists of texts", "axes"))
def test_check_costs_little(what: str, tmp_path: Path) -> None:
    costs_little(tmp_path, OTHERS[what], SIZES[2000])


HEAD = 'layer { name: "d" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n'


def repeated(words: str, layer: str = "ReLU", group: str = "") -> str:
    """A prototxt of one layer with words in any number, in a message of it or not."""
    inside = f"{group} {{ {words} }}" if group else words
    return f'{HEAD}layer {{ name: "r" type: "{layer}" bottom: "data" top: "r" {inside} }}\n'


LAYER = 'layer {{ name: "r{i}" type: "ReLU" bottom: "data" top: "data" nonsense: 3 }}\n'
NETS: dict[str, Callable[[int], tuple[str, str]]] = {
    "unknown words": lambda words: (
        repeated(" ".join(f"n{i}: 3" for i in range(words))),
        "more of this kind",
    ),
    "an unknown word in each layer": lambda words: (
        HEAD + "".join(LAYER.format(i=i) for i in range(words // 80)),
        "more of this kind",
    ),
    "no numbers": lambda words: (
        repeated("num_output: x " * 1_000, "Convolution", "convolution_param"),
        "more of this kind",
    ),
    "one unknown word": lambda words: (
        repeated("nonsense: 3 " * words),
        f"nonsense stands more than 1,000 times in one message, {words:,} times",
    ),
    "messages": lambda words: (
        repeated("param { lr_mult: 1 } " * (words // 2), "InnerProduct"),
        "param stands more than 1,000 times",
    ),
    "dims": lambda words: (
        HEAD.replace("dim: 8 }", "dim: 8 " * words + "}"),
        "dim stands more than 1,000 times",
    ),
    "a list of dims": lambda words: (
        HEAD.replace("dim: 8 }", f"dim: [{', '.join('1' * words)}] }}"),
        "dim stands more than 1,000 times",
    ),
    "bottoms": lambda words: (
        repeated('bottom: "data" ' * words, "Concat"),
        f"bottom stands more than 1,000 times in one message, {words + 1:,} times",
    ),
    "kernel sizes": lambda words: (
        repeated("kernel_size: 3 " * words, "Convolution", "convolution_param"),
        "kernel_size stands more than 1,000 times",
    ),
    "inputs": lambda words: (
        "".join(f'input: "i{i}" ' for i in range(words)) + HEAD,
        "input stands more than 1,000 times",
    ),
    "fields": lambda words: (
        HEAD + "layer { } " * (600_000),
        "about 600,010 fields; at most 500,000 are read",
    ),
}
"""A text with so many words, and what is said of it."""


@BY_SIZE
@pytest.mark.parametrize("what", mark_slow(NETS, "messages", "a list of dims", "kernel sizes", "inputs"))
def test_import_costs_little(what: str, layers: int, tmp_path: Path) -> None:
    """Of many findings of a kind the first are shown and the others counted; what no net has is refused before it is worked on."""
    text, said = NETS[what](WORDS[layers])
    (_, spent, megabytes), out, err = cost_of(tmp_path, text, "import", "net.prototxt", "-o", "net.yaml")
    assert spent < SIZES[layers]
    assert megabytes < MEGABYTES
    assert len(out) < 200_000
    assert said in out + err
