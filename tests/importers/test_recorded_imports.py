"""What becomes of prototxts, as text: `pytest tests/importers/test_recorded_imports.py --update` rewrites recorded/; read the diff.

Every file of the conformance cases, some that hold what these do not (the oldest forms, forks, data, repeats, a solver), and slips of the
pen in those: a token left out, doubled, or another.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netspec.diagnostics import Diagnostic, SpecError
from netspec.importers.caffe import convert

HERE = Path(__file__).parent
CAFFE = HERE.parent / "conformance" / "caffe"
SLIPS = 60
"""Slips of each file."""

FILES = {
    "oldest": """
name: "oldest"
input: "data" input_dim: 2 input_dim: 3 input_dim: 0x10 input_dim: 16
layers { layer { name: "pad1" type: "padding" pad: 2 } bottom: "data" top: "pad1" }
layers { layer { name: "conv1" type: "conv" num_output: 8 kernelsize: 5 stride: 1 group: 1 biasterm: true
  weight_filler { type: "gaussian" std: 1e-2 } bias_filler { type: "constant" value: .5f }
  blobs_lr: 1. blobs_lr: 2. weight_decay: 1. weight_decay: 0. } bottom: "pad1" top: "conv1" }
layers { layer { name: "relu1" type: "relu" } bottom: "conv1" top: "conv1" }
layers { layer { name: "pool1" type: "pool" pool: MAX kernelsize: 3 stride: 2 } bottom: "conv1" top: "pool1" }
layers { layer { name: "norm1" type: "lrn" local_size: 5 alpha: 0.0001 beta: 0.75 } bottom: "pool1" top: "norm1" }
layers { layer { name: "fc" type: "innerproduct" num_output: 10 blobs_lr: 1 } bottom: "norm1" top: "fc" }
layers { layer { name: "drop" type: "dropout" dropout_ratio: 0.25 } bottom: "fc" top: "fc" }
layers { layer { name: "prob" type: "softmax" } bottom: "fc" top: "prob" }
""",
    "older": """
# the form of 2014
name: 'older'
layers { name: "mnist" type: DATA top: "data" top: "label" data_param { source: "train_lmdb" backend: LMDB batch_size: 64
  scale: 0.00390625 mirror: true crop_size: 24 } include: { phase: TRAIN } }
layers { name: "mnist" type: DATA top: "data" top: "label" data_param { source: "test_lmdb" backend: LMDB batch_size: 100
  scale: 0.00390625 crop_size: 24 } include: { phase: TEST not_stage: 'quick' } }
layers { name: "conv1" type: CONVOLUTION bottom: "data" top: "conv1" blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0
  convolution_param { num_output: 20 kernel_size: 5 weight_filler { type: "xavier" } } param: "shared_w" param: "shared_b"
  blob_share_mode: PERMISSIVE }
layers { name: "pool1" type: POOLING bottom: "conv1" top: "pool1" pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layers { name: "cut" type: SLICE bottom: "pool1" top: "a" top: "b" slice_param { slice_dim: 1 } }
layers { name: "sum" type: ELTWISE bottom: "a" bottom: "b" top: "sum" eltwise_param { operation: SUM coeff: [1, -1] } }
layers { name: "ip" type: INNER_PRODUCT bottom: "sum" top: "ip" inner_product_param { num_output: 10 } }
layers { name: "accuracy" type: ACCURACY bottom: "ip" bottom: "label" top: "accuracy" include: { phase: TEST } }
layers { name: "loss" type: SOFTMAX_LOSS bottom: "ip" bottom: "label" top: "loss" loss_weight: 0.5 }
""",
    "forks": """
name: "forks"
layer { name: "input" type: "Input" top: "data" top: "rois" input_param { shape { dim: 1 dim: 3 dim: 64 dim: 64 } shape { dim: 5 dim: 5 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 16 pad: 1 kernel_size: 3 engine: CUDNN weight_filler { type: "msra" variance_norm: FAN_OUT } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" batch_norm_param { scale_bias: true eps: 1e-4 use_global_stats: true
  scale_filler { type: "constant" value: 1 } bias_filler { type: "constant" value: 0.1 } } param { lr_mult: 0 } }
layer { name: "seg" type: "BN" bottom: "conv" top: "seg" bn_param { bn_mode: INFERENCE shift_filler { type: "constant" value: 0.001 } } }
layer { name: "relu" type: "ReLU6" bottom: "seg" top: "seg" forward_type: FLOAT16 }
layer { name: "pool" type: "Pooling" bottom: "seg" top: "pool" pooling_param { pool: MAX kernel_size: 3 stride: 2 ceil_mode: false engine: CAFFE } }
layer { name: "roi" type: "ROIPooling" bottom: "pool" bottom: "rois" top: "roi" roi_pooling_param { pooled_w: 4 pooled_h: 4 spatial_scale: 0.25 } }
layer { name: "py" type: "Python" bottom: "roi" top: "py" python_param { module: "my.layers" layer: "Mine" param_str: "{a: 1}" } }
layer { name: "odd" type: "Odd" bottom: "py" top: "odd" odd_param { wide: 3 kind: BIG inner { x: 1 x: 2 } } include { phase: TEST } }
layer { name: "up" type: "Upsample" bottom: "pool" top: "up" upsample_param { scale: 2 } }
layer { name: "near" type: "Permuet" bottom: "pool" top: "near" permute_param { order: 0 order: 2 order: 3 order: 1 } }
""",
    "data": """
name: "data" # with a solver
layer { name: "pictures" type: "ImageData" top: "data" top: "label" image_data_param { source: "list.txt" batch_size: 8 root_folder: "im/"
  new_height: 40 new_width: 40 shuffle: true is_color: false } transform_param { mirror: true crop_size: 32 mean_value: 104 scale: 0.017 } }
layer { name: "price" type: "HDF5Data" top: "price" hdf5_data_param { source: "h5.txt" batch_size: 8 } include { phase: TRAIN } }
layer { name: "zeros" type: "DummyData" top: "zeros" dummy_data_param { num: 8 channels: 1 height: 2 width: 2 data_filler { type: "constant" value: 3 } } }
layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }
layer { name: "ip$1" type: "InnerProduct" bottom: "flat" top: "ip$1" inner_product_param { num_output: 4 axis: -1 transpose: true } propagate_down: false }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip$1" bottom: "label" top: "loss" loss_param { ignore_label: 255 normalization: VALID } }
layer { name: "silence" type: "Silence" bottom: "zeros" }
state { phase: TEST stage: 'x' } force_backward: true debug_info: true
""",
    "repeats": "name: 'repeats' input: 'data' input_shape { dim: 1 dim: 8 dim: 16 dim: 16 }\n"
    + "".join(
        f"""layer {{ name: "res{i}a" type: "Convolution" bottom: "{"data" if i == 1 else f"res{i - 1}"}" top: "res{i}a"
  convolution_param {{ num_output: {8 * i} kernel_size: 1 bias_term: false }} }}
layer {{ name: "bn{i}a" type: "BatchNorm" bottom: "res{i}a" top: "res{i}a" batch_norm_param {{ use_global_stats: true }} }}
layer {{ name: "scale{i}a" type: "Scale" bottom: "res{i}a" top: "res{i}a" scale_param {{ bias_term: true }} }}
layer {{ name: "res{i}b" type: "Convolution" bottom: "res{i}a" top: "res{i}b" convolution_param {{ num_output: 8 kernel_size: 3 pad: 1 }} }}
layer {{ name: "res{i}" type: "Eltwise" bottom: "{"data" if i == 1 else f"res{i - 1}"}" bottom: "res{i}b" top: "res{i}" }}
"""
        for i in range(1, 6)
    ),
}
SOLVER = """
net: "data.prototxt" test_iter: 10 test_iter: 3 test_interval: 500 base_lr: 0.01 lr_policy: "multistep" gamma: 0.1 stepvalue: 100 stepvalue: 200
max_iter: 1000 momentum: 0.9 weight_decay: 0.0005 solver_mode: GPU snapshot: 100 snapshot_prefix: "x/y" type: "Nesterov" iter_size: 2
display: 20 random_seed: 7 average_loss: 5 clip_gradients: 10 regularization_type: "L1" test_initialization: false device_id: 1
"""


def told(finding: Diagnostic) -> Iterator[str]:
    span = finding.span
    place = f"{span.begin[0]}:{span.begin[1]} {span.text[:40]!r}" if span is not None else "nowhere"
    yield f"{finding.code} {place} {finding.fact} | {finding.label}"
    yield from (f"    {note}" for note in (*finding.notes, *(fix.text for fix in finding.fixes)))


def made_of(path: Path, base: frozenset[str] = frozenset(), **options: Any) -> Iterator[str]:
    """The findings and the spec; of a spec that is known, the lines that are new."""
    try:
        converted = convert(path, **options)
    except SpecError as error:
        for finding in error.diagnostics:
            yield from told(finding)
        return
    for finding in converted.findings:
        yield from told(finding)
    yield from (line for line in converted.text.splitlines() if line not in base)


def slips(text: str) -> list[tuple[int, str, str]]:
    """Slips of the pen, as many as are wanted, evenly: where, what stood there, what stands there now."""
    every = []
    for found in re.finditer(r"[A-Za-z_]\w*|-?\d[\d.]*|[^\s\w]", text):
        token, at = found[0], found.start()
        news = ["", f"{token} {token}"]
        if token[0].isalpha():
            news += [token[1:2] + token[:1] + token[2:], "7", '"x"', "{ a: 1 }"]
        elif token[-1].isdigit():
            news += ["0", "-3", "1.5", "x", "4294967296"]
        every += [(at, token, new) for new in news]
    return [every[i * len(every) // SLIPS] for i in range(SLIPS)]


def compare(file: Path, lines: list[str], update: bool) -> None:
    text = "\n".join(lines) + "\n"
    if update:
        file.write_text(text, encoding="utf-8")
    recorded = file.read_text(encoding="utf-8")
    changed = [each for each in text.split("\n== ") if each not in recorded.split("\n== ")]
    assert changed == []
    assert text == recorded


def test_cases_become_what_was_recorded(request: pytest.FixtureRequest) -> None:
    lines = []
    for path in sorted(CAFFE.rglob("*.prototxt")):
        if not path.name.endswith(".solver.prototxt"):
            lines += [f"== {path.relative_to(CAFFE).as_posix()}", *made_of(path)]
    compare(HERE / "recorded" / "cases.txt", lines, request.config.getoption("update", default=False))


@pytest.mark.parametrize("name", FILES)
def test_files_and_slips_in_them_become_what_was_recorded(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text, path, options = FILES[name], Path(f"{name}.prototxt"), dict[str, Any]()
    path.write_text(text)
    if name == "data":
        options["solver"] = Path("solver.prototxt")
        options["solver"].write_text(SOLVER)
    whole = list(made_of(path, **options))
    lines = [f"== {name}", *whole, f"== {name}, flat", *made_of(path, flat=True, keep_batch=True)]
    lines += ["== with sizes of data", *made_of(path, inputs={"data": (2, 1, 30, 30), "price": (2, 4)})]
    for what in (path, *options.values()):
        sound = what.read_text()
        for at, old, new in slips(sound):
            what.write_text(sound[:at] + new + sound[at + len(old) :])
            row = sound.count("\n", 0, at) + 1
            lines += [f"== {what}:{row} {old!r} -> {new!r}", *made_of(path, frozenset(whole), **options)]
        what.write_text(sound)
    compare(HERE / "recorded" / f"{name}.txt", lines, request.config.getoption("update", default=False))
