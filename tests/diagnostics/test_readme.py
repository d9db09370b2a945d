"""The README shows what check prints, and names commands that there are."""

import re
from pathlib import Path

import click

from netspec.cli import group
from netspec.diagnostics.render import render
from netspec.repair.check import check_source
from netspec.source import Source
from netspec.syntax.paths import zoo_specs

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
DEMO = """\
netspec: 1
name: demo
input: {data: [N, 3, 8, 8]}
layers:
  - {name: conv1, type: Convolution, num_output: 20, kernel_size: 5}
  - {name: conv2, type: Convolution, num_output: 20, kernel_size: 5, stride: 1}
"""


def test_the_picture_of_an_error_is_what_check_prints() -> None:
    shown = render(check_source(Source("specs/demo.yaml", DEMO)), color=False).split("\n\n")[0]
    assert f"```\n{shown}\n```" in README


def test_its_commands_and_nets_are_there() -> None:
    named = re.findall(r"\bnetspec ([a-z]+) ?([^`\n]*)", "\n".join(re.findall(r"`netspec [^`]*`", README)))
    assert len(named) > 20
    assert {command for command, _ in named} <= set(group.list_commands(click.Context(group)))
    assert {net for _, words in named for net in re.findall(r"zoo:([\w-]+)", words)} <= dict(
        zoo_specs()
    ).keys()
