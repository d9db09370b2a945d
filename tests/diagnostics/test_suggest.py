"""Did you mean: which known word is offered for which unknown one."""

import pytest

from netspec.diagnostics.suggest import distance, nearest

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
    ("a", "b", "steps"), [("", "", 0), ("abc", "abc", 0), ("abcd", "acbd", 1), ("kitten", "sitting", 3), ("ab", "", 2), ("abc", "xyz", 3)]
)
def test_distance(a: str, b: str, steps: int) -> None:
    assert distance(a, b, 10) == distance(b, a, 10) == steps
    assert distance(a, b, 0) == min(steps, 1)
