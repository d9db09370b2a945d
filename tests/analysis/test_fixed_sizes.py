"""Open sizes that one number alone meets: told, mended, and never certified."""

import random
from pathlib import Path

import pytest
from analysis_specs import findings, net, typed

from netspec.analysis.sizes.fixed import find_fixed_sizes
from netspec.diagnostics.model import SpecError
from netspec.repair.edits import apply_edits
from netspec.source import Source

SHUFFLE = net(
    "[N, 8, 4, 4]",
    "name: r1, type: Reshape, shape: {dim: [1, 2, 4, 4, 4]}\nname: p, type: Permute, order: [0, 2, 1, 3, 4]\n"
    "name: r2, type: Reshape, shape: {dim: [1, 8, 4, 4]}",
)


def test_each_way_out_mends_it() -> None:
    found = [d for d in findings(SHUFFLE) if d.code == "NS414"]
    assert [(d.span.text, len(d.fixes)) for d in found if d.span is not None] == [("1", 2)]
    for fix, shape in zip(found[0].fixes, ("[N, 8, 4, 4]", "[1, 8, 4, 4]"), strict=True):
        source = apply_edits(Source("spec.yaml", SHUFFLE), fix.edits)
        assert source is not None
        assert "NS414" not in [d.code for d in findings(source.text)]
        graph = typed(source.text)
        assert str(graph.types[graph.graph.outputs[0]]) == shape


def test_a_number_that_a_variable_made_is_not_rewritten() -> None:
    text = SHUFFLE.replace("layers:", "vars: {one: 1}\nlayers:").replace("[1, 2,", "[$one, 2,")
    found = next(d for d in findings(text) if d.code == "NS414")
    assert [bool(fix.edits) for fix in found.fixes] == [False, True]


def test_told_where_trying_every_number_finds_one() -> None:
    """Random reshapes and joins of [N, ...] with numbers: what is told is what typing with 1 to 40 in place of N shows."""
    counted = {0: 0, 1: 0, 40: 0}
    for seed in range(60):
        text = random_net(random.Random(seed))
        fits = [n for n in range(1, 41) if is_legal(text.replace("[N,", f"[{n},"))]
        counted[len(fits)] = counted.get(len(fits), 0) + 1
        if fits:
            told = {(one.name, one.number) for one in find_fixed_sizes(typed(text))}
            assert told == ({("N", fits[0])} if len(fits) == 1 else set()), text
    assert counted[1] >= 5 <= counted[40], counted


def random_net(draw: random.Random) -> str:
    lines = ["name: a, type: Flatten"]
    for i in range(draw.randint(1, 3)):
        size = draw.choice([1, 1, 2, 0, -1])
        lines.append(draw.choice([
            f"name: r{i}, type: Reshape, shape: [{size}, {24 if size != -1 else draw.choice([24, 12])}]",
            f"name: r{i}, type: Reshape, shape: [0, 2, -1]\nname: s{i}, type: Flatten",
            f"name: t{i}, type: Tile, axis: 0, tiles: {draw.randint(1, 2)}",
            f"name: w{i}, type: Pooling, bottom: data, kernel_size: 2, stride: 2\nname: v{i}, type: Flatten",
        ]))  # fmt: skip
    return net("[N, 6, 2, 2]", "\n".join(lines))


def is_legal(text: str) -> bool:
    try:
        typed(text)
    except SpecError:
        return False
    return True


@pytest.mark.torch
def test_it_is_not_certified(tmp_path: Path) -> None:
    from netspec.exporters.export import export

    (tmp_path / "net.yaml").write_text(SHUFFLE, encoding="utf-8")
    with pytest.raises(SpecError) as raised:
        export(tmp_path / "net.yaml", tmp_path / "m.onnx")
    assert [d.code for d in raised.value.diagnostics] == ["NS728"]
    assert not (tmp_path / "m.onnx").exists()
    export(tmp_path / "net.yaml", tmp_path / "m.onnx", certify=False)
    (tmp_path / "one.yaml").write_text(SHUFFLE.replace("[N,", "[1,"), encoding="utf-8")
    export(tmp_path / "one.yaml", tmp_path / "one.onnx")
