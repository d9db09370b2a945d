"""`netspec compile --explain` and `--no-fuse`."""

from pathlib import Path

from click.testing import CliRunner

from netspec.cli import group


def run(*arguments: str) -> str:
    done = CliRunner().invoke(group, ["compile", "zoo:resnet-20", *arguments])
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def test_it_says_what_runs_as_one() -> None:
    said = run("--explain", "--phase", "train")
    assert "norm-and-scale (19 times)" in said and "  conv1.bn, conv1.scale, conv1.relu\n" in said
    assert "  res3.0.zeros, res3.0.shortcut\n" in said and "class " not in said
    assert all(len(line) <= 90 for line in said.splitlines())


def test_the_text_alone_goes_to_standard_output() -> None:
    assert run("--explain", "-o", "-").startswith('"""ResNet-20')


def test_without_fusion_each_layer_is_called() -> None:
    fused, apart = run("-o", "-"), run("-o", "-", "--no-fuse")
    assert "norm_and_scale(h, self.bn, self.scale, self.relu)" in fused and "norm_and_scale" not in apart
    assert "h = self.scale(h)" in apart
    assert run("--explain", "--no-fuse") == "each layer runs by itself\n"


def test_neither_is_a_usage_error() -> None:
    done = CliRunner().invoke(group, ["compile", "zoo:lenet"])
    assert done.exit_code == 2 and "--explain" in done.output


KEPT = """netspec: 1
name: kept
input: {data: [N, 4, 8, 8]}
layers:
  - {name: first, type: BatchNorm}
  - {name: one, type: Convolution, num_output: 4, kernel_size: 1, weight_filler: msra}
  - {name: folded, type: BatchNorm}
  - {name: two, type: Convolution, num_output: 4, kernel_size: 1, weight_filler: msra}
  - {name: read, type: BatchNorm}
  - {name: sum, type: Eltwise, bottom: [two, read]}
  - {name: last, type: BatchNorm}
"""


def test_it_says_what_stays_in_a_file_and_why(tmp_path: Path) -> None:
    (tmp_path / "kept.yaml").write_text(KEPT)
    done = CliRunner().invoke(
        group, ["compile", str(tmp_path / "kept.yaml"), "--explain", "--phase", "deploy"]
    )
    assert done.stdout.partition("kept (")[2] == (
        "3 times): layers that only scale, and no weights stand before them\n"
        "  first: data is an input\n"
        "  read: 2 layers read two\n"
        "  last: sum has no weights that could take its factors\n"
    )
