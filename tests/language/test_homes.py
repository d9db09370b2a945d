"""A word that stands in the wrong section of a spec: the finding says where it belongs. One that is put there by --set is shown as such."""

import pytest

from netspec.read_options import Reading
from netspec.repair.check import check_source
from netspec.resolve.messages import sections_of_words as homes
from netspec.source import Source

NET = "input: {data: [N, 1, 8, 8]}\nlayers:\n  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier}\n"
BLOCKS = """input: {data: [N, 1, 8, 8]}
blocks:
  unit:
    layers:
      - {name: conv_a, type: Convolution, num_output: 4, kernel_size: 3}
      - {name: conv_ab, type: Convolution, num_output: 4, kernel_size: 3}
layers:
  - {name: u, block: unit}
"""
TRAIN = NET + "train:\n  data: digits\n  solver: {type: SGD, base_lr: 0.1, max_iter: 10}\n"


@pytest.mark.parametrize(
    ("text", "fact", "label"),
    [
        (NET + "solver: {base_lr: 1}\n", "the spec has no solver", "solver stands in train"),
        (NET + "base_lr: 1\n", "the spec has no base_lr", "base_lr stands in train.solver"),
        (NET + "learning_rate: 1\n", "the spec has no learning_rate", "train.solver says base_lr"),
        (TRAIN + "  source: digits\n", "train has no source", "source stands in train.data"),
        (TRAIN + "  epochs: 3\n", "train has no epochs", "epochs stands in train.solver"),
        (TRAIN + "  optimizer: Adam\n", "train has no optimizer", "train.solver says type"),
        (TRAIN + "  lr: 1\n", "train has no lr", "train.solver says base_lr"),
        (
            TRAIN + "  seed: 1\n",
            "train has no seed",
            "seed stands in train.split, train.solver says random_seed",
        ),
        (TRAIN + "  layers: []\n", "train has no layers", "layers stands at the top of the spec"),
        (
            TRAIN.replace("max_iter", "batch_size: 3, max_iter"),
            "train.solver has no batch_size",
            "batch_size stands in train.data",
        ),
        (TRAIN + "  solvr: 1\n", "train has no solvr", "did you mean solver?"),
        (TRAIN + "  nonsense: 1\n", "train has no nonsense", "not known here"),
    ],
)
def test_where_a_word_belongs(text: str, fact: str, label: str) -> None:
    (found,) = [d for d in check_source(Source("s.yaml", text)) if d.severity == "error"]
    assert (found.code, found.fact, found.label) == ("NS102", fact, label)


def test_every_section_is_known_to_messages() -> None:
    """A wrong word at each section's place is answered with the name that homes gives the section."""
    for where in homes.SECTIONS:
        assert homes.is_section(where)
        assert homes.home("no such word", where) == ""


@pytest.mark.parametrize(
    ("setting", "label"),
    [
        ("base_lr=1", "base_lr stands in train.solver"),
        ("train.solver.bse_lr=1", "did you mean base_lr?"),
        ("solver.base_lr=1", "solver stands in train"),
        ("ip.num_outputs=1", "did you mean num_output?"),
    ],
)
def test_a_setting_is_shown_where_it_was_given(setting: str, label: str) -> None:
    (found,) = check_source(Source("s.yaml", TRAIN), Reading(settings=(setting,)))
    assert found.span is not None
    assert (found.span.source.name, found.span.text, found.label) == (
        f"--set {setting.partition('=')[0]}",
        "1",
        label,
    )
    assert not any(fix.edits for fix in found.fixes)


@pytest.mark.parametrize(
    ("path", "notes"),
    [
        ("u.conv_ba.num_output", ("did you mean u.conv_a?",)),  # u.conv_ab is two letters away
        ("u.conv_abb.num_output", ("did you mean u.conv_ab?",)),
        ("u.nothing_like_it.num_output", ()),
    ],
)
def test_a_setting_that_enters_no_layer_of_a_block_names_the_nearest(
    path: str, notes: tuple[str, ...]
) -> None:
    (found,) = check_source(Source("s.yaml", BLOCKS), Reading(settings=(f"{path}=1",)))
    assert (found.code, found.fact, found.notes) == ("NS119", f"{path} leads nowhere in this spec", notes)
