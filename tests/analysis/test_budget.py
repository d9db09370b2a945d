"""`expect:`: what it accepts, what it reports, where, and in whose name."""

import pytest
from analysis_specs import codes, findings, net

from netspec import driver
from netspec.analysis.expect.latency import latency
from netspec.diagnostics.model import Diagnostics
from netspec.resolve.sections.expect import Limit, worth
from netspec.source import Source

LENET = """netspec: 1
input: {data: [N, 1, 28, 28]}
layers:
  - {name: conv1, type: Convolution, num_output: 20, kernel_size: 5}
  - {name: pool1, type: Pooling, kernel_size: 2, stride: 2}
  - {name: conv2, type: Convolution, num_output: 50, kernel_size: 5}
  - {name: pool2, type: Pooling, kernel_size: 2, stride: 2}
  - {name: ip1, type: InnerProduct, num_output: 500}
  - {name: relu1, type: ReLU, bottom: ip1, top: ip1}
  - {name: ip2, type: InnerProduct, num_output: 10}
  - {name: prob, type: Softmax}
"""
WAVE = net("[N, 1, T]", "name: a, type: Convolution, num_output: 4, kernel_size: 2, pad: causal\n"
           "name: b, type: Convolution, num_output: 4, kernel_size: 2, dilation: 2, pad: {pad}")  # fmt: skip
RNN = "netspec: 1\ninput: {x: [T, N, 5], cont: [T, N]}\nlayers:\n  - {name: h, type: LSTM, bottom: [x, cont], num_output: 4}\n"


@pytest.mark.parametrize(("text", "value"), [
    ("5M", 5_000_000), ("8GiB", 8 * 2**30), ("1.5k", 1500), ("3ms", 0.003), ("250 us", 0.00025), ("2s", 2), ("64KiB", 65536), ("7B", 7), ("1e3", 1000),
    ("2MB", 2_000_000), ("4Ti", 4 * 2**40),
    ("5m", None), ("M", None), ("5 M B", None), ("five", None), ("", None), ("5Mi s", None), ("1_000", None), ("0x10", None),
])  # fmt: skip
def test_quantities(text: str, value: float | None) -> None:
    found = worth(text)
    assert found == (value if value is None else pytest.approx(value))


MET = [
    "parameters: 431080", "parameters: {min: 431k, max: 432k}", "parameters: {about: 430k, tolerance: 0.01}", "macs: 2293000", "macs: {max: 2.3M}",
    "statistics: 0", "fixed: 0", "connections: 2308230", "units: {hidden: 15220, input: 784, output: 10, total: 16014, conv1: 11520}",
    "activation_memory: 57600", "activation_memory: {max: 57600, batch: 1}", "activation_memory: {min: 3686400, max: 3686400B, batch: 64}",
    "receptive_field: {pool2: 16, conv1: {min: 5, max: 5}, ip1: {min: 28}}",
    "shapes: {data: [N, 1, 28, 28], pool2: [N, 50, 4, 4], ip1: [N, 500], prob: [N, 10]}", 'shapes: {prob: [N, "2*5"]}',
    "equivariant: pool2", "equivariant: [conv1, pool1]", "train: {parameters: 431080, activation_memory: 108256}", "latency: {p95: 3ms, device: cuda}",
]  # fmt: skip


@pytest.mark.parametrize("line", MET)
def test_met_expectations_say_nothing(line: str) -> None:
    assert findings(LENET + f"expect: {{{line}}}\n") == []


BROKEN = [
    ("parameters: 431081", "NS320", "431081"), ("parameters: {max: 400k}", "NS320", "{max: 400k}"), ("parameters: {about: 400k}", "NS320", "{about"),
    ("statistics: 3", "NS320", "3"), ("macs: {max: 2M}", "NS321", "{max"), ("activation_memory: {max: 50KiB}", "NS322", "{max"),
    ("receptive_field: {pool2: 15}", "NS323", "15"), ("receptive_field: {ip1: {max: 28}}", "NS323", "{max"),
    ("shapes: {pool1: [N, 20, 11, 11], prob: [N, 9]}", "NS324", "[N, 20, 11"), ("units: {hidden: 1}", "NS325", "1"), ("connections: 1", "NS326", "1"),
    ("causal: pool1", "NS327", "pool1"), ("equivariant: [pool2, ip1]", "NS328", "ip1"), ("shapes: {pool3: [N]}", "NS330", "pool3"),
    ("units: {hiden: 1}", "NS330", "hiden"), ("causal: nothing", "NS330", "nothing"), ("parameters: lots", "NS104", "lots"),
    ("train: {parameters: 1}", "NS320", "1"), ("parametres: 1", "NS102", "parametres"), ("shapes: {prob: [N, 10.5]}", "NS109", "10.5"),
    ('shapes: {prob: [N, "__import__(1)"]}', "NS109", '"__import__'),
]  # fmt: skip


@pytest.mark.parametrize(("line", "code", "at"), BROKEN)
def test_a_broken_expectation_is_reported_at_its_entry(line: str, code: str, at: str) -> None:
    found = findings(LENET + f"expect: {{{line}}}\n")
    assert [f.code for f in found] == [code]
    assert found[0].span is not None
    assert found[0].span.text.startswith(at)


@pytest.mark.parametrize(("line", "code", "fact"), [
    ("parameters: {}", "NS103", "parameters demands nothing: it needs a number, min, max or about"),
    ("macs: {tolerance: 0.1}", "NS103", "macs demands nothing: it needs a number, min, max or about"),
    ("units: {hidden: {}}", "NS103", "units.hidden demands nothing: it needs a number, min, max or about"),
    ("latency: {device: cpu}", "NS103", "latency demands nothing: it needs p50, p95, p99 or mean"),
    ("train: {parameters: {min: 2k, max: 1k}}", "NS120", "parameters cannot be met: min must be at most max: 2,000 > 1,000"),
    ("parameters: {exactly: 5, min: 6}", "NS120", "parameters cannot be met: 5 is not at least 6"),
    ("parameters: {max: -1}", "NS106", "parameters.max must be >= 0: it is -1"),
    ("activation_memory: {max: 1kB}", "NS322", "activation_memory of 1 sample of the deployed net must be at most 1,000 bytes: it is 57,600 bytes (56.2 KiB)"),
])  # fmt: skip
@pytest.mark.parametrize("rest", ["", "output: nothing\n"])
def test_limits_that_demand_nothing_or_too_much(line: str, code: str, fact: str, rest: str) -> None:
    found = [f for f in findings(LENET + f"expect: {{{line}}}\n{rest}") if f.code != "NS208"]
    assert [(f.code, f.fact) for f in found] == ([(code, fact)] if code != "NS322" or not rest else [])


SIGHT = """netspec: 1
input: {data: [N, 1, 12, 12]}
layers:
  - {name: conv, type: Convolution, bottom: data, num_output: 1, kernel_size: [3, 5]}
"""


@pytest.mark.parametrize(("limit", "seen"), [
    ("{min: 3, max: 5}", None), ("{max: 4}", "at most 4 of data: it sees 5 units along axis 3"), ("{min: 4}", "at least 4 of data: it sees 3 units along axis 2"),
    ("{max: 2}", "at most 2 of data: it sees 3 units along axis 2"), ("{min: 6}", "at least 6 of data: it sees 3 units along axis 2"),
    ("4", "exactly 4 of data: it sees 3 units along axis 2"), ("3", "exactly 3 of data: it sees 5 units along axis 3"),
])  # fmt: skip
def test_a_field_out_of_its_limits_is_said_once_whatever_the_axes(limit: str, seen: str | None) -> None:
    """Broken along one axis or along both: one finding, at the first axis that breaks it."""
    facts = [f.fact for f in findings(SIGHT + f"expect: {{receptive_field: {{conv: {limit}}}}}\n")]
    assert facts == ([] if seen is None else [f"a unit of conv must see {seen}"])


def test_limits_hold_at_their_very_ends() -> None:
    """What is at least or at most a number may be it; about, the share counts from what was asked, on both sides."""
    for limit, least, most in (
        ({"min": 7}, 7, 10**6), ({"max": 7}, 0, 7), ({"min": 3, "max": 5}, 3, 5), ({"exactly": 6}, 6, 6),
        ({"about": 200}, 198, 202), ({"about": 200, "tolerance": 0.05}, 190, 210), ({"about": 0, "tolerance": 1}, 0, 0),
    ):  # fmt: skip
        held = Limit(**limit)
        for value, inside in (
            (least - 1, least == 0 and "max" in limit),
            (least, True),
            (most, True),
            (most + 1, most == 10**6),
        ):
            assert (held.find_broken(value) is None) == inside, (limit, value)


def test_a_layers_units_are_spent_by_that_layer() -> None:
    (found,) = findings(LENET + "expect: {units: {conv1: 1}}\n")
    assert found.notes == ("the largest shares: conv1 11,520 (100%)",)


def test_the_spenders_are_named_by_size() -> None:
    (found,) = findings(LENET + "expect: {parameters: {max: 400k}}\n")
    assert found.notes == ("the largest shares: ip1 400,500 (93%), conv2 25,050 (6%), ip2 5,010 (1%)",)
    assert [label.span.text for label in found.others] == ["ip1", "conv2"]


def test_the_first_shape_that_differs_is_named() -> None:
    text = LENET.replace("num_output: 50, kernel_size: 5", "num_output: 50, kernel_size: 5, pad: 1")
    (found,) = findings(
        text
        + "expect: {shapes: {prob: [N, 10], pool2: [N, 50, 4, 4], pool1: [N, 20, 12, 12], conv1: [N, 20, 24, 24]}}\n"
    )
    assert found.code == "NS324"
    assert found.fact == "Pooling pool2 must give [N, 50, 4, 4]: it gives [N, 50, 5, 5]"
    assert [label.span.text for label in found.others] == ["1", "conv2", "pool2"]
    assert found.others[0].text == "with 0 here all is as expected"


def test_open_sizes_cannot_hold_a_budget() -> None:
    text = net("[N, 1, H, W]", "name: c, type: Convolution, num_output: 1, kernel_size: 3")
    assert codes(text + "expect: {macs: {max: 5}, activation_memory: 1}\n") == ["NS321", "NS322"]
    assert codes(text + 'expect: {shapes: {c: [N, 1, H - 2, "W-2"]}, parameters: 10}\n') == []
    assert codes(text + "expect: {shapes: {c: [N, 1, H, W]}}\n") == ["NS324"]


def test_causality_is_proven_or_not() -> None:
    assert codes(WAVE.replace("{pad}", "causal") + "expect: {causal: b, receptive_field: {b: 4}}\n") == []
    (found,) = findings(WAVE.replace("{pad}", "same") + "expect: {causal: b}\n")
    assert (found.code, found.others[0].span.text) == ("NS327", "b")
    assert codes(RNN + "expect: {causal: h}\n") == []
    flipped = RNN + "  - {name: p, type: Pooling, kernel_size: 3, pad: 1, bottom: h}\n"
    assert codes(flipped.replace("bottom: h}", "bottom: h4}").replace("  - {name: p", "  - {name: h4, type: Reshape, bottom: h, shape: [1, 0, -1, 1]}\n"
                 "  - {name: p") + "expect: {causal: p}\n") == ["NS327"]  # fmt: skip


def test_a_stride_on_the_way_breaks_equivariance() -> None:
    layers = "name: p, type: Pooling, kernel_size: 2, stride: 2\nname: u, type: Deconvolution, num_output: 3, kernel_size: 2, stride: 2"
    assert codes(net("[N, 3, 8, 8]", layers, "expect: {equivariant: p}\n")) == []
    assert codes(net("[N, 3, 8, 8]", layers, "expect: {equivariant: u}\n")) == ["NS328"]


def test_deploy_and_training_are_counted_apart() -> None:
    text = ("netspec: 1\ninput: {data: [N, 6], label: [N]}\nlayers:\n  - {name: ip, type: InnerProduct, bottom: data, num_output: 3, weight_filler: xavier}\n"
            "  - {name: prob, type: Softmax}\n  - {name: aux, type: InnerProduct, bottom: data, num_output: 3, weight_filler: xavier, include: {phase: TRAIN}}\n"
            "  - {name: l1, type: SoftmaxWithLoss, bottom: [ip, label]}\n"
            "  - {name: l2, type: SoftmaxWithLoss, bottom: [aux, label], include: {phase: TRAIN}}\n"
            "output: prob\nexpect: {parameters: 21, train: {parameters: 42}}\n")  # fmt: skip
    assert codes(text) == []
    assert codes(text.replace("42", "21")) == ["NS320"]


def test_latency_is_held_to_what_was_measured() -> None:
    text = LENET + "expect: {latency: {p95: 3ms, mean: 1ms, device: cpu}}\n"
    resolved = driver.resolve_source(Source("spec.yaml", text), Diagnostics())
    assert resolved is not None
    assert latency(resolved, {"p95": 0.0029, "mean": 0.001}, "cpu") == []
    assert latency(resolved, {"p95": 0.5}, "cuda") == []
    (found,) = latency(resolved, {"p95": 0.0031, "p99": 5.0}, "cpu")
    assert (found.code, found.fact) == ("NS329", "p95 on cpu must be at most 3 ms: it is 3.1 ms")


@pytest.mark.parametrize(
    "line",
    [
        "parameters: 5ms",
        "parameters: {max: 8MiB}",
        "macs: {max: 3MB}",
        "activation_memory: {max: 3s}",
        "latency: {p95: 3MB}",
        "latency: {p95: 3k}",
    ],
)
def test_a_unit_of_another_quantity_is_refused(line: str) -> None:
    assert [d.code for d in findings(LENET + f"expect: {{{line}}}\n")] == ["NS104"]


def test_prefixes_are_those_of_si_and_iec() -> None:
    """Each is a thousand, or 1,024, times the one before."""
    for i, prefix in enumerate("kMGT", 1):
        for unit in ("", "B"):
            assert worth(f"3{prefix}{unit}") == 3 * 1000**i
            assert worth(f"3{prefix.upper()}i{unit}") == 3 * 1024**i
    assert (worth("3us"), worth("3ms"), worth("3s"), worth("3x")) == (3e-6, 3e-3, 3, None)
