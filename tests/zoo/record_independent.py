"""Records what other people's implementations of the zoo's nets are: shapes of weights, products, outputs. Writes independent.json.

    pip install --no-deps --target FOLDER torchvision timm pytorchcv && PYTHONPATH=FOLDER python tests/zoo/record_independent.py

The packages are large and need no place in the test environment: the tests read the record.
"""

import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from alike import Product, bare, counted, image, macs, numbers
from torch import Tensor, nn

RECORD = Path(__file__).parent / "independent.json"
MODELS = {
    "alexnet": ("pytorchcv", "alexnet", 227),
    "zfnet": ("pytorchcv", "zfnet", 224),
    "vgg-11": ("torchvision", "vgg11", 224),
    "vgg-13": ("torchvision", "vgg13", 224),
    "vgg-16": ("torchvision", "vgg16", 224),
    "vgg-19": ("torchvision", "vgg19", 224),
    "nin-cifar": ("pytorchcv", "nin_cifar10", 32),
    "inception-v2": ("pytorchcv", "bninception", 224),
    "inception-v3": ("torchvision", "inception_v3", 299),
    "inception-v4": ("timm", "inception_v4", 299),
    "inception-resnet-v2": ("timm", "inception_resnet_v2", 299),
    "resnet-18": ("torchvision", "resnet18", 224),
    "resnet-34": ("torchvision", "resnet34", 224),
    "resnet-50": ("pytorchcv", "resnet50", 224),
    "resnet-101": ("pytorchcv", "resnet101", 224),
    "resnet-152": ("pytorchcv", "resnet152", 224),
    "resnet-20": ("pytorchcv", "resnet20_cifar10", 32),
    "resnet-56": ("pytorchcv", "resnet56_cifar10", 32),
    "resnet-110": ("pytorchcv", "resnet110_cifar10", 32),
    "mobilenet-v1": ("pytorchcv", "mobilenet_w1", 224),
    "mobilenet-v2": ("torchvision", "mobilenet_v2", 224),
    "squeezenet-1.1": ("torchvision", "squeezenet1_1", 224),
    "densenet-121": ("torchvision", "densenet121", 224),
    "shufflenet-v1-g3": ("pytorchcv", "shufflenet_g3_w1", 224),
    "se-resnet-50": ("timm", "seresnet50", 224),
    "efficientnet-b0": ("torchvision", "efficientnet_b0", 224),
    "convnext-t": ("torchvision", "convnext_tiny", 224),
    "vit-b-16": ("torchvision", "vit_b_16", 224),
}

IDLE_BIASES = {"bninception"}
OPTIONS: dict[str, dict[str, object]] = {"inception_v3": {"aux_logits": False, "init_weights": False}}


def made(package: str, model: str) -> nn.Module:
    """The model, without pretrained weights. torchvision's own operators, which its wheel lacks beside a CPU torch, are not needed."""
    sys.modules.setdefault("torchvision._meta_registrations", ModuleType("torchvision._meta_registrations"))
    makers: dict[str, Callable[..., nn.Module]] = {
        "torchvision": lambda name: import_module("torchvision.models").get_model(
            name, weights=None, **OPTIONS.get(name, {})
        ),
        "timm": lambda name: import_module("timm").create_model(name),
        "pytorchcv": lambda name: import_module("pytorchcv.model_provider").get_model(name),
    }
    return makers[package](model).eval()


def role(name: str, tensor: Tensor) -> str:
    """What a tensor is for: see `alike.numbers`."""
    if name.endswith(("running_mean", "running_var")):
        return "mean" if name.endswith("mean") else "variance"
    if name.endswith("bias"):
        return "shift"
    return "weight" if len(bare(tensor.shape)) > 1 else "scale"


@torch.no_grad()
def fill(net: nn.Module, idle: bool) -> None:
    """Numbers for every tensor; 0 for the biases of convolutions where batch norm makes them idle, which our specs leave out."""
    for module in net.modules():
        for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            if tensor.dim() and tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(numbers(tensor.shape, role(name, tensor))))
        if idle and isinstance(module, nn.Conv2d) and module.bias is not None:
            module.bias.zero_()


def watched(net: nn.Module, found: list[Product]) -> None:
    """Note each convolution and dense layer that runs."""

    def note(module: nn.Module, _: Any, out: Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, Tensor)
        found.append((bare(weight.shape), out.numel() // out.shape[0] // weight.shape[0]))

    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(note)


@torch.no_grad()
def recorded(package: str, model: str, size: int) -> dict[str, Any]:
    net, products = made(package, model), list[Product]()
    fill(net, model in IDLE_BIASES)
    watched(net, products)
    out = net(torch.from_numpy(image((2, 3, size, size))))
    out = out.numpy().reshape(2, -1)
    assert np.isfinite(out).all()
    return {
        "package": f"{package} {version(package)}",
        "model": model,
        "parameters": sum(p.numel() for p in net.parameters()),
        "tensors": counted((bare(p.shape), 1) for p in net.parameters()),
        "macs": macs(products),
        "products": counted(products),
        "outputs": out.shape[1],
        "values": [[float(f"{v:.8g}") for v in row[:10]] for row in out],
        "spread": float(f"{out.std():.6g}"),
        "apart": float(f"{(out[0] - out[1]).std():.6g}"),
    }


def lines(record: dict[str, dict[str, Any]]) -> Iterator[str]:
    """A net a paragraph, a key a line."""
    for i, (name, entry) in enumerate(record.items()):
        inner = ",\n".join(f'  "{key}": {json.dumps(value)}' for key, value in entry.items())
        yield f' "{name}": {{\n{inner}\n }}{"," if i < len(record) - 1 else ""}'


def main() -> None:
    names = sys.argv[1:] or list(MODELS)
    record = json.loads(RECORD.read_text()) if RECORD.is_file() else {}
    for name in names:
        record[name] = recorded(*MODELS[name])
        print(
            name,
            record[name]["parameters"],
            record[name]["macs"],
            record[name]["spread"],
            record[name]["apart"],
            record[name]["values"][0][:3],
            flush=True,
        )
    RECORD.write_text(
        "{\n" + "\n".join(lines({n: record[n] for n in MODELS if n in record})) + "\n}\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
