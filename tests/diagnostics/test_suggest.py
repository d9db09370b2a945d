"""Did you mean: which known word is offered for which unknown one."""

import random

import pytest

from netspec.diagnostics.suggest import clearly, distance, nearest
from netspec.resolve.messages.unknown_words import list_briefly

_WORDS = (
    "num_output kernel_size kernel_h kernel_w stride stride_h pad bias_term dilation group axis bottom top".split()  # noqa: SIM905
)
_TYPES = (
    "Convolution Deconvolution Concat Pooling ReLU PReLU ELU InnerProduct Input Softmax SoftmaxWithLoss LRN LSTM".split()  # noqa: SIM905
)


@pytest.mark.parametrize(
    ("word", "known", "first"),
    [
        ("numOutput", _WORDS, "num_output"),
        ("num-output", _WORDS, "num_output"),
        ("num_ouput", _WORDS, "num_output"),
        ("kernel", _WORDS, "kernel_h"),
        ("kernelsize", _WORDS, "kernel_size"),
        ("strdie", _WORDS, "stride"),
        ("padding", _WORDS, "pad"),
        ("botom", _WORDS, "bottom"),
        ("Conv", _TYPES, "Convolution"),
        ("conv", _TYPES, "Convolution"),
        ("Relu", _TYPES, "ReLU"),
        ("Convolutoin", _TYPES, "Convolution"),
        ("InnerProd", _TYPES, "InnerProduct"),
        ("SoftMax", _TYPES, "Softmax"),
        ("POOL", _TYPES, "Pooling"),
    ],
)
def test_first_suggestion(word: str, known: list[str], first: str) -> None:
    assert nearest(word, known)[0] == first


@pytest.mark.parametrize("word", ["", "_", "xyzzy", "q", "Transformer", "x" * 100_000])
def test_nothing_near(word: str) -> None:
    assert nearest(word, _WORDS + _TYPES) == []


def test_at_most_limit_and_stable() -> None:
    assert nearest("kernel", _WORDS, limit=2) == ["kernel_h", "kernel_w"]
    assert nearest("stride", _WORDS) == ["stride_h"]


@pytest.mark.parametrize(
    ("a", "b", "steps"),
    [
        ("", "", 0),
        ("abc", "abc", 0),
        ("abcd", "acbd", 1),
        ("kitten", "sitting", 3),
        ("ab", "", 2),
        ("abc", "xyz", 3),
    ],
)
def test_distance(a: str, b: str, steps: int) -> None:
    assert distance(a, b, 10) == distance(b, a, 10) == steps
    assert distance(a, b, 0) == min(steps, 1)


def by_table(a: str, b: str) -> int:
    """The textbook's table of insertions, deletions, substitutions and swaps of neighbours."""
    rows = [[max(i, j) if not i or not j else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            rows[i][j] = min(
                rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            )
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]


def test_distance_is_that_of_the_table() -> None:
    draw = random.Random(0)
    for _ in range(1500):
        a, b = ("".join(draw.choices("abc", k=draw.randrange(9))) for _ in range(2))
        steps, bound = by_table(a, b), draw.randrange(8)
        assert distance(a, b, 20) == steps, (a, b)
        assert distance(a, b, bound) == min(steps, bound + 1), (a, b, bound)


def test_a_word_is_clearly_another_where_no_third_is_as_near() -> None:
    assert clearly("Convolutoin", "Convolution", ["Convolution", "Pooling"])
    assert not clearly("cat", "bat", ["bat", "hat"]), "two are as near"
    assert not clearly("xyzzyx", "Convolution", ["Convolution", "Pooling"]), "none is near"
    assert not clearly("Pool", "Pooling", ["Pooling", "Convolution"]), "a beginning is no slip"
    assert not clearly("Poolin", "Convolution", ["Pooling", "Convolution"]), "another is meant"


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "a"),
        (2, "a and b"),
        (3, "a, b and c"),
        (6, "a, b, c, d, e and f"),
        (7, "a, b, c, d, e and 2 others"),
        (9, "a, b, c, d, e and 4 others"),
    ],
)
def test_names_in_a_sentence(count: int, said: str) -> None:
    assert list_briefly("abcdefghi"[:count]) == said
