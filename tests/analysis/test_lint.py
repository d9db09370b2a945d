"""Every lint with nets that fire it and nets that must not."""

import os
from itertools import product

import pytest
from analysis_specs import codes, findings, net

from netspec.allowed_paths import allowing
from netspec.analysis.lint.run import stretches

LSTM = "name: l, type: LSTM, bottom: [data, cont], num_output: 3, weight_filler: xavier"
CONV = "name: c, type: Convolution, num_output: 8, kernel_size: 3, weight_filler: msra"
LABELLED = "netspec: 1\ninput: {data: [N, 5], label: [N]}\nlayers:\n"
IP = "  - {name: ip, type: InnerProduct, bottom: data, num_output: 3, weight_filler: xavier}\n"


def labelled(*layers: str, rest: str = "") -> str:
    return LABELLED + "".join(f"  - {{{layer}}}\n" for layer in layers) + rest


FIRE = {
    "NS420": [
        labelled(IP.strip()[3:-1], "name: s, type: Sigmoid", "name: loss, type: SoftmaxWithLoss, bottom: [s, label]"),
        labelled(IP.strip()[3:-1], "name: t, type: TanH", "name: f, type: Flatten", "name: loss, type: SoftmaxWithLoss, bottom: [f, label]"),
        labelled(IP.strip()[3:-1], "name: r, type: ReLU", "name: loss, type: SoftmaxWithLoss, bottom: [r, label]"),
        labelled(IP.strip()[3:-1], "name: c, type: Clip, min: -2, max: 2", "name: loss, type: SoftmaxWithLoss, bottom: [c, label]"),
        labelled(IP.strip()[3:-1], "name: d, type: Dropout", "name: loss, type: SoftmaxWithLoss, bottom: [d, label]"),
        "netspec: 1\ninput: {data: [N, 5], goal: [N, 3]}\nlayers:\n" + IP + "  - {name: s, type: TanH}\n"
        "  - {name: loss, type: SigmoidCrossEntropyLoss, bottom: [s, goal]}\n",
    ],
    "NS421": [
        labelled("name: ip, type: InnerProduct, bottom: data, num_output: 1, weight_filler: xavier", "name: loss, type: SoftmaxWithLoss, bottom: [ip, label]"),
        net("[N, 5]", "name: ip, type: InnerProduct, num_output: 1\nname: prob, type: Softmax"),
        net("[N, 5, 4]", "name: prob, type: Softmax\nname: s, type: Slice, slice_point: 1, top: [a, b]\nname: one, type: Softmax, bottom: a"),
    ],
    "NS401": [
        net("[N, 1, 7, 7]", "name: c, type: Convolution, num_output: 1, kernel_size: 3, stride: 3"),
        net("[N, 1, 9, 8]", "name: p, type: Pooling, kernel_size: 2, stride: 2, round_mode: FLOOR"),
        net("[N, 1, 10]", "name: c, type: Convolution, num_output: 1, kernel_size: 4, stride: 4, pad: 0"),
    ],
    "NS402": [
        net("[N, 3, 32, 32]", "name: c, type: Convolution, num_output: 8, kernel_size: 1, stride: 2"),
        net("[N, 3, 32, 32]", "name: p, type: Pooling, kernel_size: 2, stride: 3"),
    ],
    "NS403": [net("[N, 3, 8, 8]", "name: u, type: Deconvolution, num_output: 8, kernel_size: 3, stride: 2")],
    "NS404": [
        net("[N, 3, 8, 8]", CONV + "\nname: b, type: BatchNorm"),
        net("[N, 3]", "name: ip, type: InnerProduct, num_output: 4\nname: b, type: BatchNorm"),
        net("[N, 3, 8, 8]", "name: s, type: Scale, bias_term: true\nname: b, type: BatchNorm"),
    ],
    "NS405": [
        labelled(IP.strip()[3:-1], "name: prob, type: Softmax", "name: loss, type: SoftmaxWithLoss, bottom: [prob, label]"),
        "netspec: 1\ninput: {data: [N, 5], goal: [N, 3]}\nlayers:\n" + IP + "  - {name: s, type: Sigmoid}\n"
        "  - {name: loss, type: SigmoidCrossEntropyLoss, bottom: [s, goal]}\n",
        labelled(IP.strip()[3:-1], "name: prob, type: Softmax", "name: d, type: Dropout", "name: f, type: Flatten",
                 "name: loss, type: SoftmaxWithLoss, bottom: [f, label]"),
    ],
    "NS406": [
        net("[N, 3, 8, 8]", CONV + "\nname: d, type: Convolution, num_output: 2, kernel_size: 1\nname: e, type: ReLU, bottom: c", "output: e\n"),
    ],
    "NS407": [
        labelled(IP.strip()[3:-1], "name: m, type: ArgMax", "name: ip2, type: InnerProduct, num_output: 3, weight_filler: xavier",
                 "name: loss, type: SoftmaxWithLoss, bottom: [ip2, label]"),
        labelled(IP.strip()[3:-1], "name: side, type: InnerProduct, bottom: data, num_output: 2, weight_filler: xavier",
                 "name: loss, type: SoftmaxWithLoss, bottom: [ip, label]"),
    ],
    "NS408": [net("[N, 3, 16, 16]", CONV + ", dilation: 16, pad: same")],
    "NS409": [
        net("[N, 8, 32, 32]", "name: c, type: Convolution, num_output: 8, kernel_size: 5\nname: s, type: Crop, bottom: [data, c], offset: 3\n"
            "name: e, type: Eltwise, bottom: [c, s]"),
        net("[N, 8, 9, 9]", "name: c, type: Convolution, num_output: 8, kernel_size: 5\nname: p, type: Pooling, bottom: data, kernel_size: 1, stride: 2\n"
            "name: e, type: Concat, bottom: [c, p]"),
    ],
    "NS410": [net("[N, 5]", "name: ip, type: InnerProduct, num_output: 3", "output: {ip: {labels: [a, b]}}\n")],
    "NS411": [
        net("[N, 3, 32, 32]", "name: p, type: Pooling, pool: AVE, kernel_size: 3, stride: 1, pad: 1"),
        net("[N, 2, 6, 7]", "name: p, type: Pooling, kernel_size: 2, stride: 3"),
    ],
    "NS412": [
        labelled("name: ip, type: InnerProduct, bottom: data, num_output: 3", "name: ip2, type: InnerProduct, num_output: 3",
                 "name: loss, type: SoftmaxWithLoss, bottom: [ip2, label]"),
        net("[N, 1, 8, 8]", "name: c, type: Convolution, num_output: 2, kernel_size: 3\nname: ip, type: InnerProduct, num_output: 10",
            "train: {data: digits, solver: {base_lr: 0.1, max_iter: 10}}\n"),
    ],
    "NS414": [
        net("[N, 8]", "name: r, type: Reshape, shape: [1, 2, 4]"),
        net("[N, 8]", "name: r, type: Reshape, shape: [8]"),
        net("[N, 3, H, H]", "name: r, type: Reshape, shape: {dim: [0, 48]}"),
        net("{shape: [N, 4]}, other: [3, 4]", "name: e, type: Eltwise, bottom: [data, other]"),
        net("{shape: [N, 4]}, label: [32]", "name: loss, type: EuclideanLoss, bottom: [data, label]").replace("label: [32]", "label: [32, 4]"),
    ],
    "NS415": [
        net("[N, 3, 8, 8]", CONV + "\nname: b, type: BatchNorm, use_global_stats: false"),
        net("[4, 3]", "name: s, type: Softmax, axis: 0"),
        net("[N, 3]", "name: b, type: BN, bn_mode: LEARN\nname: r, type: ReLU"),
        net("[N, 3]", "name: b, type: BatchNorm, phase: TRAIN\nname: r, type: ReLU"),
        net("[N, 3, 8, 8]", CONV + "\nname: b, type: BN, phase: TRAIN"),
        net("[N, 3]", "name: m, type: Reduction, axis: 0\nname: e, type: Flatten, bottom: data", "output: [m, e]\n"),
        net("[N, 2]", "name: p, type: Permute, order: [1, 0]\nname: s, type: Softmax"),
        net("[N, 3]", "name: c, type: Concat, bottom: [data, data], axis: 0\nname: s, type: Softmax, axis: 0"),
        net("[4, 3]", "name: p, type: Slice, axis: 0, slice_point: 1, top: [p, q]\nname: s, type: Softmax, bottom: q, axis: 0"),
        net("[N, 3]", "name: t, type: Tile, axis: 0, tiles: 2\nname: s, type: Softmax, axis: 0"),
        net("{shape: [5, 2, 4]}, cont: [5, 2]", LSTM + "\nname: s, type: Softmax"),
        net("{shape: [5, 2, 4]}, cont: [5, 2]", "name: s, type: Softmax, bottom: data\n" + LSTM.replace("data", "s")),
    ],
    "NS416": [
        net("[N, 224, 224, 3]", CONV + ", pad: 1"),
        net("[N, H, W, 1]", "name: p, type: Pooling, kernel_size: 1, stride: 1").replace("H, W", "64, 48"),
        net("[2, 28, 28, 1]", "name: s, type: Power, scale: 0.1\nname: c, type: Convolution, num_output: 2, kernel_size: 3, pad: 1, weight_filler: msra"),
    ],
    "NS417": [
        net("{shape: [N, 3, 8, 8], image: {mean_value: [0.485, 0.456, 0.406], scale: 0.0039}}", CONV),
        net("{shape: [N, 1, 8, 8], image: {mean_value: 0.5}}", CONV),
        net("{shape: [N, 3, 8, 8], image: {mean_value: [123, 116, 103], std_value: [0.229, 0.224, 0.225]}}", CONV),
        net("{shape: [N, 1, 8, 8], image: {std_value: 0.3}}", CONV),
    ],
    "NS419": [
        net("[N, 3]", "name: d, type: Dropout, phase: TRAIN"),
        net("[N, 3, 8, 8]", "name: d, type: Dropout2d, phase: TRAIN\n" + CONV),
        net("[N, 3, 8, 8]", "name: p, type: Pooling, pool: STOCHASTIC, kernel_size: 2, stride: 2, phase: TRAIN\nname: r, type: ReLU"),
    ],
    "NS431": [
        net("{shape: [N, 3, 8, 8], image: {std_value: 58, scale: 0.0039}}", CONV),
        net("{shape: [N, 1, 8, 8], image: {mean_value: 128, std_value: 64, scale: 0.01}}", CONV),
        net("{shape: [N, 1, 8, 8], image: {scale: 0.0000153787}}", CONV),
    ],
    "NS449": [
        net("[N, 3, 8, 8]", "name: c, type: Convolution, num_output: 2, kernel_size: 3, weight_filler: {std: 0.01}"),
        net("[N, 3, 8, 8]", "name: c, type: Convolution, num_output: 2, kernel_size: 3, weight_filler: {type: constant, value: 0.2, min: -1}"),
        net("[N, 3, 8, 8]", "name: c, type: Convolution, num_output: 2, kernel_size: 3, weight_filler: xavier, bias_filler: {values: [1, 2]}"),
        net("[N, 3, 8, 8]", "name: c, type: Convolution, num_output: 2, kernel_size: 3, weight_filler: {variance_norm: AVERAGE}"),
    ],
    "NS447": [
        net("[N, 3]", "name: e, type: Eltwise, bottom: [data, data]"),
        net("[N, 3]", "name: e, type: Eltwise, bottom: [data, data], coeff: [1, -1]"),
        net("[N, 3]", "name: r, type: ReLU\nname: e, type: Eltwise, bottom: [data, r, data], operation: MAX"),
        labelled(IP.strip()[3:-1], "name: loss, type: SoftmaxWithLoss, bottom: [ip, ip]"),
        labelled(IP.strip()[3:-1], "name: loss, type: EuclideanLoss, bottom: [ip, ip], loss_weight: 0.5"),
        labelled(IP.strip()[3:-1], "name: loss, type: SoftmaxWithLoss, bottom: [ip, label]", "name: acc, type: EuclideanLoss, bottom: [ip, ip], include: {phase: TEST}"),
    ],
    "NS446": [
        net("{shape: [N, 1, 8, 8], image: {mean_value: 300}}", CONV),
        net("{shape: [N, 3, 8, 8], image: {mean_value: [104, -117, 123]}}", CONV),
        net("{shape: [N, 1, 8, 8], image: {scale: 255}}", CONV),
        net("{shape: [N, 1, 8, 8], image: {mean_value: 128, scale: -2.1}}", CONV),
        net("{shape: [N, 1, 8, 8], image: {mean_value: 255.5, scale: 0.004}}", CONV),
        net("{shape: [N, 1, 8, 8], image: {scale: -1}}", CONV),
        net("{shape: [N, 3, 8, 8], image: {std_value: [58, 57, 57], scale: -1}}", CONV),
    ],
}  # fmt: skip
QUIET = {
    "NS420": [
        labelled(IP.strip()[3:-1], "name: loss, type: SoftmaxWithLoss, bottom: [ip, label]"),
        labelled(IP.strip()[3:-1], "name: s, type: Sigmoid", "name: ip2, type: InnerProduct, num_output: 3, weight_filler: xavier",
                 "name: loss, type: SoftmaxWithLoss, bottom: [ip2, label]"),
        labelled(IP.strip()[3:-1], "name: r, type: ReLU, negative_slope: 0.1", "name: loss, type: SoftmaxWithLoss, bottom: [r, label]"),
        labelled(IP.strip()[3:-1], "name: e, type: ELU", "name: loss, type: SoftmaxWithLoss, bottom: [e, label]"),
        labelled(IP.strip()[3:-1], "name: c, type: Clip, min: -50, max: 50", "name: loss, type: SoftmaxWithLoss, bottom: [c, label]"),
        "netspec: 1\ninput: {data: [N, 5], goal: [N, 3]}\nlayers:\n" + IP + "  - {name: s, type: TanH}\n"
        "  - {name: loss, type: EuclideanLoss, bottom: [s, goal]}\n",
    ],
    "NS421": [
        labelled("name: ip, type: InnerProduct, bottom: data, num_output: 1, weight_filler: xavier", "name: loss, type: EuclideanLoss, bottom: [ip, label]"),
        net("[N, 5, 1]", "name: prob, type: Softmax"),
        net("[N, K]", "name: prob, type: Softmax"),
        net("[N, 5, H]", "name: prob, type: Softmax, axis: 2"),
    ],
    "NS401": [
        net("[N, 1, 224, 224]", "name: c, type: Convolution, num_output: 1, kernel_size: 7, stride: 2, pad: 3"),
        net("[N, 1, 9, 9]", "name: p, type: Pooling, kernel_size: 2, stride: 2"),
        net("[N, 1, H, W]", "name: c, type: Convolution, num_output: 1, kernel_size: 3, stride: 3"),
        net("[N, 1, 9, 9]", "name: u, type: Deconvolution, num_output: 1, kernel_size: 4, stride: 2"),
    ],
    "NS402": [
        net("[N, 3, 32, 32]", "name: c, type: Convolution, num_output: 8, kernel_size: 2, dilation: 2, stride: 3"),
        net("[N, 3, 1, 1]", "name: c, type: Convolution, num_output: 8, kernel_size: 1, stride: 2"),
    ],
    "NS403": [
        net("[N, 3, 8, 8]", "name: u, type: Deconvolution, num_output: 8, kernel_size: 4, stride: 2"),
        net("[N, 3, 8, 8]", "name: u, type: Deconvolution, num_output: 8, kernel_size: 3"),
        net("[N, 3, 1, 1]", "name: u, type: Deconvolution, num_output: 8, kernel_size: 3, stride: 2"),
    ],
    "NS404": [
        net("[N, 3, 8, 8]", CONV + ", bias_term: false\nname: b, type: BatchNorm"),
        net("[N, 3, 8, 8]", CONV + "\nname: r, type: ReLU\nname: b, type: BatchNorm"),
        net("[N, 8, 8, 8]", CONV + ", pad: 1\nname: b, type: BatchNorm\nname: s, type: Eltwise, bottom: [b, c]"),
        net("[N, 3, 8, 8]", CONV + "\nname: b, type: MVN"),
        net("[N, 3, 8, 8]", CONV + "\nname: b, type: BatchNorm, use_global_stats: true"),
        net("[N, 3, 8, 8]", CONV + "\nname: b, type: BN, frozen: true"),
        net("[N, 3, 8, 8]", "name: s, type: Scale\nname: b, type: BatchNorm"),
    ],
    "NS405": [labelled(IP.strip()[3:-1], "name: loss, type: SoftmaxWithLoss, bottom: [ip, label]", "name: prob, type: Softmax, bottom: ip")],
    "NS406": [
        net("[N, 3, 8, 8]", CONV + "\nname: d, type: ReLU\nname: e, type: ReLU, bottom: c", "output: [d, e]\n"),
        net("[N, 3, 8, 8]", CONV + "\nname: d, type: ReLU\nname: q, type: Silence, bottom: d\nname: e, type: ReLU, bottom: c", "output: e\n"),
        labelled(IP.strip()[3:-1], "name: prob, type: Softmax", "name: ip2, type: InnerProduct, bottom: data, num_output: 3, weight_filler: xavier",
                 "name: loss, type: SoftmaxWithLoss, bottom: [ip, label], include: {phase: TRAIN}",
                 "name: aux, type: SoftmaxWithLoss, bottom: [ip2, label], include: {phase: TRAIN}", rest="output: prob\n"),
    ],
    "NS407": [
        labelled(IP.strip()[3:-1], "name: loss, type: SoftmaxWithLoss, bottom: [ip, label]"),
        net("[N, 5]", "name: ip, type: InnerProduct, num_output: 3\nname: m, type: ArgMax"),
        net("[N, 1, 8, 8]", "name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier\nname: prob, type: Softmax",
            "train: {data: digits, solver: {base_lr: 0.1, max_iter: 10}}\n"),
        labelled(IP.strip()[3:-1], "name: side, type: InnerProduct, bottom: data, num_output: 2, param: [{lr_mult: 0}, {lr_mult: 0}]",
                 "name: loss, type: SoftmaxWithLoss, bottom: [ip, label]"),
    ],
    "NS408": [
        net("[N, 3, 16, 16]", CONV + ", pad: 1\nname: p, type: Pooling, pool: AVE, global_pooling: true"),
        net("[N, 3, H, W]", CONV + ", dilation: 16, pad: same"),
        "netspec: 1\ninput: {data: [N, 8, 16, 16]}\nblocks:\n  unit:\n    bottom: x\n    layers:\n"
        "      - {name: c, type: Convolution, bottom: x, num_output: 8, kernel_size: 3, dilation: 7, pad: same}\n"
        "      - {name: sum, type: Eltwise, bottom: [c, x]}\nlayers:\n  - {name: u, block: unit, repeat: 5}\n",
    ],
    "NS409": [
        net("[N, 8, 32, 32]", "name: c, type: Convolution, num_output: 8, kernel_size: 5\nname: s, type: Crop, bottom: [data, c], offset: 2\n"
            "name: e, type: Eltwise, bottom: [c, s]"),
        net("[N, 8, 32, 32]", CONV + ", stride: 2, pad: 1\nname: s, type: Convolution, bottom: data, num_output: 8, kernel_size: 1, stride: 2\n"
            "name: e, type: Eltwise, bottom: [c, s]"),
        net("[N, 8, T]", "name: c, type: Convolution, num_output: 8, kernel_size: 2, dilation: 8, pad: causal\nname: e, type: Eltwise, bottom: [c, data]"),
        net("[N, 3, 8, 8]", CONV + "\nname: v, type: Convolution, bottom: data, num_output: 8, kernel_size: 1\n"
            "name: s, type: Crop, bottom: [v, c], offset: 2\nname: e, type: Concat, bottom: [c, s], axis: 0"),
        net("[N, 8, 8, 8]", "name: p, type: Pooling, kernel_size: 2, stride: 2\nname: u, type: Deconvolution, num_output: 8, kernel_size: 4, stride: 2, pad: 1\n"
            "name: e, type: Concat, bottom: [u, data]"),
    ],
    "NS410": [
        net("[N, 5]", "name: ip, type: InnerProduct, num_output: 2", "output: {ip: {labels: [a, b]}}\n"),
        net("[N, 5]", "name: ip, type: InnerProduct, num_output: 2", "output: {ip: {labels: not-there.txt}}\n"),
    ],
    "NS411": [
        net("[N, 3, 32, 32]", "name: p, type: Pooling, pool: AVE, kernel_size: 3, pad: 1, count_include_pad: false"),
        net("[N, 3, 32, 32]", "name: p, type: Pooling, pool: MAX, kernel_size: 3, pad: 1"),
        net("[N, 3, 32, 32]", "name: p, type: Pooling, pool: AVE, kernel_size: 2, stride: 2"),
    ],
    "NS412": [
        net("[N, 5]", "name: ip, type: InnerProduct, num_output: 3"),
        # alone between data and loss a layer learns from 0, beside others that do not too
        labelled("name: ip, type: InnerProduct, bottom: data, num_output: 3", "name: loss, type: SoftmaxWithLoss, bottom: [ip, label]"),
        net("[N, 1, 8, 8]", "name: ip, type: InnerProduct, num_output: 10", "train: {data: digits, solver: {base_lr: 0.1, max_iter: 10}}\n"),
        labelled("name: ip, type: InnerProduct, bottom: data, num_output: 3", "name: ip2, type: InnerProduct, num_output: 3",
                 "name: short, type: InnerProduct, bottom: data, num_output: 3", "name: e, type: Eltwise, bottom: [ip2, short]",
                 "name: loss, type: SoftmaxWithLoss, bottom: [e, label]"),
        labelled("name: ip, type: InnerProduct, bottom: data, num_output: 3", "name: ip2, type: InnerProduct, num_output: 3, weight_filler: xavier",
                 "name: loss, type: SoftmaxWithLoss, bottom: [ip2, label]"),
    ],
    "NS414": [
        net("[1, 8]", "name: r, type: Reshape, shape: [1, 2, 4]"),
        net("[N, 8]", "name: r, type: Reshape, shape: [0, 2, 4]"),
        net("[N, 8]", "name: r, type: Reshape, shape: [2, -1]"),
        net("[N, 3, H, W]", "name: p, type: Pooling, kernel_size: 7, stride: 7\nname: q, type: Pooling, kernel_size: 5, stride: 5"),
    ],
    "NS415": [
        net("[N, 3, 8, 8]", CONV + "\nname: b, type: BatchNorm"),
        net("[N, 3, 8, 8]", CONV + "\nname: b, type: BatchNorm, phase: TEST"),
        net("[N, 3, 8, 8]", CONV + "\nname: b, type: BatchNorm, use_global_stats: true, phase: TRAIN"),
        net("[N, 3, 8, 8]", CONV + "\nname: b, type: BatchNorm, use_global_stats: false, include: {phase: TRAIN}"),
        net("[T, N, 4]", "name: s, type: Softmax, axis: 0"),
        net("[N, 4, 6]", "name: r, type: Reshape, shape: [-1, 6]\nname: i, type: InnerProduct, num_output: 2, weight_filler: xavier"),
        net("[N, 2]", "name: p, type: Permute, order: [1, 0]\nname: s, type: Softmax, axis: 0"),
        net("[N, 3]", "name: c, type: Concat, bottom: [data, data], axis: 0"),
        net("{shape: [5, 2, 4]}, cont: [5, 2]", LSTM + "\nname: s, type: Softmax, axis: 0"),
        net("{shape: [5, 2, 4]}, cont: [5, 2]", LSTM + "\nname: s, type: Softmax, axis: 2"),
    ],
    "NS416": [
        net("[N, 3, 224, 224]", CONV),
        net("[N, 3, 224, 3]", CONV + ", pad: 1"),
        net("[N, 64, 5, 3]", CONV),
        net("[N, 224, 224, 3]", "name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier"),
    ],
    "NS417": [
        net("{shape: [N, 3, 8, 8], image: {mean_value: [123.675, 116.28, 103.53], scale: 0.0039}}", CONV),
        net("{shape: [N, 3, 8, 8], image: {mean_value: [0, 0, 0]}}", CONV),
        net("{shape: [N, 3, 8, 8], image: {mean_value: [123, 116, 103], std_value: [0.229, 0.224, 0.225], scale: 0.0039}}", CONV),
        net("{shape: [N, 3, 8, 8], image: {mean_value: [123, 116, 103], std_value: [1, 1, 1]}}", CONV),
    ],
    "NS419": [
        net("[N, 3]", "name: d, type: Dropout"),
        net("[N, 3]", "name: d, type: Dropout, phase: TEST"),
        net("[N, 3]", "name: d, type: Dropout, phase: TRAIN, include: {phase: TRAIN}"),
        net("[N, 3]", "name: r, type: ReLU, phase: TRAIN"),
        net("[N, 3]", "name: r, type: ReLU\nname: d, type: Dropout, phase: TRAIN", "output: [r]\n"),
    ],
    "NS431": [
        net("{shape: [N, 3, 8, 8], image: {mean_value: 128, std_value: 58}}", CONV),
        net("{shape: [N, 3, 8, 8], image: {std_value: 0.25, scale: 0.0039}}", CONV),
        net("{shape: [N, 3, 8, 8], image: {scale: 0.0001}}", CONV),
        net("{shape: [N, 3, 8, 8], image: {scale: 0.00390625}}", CONV),
    ],
    "NS449": [
        net("[N, 3, 8, 8]", "name: c, type: Convolution, num_output: 2, kernel_size: 3, weight_filler: {type: gaussian, std: 0.01}, bias_filler: {value: 0.1}"),
        net("[N, 3, 8, 8]", "name: c, type: Convolution, num_output: 2, kernel_size: 3, weight_filler: {type: xavier, std: 0.03}, bias_filler: {std: 1}"),
    ],
    "NS447": [
        net("[N, 3]", "name: e, type: Eltwise, bottom: [data, data], operation: PROD"),
        net("[N, 3]", "name: r, type: ReLU\nname: e, type: Eltwise, bottom: [data, r]"),
        net("[N, 3]", "name: c, type: Concat, bottom: [data, data, data]"),
        labelled(IP.strip()[3:-1], IP.strip()[3:-1].replace("ip,", "ip2,"), "name: near, type: EuclideanLoss, bottom: [ip, ip2]"),
    ],
    "NS446": [
        net("{shape: [N, 3, 8, 8], image: {mean_value: [0, 128, 255]}}", CONV),
        net("{shape: [N, 1, 8, 8], image: {scale: 1}}", CONV),
        net("{shape: [N, 1, 8, 8], image: {mean_value: 255, scale: -0.0039}}", CONV),
        net("{shape: [N, 1, 8, 8], image: {mean_value: 128, scale: -1}}", CONV),
        net("{shape: [N, 1, 8, 8], image: {mean_value: 127.5, scale: 2}}", CONV),
        net("{shape: [N, 1, 8, 8], image: {mean_value: 104, std_value: 60, scale: 2}}", CONV),
    ],
}  # fmt: skip


def rows(table: dict[str, list[str]]) -> list[object]:
    return [
        pytest.param(code, text, id=f"{code}-{i}")
        for code, texts in table.items()
        for i, text in enumerate(texts)
    ]


@pytest.mark.parametrize(("code", "text"), rows(FIRE))
def test_lint_fires(code: str, text: str) -> None:
    found = findings(text)
    assert code in [f.code for f in found]
    assert all(f.severity == "warning" and f.span is not None for f in found)


@pytest.mark.parametrize("read", ["y", "h1", "c1"])
@pytest.mark.parametrize(
    ("word", "told"), [("", True), (", state_gradient: true", False), (", state_gradient: false", True)]
)
def test_each_state_that_sends_no_gradient(read: str, word: str, told: bool) -> None:
    """Said at the layer itself, with its name; what stands before it is told apart (NS407)."""
    lstm = "type: LSTM, num_output: 4, weight_filler: xavier, expose_hidden: true"
    text = "netspec: 1\ninput: {x: [3, 2, 4], cont: [3, 2], h0: [1, 2, 4], c0: [1, 2, 4]}\nlayers:\n"
    text += "  - {name: first, type: LSTM, num_output: 4, weight_filler: xavier, bottom: [x, cont]}\n"
    text += f"  - {{name: l, {lstm}{word}, bottom: [first, cont, h0, c0], top: [y, h1, c1]}}\n"
    text += f"  - {{name: loss, type: Reduction, bottom: {read}, loss_weight: 1}}\noutput: [y, h1, c1]\n"
    expected = [("NS407", "first"), ("NS429", "l")] if told and read != "y" else []
    assert [(d.code, d.about.layer) for d in findings(text)] == expected


@pytest.mark.parametrize(("code", "text"), rows(QUIET))
def test_lint_keeps_quiet(code: str, text: str) -> None:
    found = findings(text)
    assert code not in [f.code for f in found]
    assert not [f for f in found if f.severity == "error"]


@pytest.mark.parametrize(("code", "text"), rows(FIRE))
def test_the_file_may_allow_it(code: str, text: str) -> None:
    assert code not in codes(f"{text}allow: [{code}]\n")


def test_a_layer_may_allow_it_for_itself_only() -> None:
    layers = "name: c, type: Convolution, num_output: 8, kernel_size: 1, stride: 2{}\nname: d, type: Convolution, num_output: 8, kernel_size: 1, stride: 2{}"
    assert codes(net("[N, 3, 32, 32]", layers.format("", ""))) == ["NS402", "NS402"]
    assert codes(net("[N, 3, 32, 32]", layers.format(", allow: NS402", ""))) == ["NS402"]
    assert codes(net("[N, 3, 32, 32]", layers.format(", allow: [NS402]", ", allow: [NS402]"))) == []


@pytest.mark.parametrize("word", ["NS301", "NS499", "pixels"])
def test_only_lints_can_be_allowed(word: str) -> None:
    assert codes(net("[N, 3, 8, 8]", CONV, f"allow: [{word}]\n")) == ["NS105"]


def test_one_finding_for_both_axes_and_two_where_they_differ() -> None:
    same = findings(
        net("[N, 1, 8, 8]", "name: c, type: Convolution, num_output: 1, kernel_size: 3, stride: 3")
    )
    assert [f.fact for f in same] == ["c: the last 2 of 8 along H and W are read by no window"]
    apart = findings(
        net("[N, 1, 8, 7]", "name: c, type: Convolution, num_output: 1, kernel_size: 3, stride: 3")
    )
    assert sorted(f.fact for f in apart) == [
        "c: the last 1 of 7 along W is read by no window",
        "c: the last 2 of 8 along H are read by no window",
    ]


def test_labels_in_a_file_are_counted(tmp_path) -> None:
    (tmp_path / "labels.txt").write_text("cat\ndog\n\n", encoding="utf-8")
    text = net(
        "[N, 5]", "name: ip, type: InnerProduct, num_output: 3", "output: {ip: {labels: labels.txt}}\n"
    )
    (tmp_path / "spec.yaml").write_text(text, encoding="utf-8")
    assert [f.code for f in findings(text, str(tmp_path / "spec.yaml"))] == ["NS410"]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("pipe", ": it is a pipe, not a file"),
        ("link", " lies outside the spec's folder"),
        ("../outside/names", " lies outside the spec's folder"),
        ("none.txt", ": No such file or directory"),
        (".", ": it is a folder"),
        ("odd", ": it is not UTF-8"),
    ],
)
def test_a_file_of_labels_that_an_export_would_refuse(tmp_path, path: str, why: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "names").write_text("cat\ndog\nfox\n", encoding="utf-8")
    here = tmp_path / "here"
    here.mkdir()
    os.mkfifo(here / "pipe")
    (here / "link").symlink_to(tmp_path / "outside" / "names")
    (here / "odd").write_bytes(b"caf\xe9\n" * 3)
    text = net(
        "[N, 5]", "name: ip, type: InnerProduct, num_output: 3", f"output: {{ip: {{labels: {path}}}}}\n"
    )
    (here / "spec.yaml").write_text(text, encoding="utf-8")
    (found,) = findings(text, str(here / "spec.yaml"))
    assert (found.code, found.fact.split(": --allow")[0]) == ("NS410", f"labels of ip: {path}{why}")
    with allowing([tmp_path]):
        again = findings(text, str(here / "spec.yaml"))
    assert (again == []) == ("outside" in why)


def test_one_finding_for_a_field_alike_along_both_axes() -> None:
    (found,) = [
        f for f in findings(net("[N, 3, 16, 16]", CONV + ", dilation: 16, pad: same")) if f.code == "NS408"
    ]
    assert found.fact == "c: a unit sees 33 along axes 2 and 3 of data, which has 16"


@pytest.mark.parametrize("kind", ["Convolution", "Pooling"])
def test_windows_at_the_border_by_hand(kind: str) -> None:
    """NS401 where some unit is read by no window behind which none follows, NS411 where a window begins past the last unit; to the unit."""
    words = {
        "Convolution": "num_output: 1, weight_filler: xavier",
        "Pooling": "pool: MAX, round_mode: FLOOR",
    }[kind]
    told = {"NS401": 0, "none": 0}
    for size, k, s, pad in product(range(3, 8), (1, 2, 3), (1, 2, 3), ("[[0, 0]]", "[[1, 0]]", "[[0, 1]]")):
        begin, end = int(pad[2]), int(pad[5])
        if s > k or k <= max(begin, end) or (kind == "Pooling" and k > size):
            continue
        starts = range(-begin, size + end - k + 1, s)
        left = size - (starts[-1] + k)
        found = findings(
            net(
                f"[N, 1, {size}]",
                f"name: c, type: {kind}, {words}, kernel_size: {k}, stride: {s}, pad: {pad}",
            )
        )
        facts = [d.fact for d in found if d.code == "NS401"]
        verb = "is" if left == 1 else "are"
        assert facts == (
            [f"c: the last {left} of {size} along L {verb} read by no window"] if left > 0 else []
        ), (size, k, s, pad)
        assert ("NS411" in [d.code for d in found]) == (kind == "Pooling" and starts[-1] >= size), (
            size,
            k,
            s,
            pad,
        )
        told["NS401" if left > 0 else "none"] += 1
    assert told["NS401"] > 15
    assert told["none"] > 40


def test_a_window_that_begins_past_the_last_unit_by_hand() -> None:
    """Rounded up, without a border: the last window may begin at the end, one unit behind it, or not."""
    told = 0
    for size, k, s in product(range(2, 9), (1, 2, 3), (1, 2, 3, 4)):
        last = -(-(size - k) // s) * s
        if k > size:
            continue
        codes = [
            d.code
            for d in findings(
                net(f"[N, 1, {size}]", f"name: p, type: Pooling, kernel_size: {k}, stride: {s}")
            )
        ]
        assert ("NS411" in codes) == (last >= size), (size, k, s)
        told += last >= size
    assert told > 5


def test_codes_are_told_in_stretches() -> None:
    assert stretches([]) == ""
    assert stretches(["NS401"]) == "NS401"
    assert (
        stretches(["NS401", "NS402", "NS403", "NS419", "NS421", "NS422"])
        == "NS401 to NS403, NS419, NS421 to NS422"
    )
