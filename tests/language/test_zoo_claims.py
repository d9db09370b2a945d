"""What the language promises, held on every spec of the zoo: brevity, where values come from, what another dialect would change."""

import random
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from netspec import driver
from netspec.analysis.diff import moves
from netspec.analysis.infer import Pass
from netspec.analysis.provenance import origin
from netspec.diagnostics.model import Diagnostics
from netspec.ir.types import TensorType
from netspec.read_options import Reading
from netspec.repair.check import check_as
from netspec.resolve.written_out import spell
from netspec.source import Source
from netspec.syntax.paths import zoo_folder
from netspec.syntax.writer import flow
from tests.each import each
from tests.zoo.kinds import SPECS, in_turn
from tests.zoo.kinds import program as zoo_program

SAMPLE = 6
PLACE = re.compile(r"^  (?P<file>\S+\.yaml):(?P<line>\d+): (?P<key>[\w.]+): (?P<text>.*?)(?:   \(.*\))?$")


def test_depth_from_blocks_is_brief() -> None:
    folder = zoo_folder()
    texts = [
        path.read_text(encoding="utf-8")
        for path in (folder / "imagenet" / "resnet-152.yaml", folder / "blocks" / "conv-bn.yaml")
    ]
    block = re.search(
        r"^  bottleneck:.*\n(   .*\n|\n)*",
        (folder / "blocks" / "residual.yaml").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert block is not None
    assert sum(len(text.splitlines()) for text in (*texts, block[0])) <= 60, (
        "the spec and the blocks that it uses"
    )
    assert "base: vgg-11.yaml" in (folder / "imagenet" / "vgg-13.yaml").read_text(encoding="utf-8")
    for name in ("vgg-11-lrn", "vgg-13", "vgg-16-1x1", "vgg-16", "vgg-19"):
        assert len(SPECS[name].read_text(encoding="utf-8").splitlines()) <= 10, name


@each("name", [*SPECS])
def test_explain_is_true_of_every_parameter(name: str) -> None:
    """The value is the layer's; a line that is cited holds the key, or begins the value that stands below it."""
    program = zoo_program(name)
    draw = random.Random(name)
    nodes = program.graph("test").graph.nodes
    for node in draw.sample(list(nodes), min(SAMPLE, len(nodes))):
        for parameter in node.layer.params:
            path = f"{node.name}.{parameter}"
            head, *lines = origin(program.resolved, path).split("\n")
            assert head == f"{path} = {flow(spell(node.layer.__dict__[parameter]))}" or parameter in head, (
                path
            )
            assert lines, path
            for cited in (found for line in lines if (found := PLACE.match(line))):
                text = Path(cited["file"]).read_text(encoding="utf-8").splitlines()[: int(cited["line"])]
                assert cited["key"].split(".")[-1] in "".join(text[-2:]), (path, cited[0], text[-2:])


@pytest.mark.parametrize("name, dialect", in_turn(["torch", "tf", "caffe"]))
def test_another_dialect_changes_the_sizes_that_are_listed_and_no_others(name: str, dialect: str) -> None:
    source = Source(str(SPECS[name]), SPECS[name].read_text(encoding="utf-8"))
    facts = [d.fact for d in check_as(source, dialect)]
    here = zoo_program(name).graph("test")
    resolved = driver.resolve_source(source, Diagnostics(), Reading(settings=(f"dialect={dialect}",)))
    assert resolved is not None
    other = driver.wire(resolved, driver.state_of("test", Reading()), Diagnostics())
    found = Pass(driver.with_file_types(other)).run()
    broken = {node.name for node, _ in found.errors}
    twins = {node.name: node for node in other.nodes}
    for node in here.graph.nodes:
        said = [fact for fact in facts if fact.startswith((f"{node.name} under", f"{node.name} would"))]
        pairs = [
            (here.types[v], found.types.get(w)) for v, w in zip(node.tops, twins[node.name].tops, strict=True)
        ]
        differs = any(isinstance(there, TensorType) and there.shape != own.shape for own, there in pairs)
        assert any(" is [" in fact for fact in said) == (differs and node.name not in broken), (
            node.name,
            said,
        )
        assert any("illegal" in fact for fact in said) == (node.name in broken), (node.name, said)


def test_a_classifier_becomes_fully_convolutional_without_loss() -> None:
    """Every weight of VGG-16 but the scores of its 1000 classes has its place in FCN-32s; the same scores kept, every one."""
    old, new = (zoo_program(name).graph("test") for name in ("vgg-16", "fcn-32s"))
    rows = moves(old, new)
    dropped = {row.source for row in rows if row.status == "dropped"}
    assert dropped <= {"fc8.weight", "fc8.bias"}, dropped
    assert {row.source for row in rows if row.status == "reshaped"} >= {"fc6.weight", "fc7.weight"}


@pytest.mark.slow
@pytest.mark.torch
def test_its_weights_are_carried_at_full_scale(tmp_path: Path) -> None:
    """134 million numbers: what is carried is the same tensor, dense layers as convolutions."""
    torch = pytest.importorskip("torch")
    from netspec.cli import group
    from netspec.training.run.weights import read_tensors, write_tensors

    before, after = tmp_path / "vgg.safetensors", tmp_path / "fcn.safetensors"
    refs = [ref for ref in driver.load("zoo:vgg-16").graph("test").weight_refs() if not ref.shared]
    given = {ref.name: torch.rand(tuple(int(str(size)) for size in ref.weight.shape)) for ref in refs}
    write_tensors(before, given, {})
    words = ["transplant", str(before), "zoo:vgg-16", "zoo:fcn-32s", "-o", str(after)]
    result = CliRunner().invoke(group, words, standalone_mode=False, catch_exceptions=False)
    assert "134,260,544 of 138,357,544 numbers" in result.output
    made, _ = read_tensors(after)
    for name, tensor in given.items():
        if not name.startswith("fc8"):
            assert torch.equal(made[name].reshape(-1), tensor.reshape(-1)), name
