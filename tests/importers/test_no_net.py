"""What an import says of a file that can be read and is no net."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from netspec.cli import group
from netspec.repair.check import check_source
from netspec.source import Source


@pytest.mark.parametrize(
    ("kernel", "said"), [(11, "`netspec check net.yaml` finds 1 error in it\n"), (3, "")]
)
def test_what_is_no_net_is_written_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    convolution = f"convolution_param {{ num_output: 3 kernel_size: {kernel} }}"
    Path("net.prototxt").write_text(
        'input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n'
        f'layer {{ name: "c" type: "Convolution" bottom: "data" top: "c" {convolution} }}\n'
    )
    run = CliRunner().invoke(group, ("import", "net.prototxt", "-o", "net.yaml"), standalone_mode=False)
    assert run.return_value == 0 and run.stdout == f"wrote net.yaml: 1 layer\n{said}"
    assert bool(said) == any(
        each.severity == "error" for each in check_source(Source("", Path("net.yaml").read_text()))
    )
