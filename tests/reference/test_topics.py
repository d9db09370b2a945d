"""What `netspec explain WORD` answers: pages, keys, types, parameters, and the nearest words for any other."""

import pytest
from click.testing import CliRunner

from netspec import layers
from netspec.cli import group
from netspec.ir.layer import Layer
from netspec.reference.language import PAGES
from netspec.reference.topics import explain_topic, nearest_topics
from tests.each import each


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_printed_whole_without_marks_for_machines(page: str) -> None:
    text = explain_topic(page)
    assert text is not None
    assert "<!--" not in text
    assert "](" not in text
    assert "```yaml " not in text


@each("cls", layers.every(), lambda cls: cls.type)
def test_every_parameter_of_every_type_is_explained(cls: type[Layer]) -> None:
    for declared in cls.params.values():
        for spelling in (declared.name, *declared.pair):
            text = explain_topic(f"{cls.type}.{spelling}")
            assert text is not None
            assert text.startswith(f"{cls.type}.{declared.name}: ")
            assert declared.doc.split()[0] in text


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("train.solver.gamma", "train.solver.gamma: a number >= 0; default 0.0"),
        ("input.data.shape", "input.shape: a list of integers or texts; required"),
        ("layers.0.param.1.lr_mult", "layers.param.lr_mult: a number; default 1.0"),
        ("train.players.generator.solver.gamma", "train.players.solver.gamma: a number >= 0"),
        ("blocks.bottleneck.layers.conv1.when", "blocks.layers.when: true or false; default true"),
        ("stepvalue", None),
        ("lr_mult", None),
        ("min_delta", "train.stop.min_delta: a number >= 0; default 0.0"),
        (
            "Convolution.convolution_param.weight_filler.std",
            "Convolution.weight_filler.std: a number >= 0; default 1.0",
        ),
        ("conv", "# Convolution"),
        ("expect", "expect: a mapping"),
        ("train.solver.nothing", None),
        ("train.nothing.gamma", None),
        ("Convolution.weight_filler.nothing", None),
        ("Nothing.num_output", None),
        ("", None),
        (".", None),
        ("blocks.", None),
    ],
)
def test_the_first_line_of_what_is_said(word: str, line: str | None) -> None:
    text = explain_topic(word)
    assert (text.partition("\n")[0] if text is not None else None) == line


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("train.solver.gama", "train.solver.gamma"),
        ("blokcs", "blocks"),
        ("gamma", "train.solver.gamma"),
        ("solver.gama", "train.solver.gamma"),
        ("Convolution.numoutput", "Convolution.num_output"),
        ("Convolutoin", "Convolution"),
    ],
)
def test_the_nearest_word_is_named(word: str, meant: str) -> None:
    assert meant in nearest_topics(word)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["zzzzqqq"], "nothing is called 'zzzzqqq'"),
        (["blokcs"], "Did you mean blocks?"),
        (["spec.yaml"], "name a layer or a value of spec.yaml"),
        (["zoo:lenet"], "name a layer or a value of zoo:lenet"),
    ],
)
def test_a_word_that_is_nothing_is_a_usage_error(words: list[str], said: str) -> None:
    result = CliRunner().invoke(group, ["explain", *words])
    assert result.exit_code == 2
    assert said in result.output
