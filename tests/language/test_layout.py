"""`netspec fmt`: tidy, idempotent, and the same meaning."""

import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from netspec import driver
from netspec.analysis.fingerprint import network_hash
from netspec.cli import group
from netspec.diagnostics.model import Diagnostics
from netspec.source import Source
from netspec.syntax.layout import meaning, tidy_spec
from netspec.syntax.paths import zoo_folder, zoo_specs
from netspec.syntax.reader import read
from tests.each import each

FILES = sorted(zoo_folder().rglob("*.yaml"))

UNTIDY = """# first
netspec:   1
name: "demo"         # a name
input: { data: [N,1 , 8,8] }


layers:
- name: 'conv1'@@
  type:  Convolution
  convolution_param:
      num_output: 4   # filters
      # about the window
      kernel_size: 3
-   {name: p, type: "Pooling", kernel_size: 2 ,stride: 2}
- name: "1e3"
  type: ReLU
description: >
   Folded   text,
   with "quotes".
""".replace("@@", "   ")
TIDY = """# first
netspec: 1
name: demo           # a name
input: {data: [N, 1, 8, 8]}


layers:
  - name: conv1
    type: Convolution
    convolution_param:
      num_output: 4   # filters
      # about the window
      kernel_size: 3
  - {name: p, type: Pooling, kernel_size: 2, stride: 2}
  - name: "1e3"
    type: ReLU
description: >
   Folded   text,
   with "quotes".
"""


def tidy(text: str) -> str:
    found = tidy_spec(Source("spec.yaml", text), Diagnostics())
    assert found is not None
    return found


def meant(text: str) -> list[object]:
    tree = read(Source("spec.yaml", text), Diagnostics())
    assert tree is not None
    return list(meaning(tree))


def test_an_untidy_spec() -> None:
    assert tidy(UNTIDY) == TIDY
    assert tidy(UNTIDY.replace("\n", "\r\n")) == TIDY.replace("\n", "\r\n")


@each("path", FILES, lambda path: path.stem)
def test_files_of_the_zoo_keep_their_meaning(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    once = tidy(text)
    assert tidy(once) == once
    assert meant(once) == meant(text)
    assert [line.split("#")[1:] for line in once.splitlines()] == [
        line.rstrip().split("#")[1:] for line in text.splitlines()
    ]


@pytest.mark.parametrize("name", ["lenet", "resnet-18", "u-net", "char-rnn"])
def test_a_resolved_spec_stays_the_same_network(name: str) -> None:
    first = driver.load(str(dict(zoo_specs())[name]))
    text = tidy(first.resolved_text())
    assert network_hash(
        driver.load_source(Source(f"{dict(zoo_specs())[name]}", text)).graphs()
    ) == network_hash(first.graphs())


@each("seed", range(12))
def test_untidied_files_come_back(seed: int) -> None:
    """Spaces put in where YAML allows any number of them make no difference to the tidy text."""
    rng = random.Random(seed)
    text = tidy(rng.choice(FILES).read_text(encoding="utf-8"))
    plain = [line for line in text.splitlines() if "[" in line and '"' not in line and "#" not in line]
    lines = [
        line.replace(", ", rng.choice([",  ", " , ", ", "])) if line in plain else line
        for line in text.splitlines()
    ]
    shaken = "\n".join(line + " " * rng.randrange(3) for line in lines)
    assert meant(tidy(shaken)) == meant(shaken)
    assert tidy(tidy(shaken)) == tidy(shaken)


ODD = [
    "a: &x {k: 1}\nb: *x\n",
    'vars: {w: "required", v: required}\n',
    "a: 'it''s'\nb: \"a: b\"\nc: '# no'\n",
    "a: |\n  keep   \n   this\nb: 1\n",
    "a: [1,\n    2,\n  3]\n",
    "- - 1\n  - 2\n-   - 3\n",
    "a:\n- b:\n  - c\n# end",
    "? a\n: b\n",
    "a: plain text\n   that goes on\nb: 1\n",
    'a: "${x}"\nb: [ "${y}" ]\nc: "$z"\n',
    "*x : 1\n",
    "{a: 1, }\n",
    "a: é   \n",
    "a: 1\rb:   2\r",
    "a: {b:  1}   # x\u2028y\nc:    2\n",
    'a: "q\u0085z"\n#  z\nb:\n      c: 1\n',
]


@pytest.mark.parametrize("text", ODD)
def test_odd_yaml_keeps_its_meaning(text: str) -> None:
    source = Source("spec.yaml", text)
    once = tidy_spec(source, Diagnostics())
    if once is None:
        assert read(source, Diagnostics()) is None
        return
    assert meant(once) == meant(text)
    assert tidy(once) == once


def test_the_command(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(UNTIDY, encoding="utf-8")

    def fmt(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(group, ["fmt", *words], standalone_mode=False, input=UNTIDY)
        assert result.exception is None, result.output
        return result.return_value, result.output

    assert fmt(str(spec), "--check")[0] == 1
    code, shown = fmt(str(spec), "--diff")
    assert code == 1
    assert {"-netspec:   1", "+netspec: 1"} <= set(shown.splitlines())
    assert spec.read_text(encoding="utf-8") == UNTIDY
    assert fmt(str(spec))[0] == 0
    assert spec.read_text(encoding="utf-8") == TIDY
    assert fmt(str(spec), "--check") == (0, "")
    assert fmt("-") == (0, TIDY)
    spec.write_text("a: [", encoding="utf-8")
    assert fmt(str(spec))[0] == 1
    assert spec.read_text(encoding="utf-8") == "a: ["


WIDE_DASHES = """layers:
-   name: a
    text: |
        # no comment
          in it
    of:
    -   - 1
        -   2
    # of it
-   # said later
    name: b
"""
NARROW_DASHES = """layers:
  - name: a
    text: |
        # no comment
          in it
    of:
      - - 1
        - 2
      # of it
  -   # said later
    name: b
"""


def test_a_table_of_numbers_keeps_its_columns_from_the_first_line_to_the_last() -> None:
    """Lists whose brackets close in one column with a neighbour's; a line that stands alone is written with one space."""
    table = "v:\n  - [ 1,   2,   3]\n  - [10,  20,  30]\n  - [ 5, 600,   7]\n"
    assert tidy(table) == table
    assert (
        tidy("v:\n  - [ 1,   2]\n  - [10,  20,  30]\n  - [ 5, 600,   7]\n")
        == "v:\n  - [1, 2]\n  - [10,  20,  30]\n  - [ 5, 600,   7]\n"
    )
    assert (
        tidy("v:\n  - [10,  20,  30]\n  - [ 5, 600,   7]\n  - [ 1,   2]\n")
        == "v:\n  - [10,  20,  30]\n  - [ 5, 600,   7]\n  - [1, 2]\n"
    )
    assert tidy("v:\n  - [ 1,   2]\nw: [10,  20,  30]\n") == "v:\n  - [1, 2]\nw: [10, 20, 30]\n"


def test_wide_gaps_behind_dashes_are_indentation() -> None:
    assert tidy(WIDE_DASHES) == NARROW_DASHES
    assert meant(NARROW_DASHES) == meant(WIDE_DASHES)
    assert tidy(NARROW_DASHES) == NARROW_DASHES
    # but not before the rows of a table
    assert (
        tidy("v:\n  -   -   [10,  20]\n      -   [ 5, 600]\n") == "v:\n  - -   [10,  20]\n    -   [ 5, 600]\n"
    )


VERSIONS = {
    "# a\nname:  x\n": "# a\nnetspec: 1\nname: x\n",
    "name: x\r\n": "netspec: 1\r\nname: x\r\n",
    "{name: x}\n": "{netspec: 1, name: x}\n",
    "name: x\nnetspec: 1\n": "name: x\nnetspec: 1\n",
}


@pytest.mark.parametrize("text", VERSIONS)
def test_upgrade_writes_the_version_down(tmp_path: Path, text: str) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_bytes(text.encode())
    assert CliRunner().invoke(group, ["fmt", "--upgrade", str(spec)], standalone_mode=False).return_value == 0
    assert spec.read_bytes().decode() == VERSIONS[text]


def test_a_version_that_is_not_known_is_left_and_told(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("netspec:   2\n", encoding="utf-8")
    result = CliRunner().invoke(group, ["fmt", "--upgrade", str(spec)], standalone_mode=False)
    assert (result.return_value, "NS106" in result.output) == (1, True)
    assert spec.read_text(encoding="utf-8") == "netspec:   2\n"
