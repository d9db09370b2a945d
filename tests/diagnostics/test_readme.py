"""The README shows what check prints, and a spec that is sound."""

import re
from pathlib import Path

from netspec.diagnostics.render import render
from netspec.repair.check import check_source
from netspec.source import Source

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


def test_the_spec_of_the_tour_is_sound() -> None:
    (spec,) = re.findall(r"^```yaml\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert check_source(Source("tiny.yaml", spec)) == []
