"""Where a class is seen: the maps of a late layer, weighed by what they do for its score.

    L = relu(sum over k of a_k A^k),   a_k = mean over places of d S_c / d A^k_ij

Grad-CAM, Selvaraju et al. 2017 (arXiv:1610.02391), for any net. --method cam: a_k are the weights of
the dense layer that reads the maps' means (CAM, Zhou et al. 2016, arXiv:1512.04150), where the net
ends so; both then differ by a factor alone.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from netspec.diagnostics import fail
from netspec.diagnostics.words import count_of
from netspec.pictures.figure import Figure
from netspec.seeing.answers import chosen_answer
from netspec.seeing.finite import check_finite
from netspec.seeing.over import over_picture
from netspec.seeing.samples import samples_of, show_pixels
from netspec.seeing.seen import SAMPLE, Array, Asked, Seen
from netspec.seeing.subject import NetSubject, Subject
from netspec.seeing.tensors import bare_scores, tops_of

__all__ = ["TAKES", "WHOLE", "draw", "see"]

WHOLE = True
TAKES = (*SAMPLE, "layer", "label", "method")
METHODS = ("grad", "cam")


def see(subject: Subject, asked: Asked) -> Seen:
    """The map (h, w), as large as the layer's. layer: by default the last one with maps."""
    net, name = subject.need_net("cam"), subject.picture
    if not name:
        raise fail("NS750", "cam shows places of a picture, and no input takes one", path=subject.path)
    if (asked.method or METHODS[0]) not in METHODS:
        raise fail("NS757", f"method {asked.method}; there are {', '.join(METHODS)}", path=subject.path)
    sample = samples_of(subject, asked)[0]
    outputs = subject.run(sample.arrays)
    output, number, word, label = chosen_answer(subject, outputs, asked)
    layer = subject.layer(asked.layer) if asked.layer is not None else last_maps(net, sample.arrays)
    maps, weights = weigh(net, sample.arrays, layer, output, number)
    if asked.method == "cam":
        weights = dense_weights(net, len(maps), number)
    found = np.maximum((weights[:, None, None] * maps).sum(0), 0)
    values = {"sample": sample.name, "answer": word, "class": label, "number": number, "layer": layer,
              "method": asked.method or METHODS[0], "shape": list(found.shape)}  # fmt: skip
    arrays = {
        "cam": found,
        "weights": weights,
        "input": show_pixels(sample.arrays[name][0], subject.contract(name)),
    }
    told = [f"of {sample.name}, for {word}, by the maps of {layer}"]
    return Seen("cam", f"Class activation of {subject.name}", told, values, arrays)


def last_maps(net: NetSubject, feed: Any) -> str:
    """The last layer whose maps have more than one place, before any is enlarged again."""
    import torch

    with torch.no_grad(), net.fitting(feed):
        made = net.watch(feed, net.layers, lambda value: tuple(value.shape))
    found = [name for name, shape in made.items() if len(shape) == 4 and min(shape[1:]) > 1]
    if not found:
        raise fail("NS750", "no layer has maps of more than one place", path=net.path)
    return found[-1]


def weigh(net: NetSubject, arrays: Any, layer: str, output: str, number: int) -> tuple[Array, Array]:
    """The maps (k, h, w) of a layer, and the mean gradient of each."""
    import torch

    with torch.enable_grad(), net.fitting(arrays), bare_scores(net, output):
        feed = {name: torch.from_numpy(value) for name, value in arrays.items()}
        made, outputs = tops_of(net, feed, [layer])
        maps = made[layer]
        if maps.dim() != 4:
            raise fail(
                "NS750",
                f"{layer} has no maps: its top has {count_of(maps.dim(), 'axis', 'axes')}",
                path=net.path,
            )
        score = outputs[output].flatten(1)[:, number].sum()
        if not maps.requires_grad:
            raise fail("NS750", f"no gradient reaches {layer}", path=net.path)
        (gradient,) = torch.autograd.grad(score, maps, allow_unused=True)
    if gradient is None:
        raise fail("NS750", f"the score of the class does not hang on {layer}", path=net.path)
    means = gradient[0].mean((1, 2)).cpu().numpy()
    check_finite({f"the gradient to {layer}": means}, net.path)
    return maps[0].detach().cpu().numpy(), means


def dense_weights(net: NetSubject, count: int, number: int) -> Array:
    """The row of the last dense layer, where it reads one number of each map."""
    for layer in reversed(net.layers):
        if net.typed.weights[net.nodes[layer]]:
            weight = net.net.layer_parameters(layer)[0].detach().cpu().numpy()  # type: ignore[operator]
            if weight.reshape(len(weight), -1).shape[1] == count and len(weight) > number:
                return weight.reshape(len(weight), -1)[number]  # type: ignore[no-any-return]
            break
    raise fail("NS750", "its last weights do not read one number of each map: --method grad", path=net.path)


def draw(seen: Seen) -> Iterator[Figure]:
    told = f"for {seen.values['answer']}, layer {seen.values['layer']}"
    yield over_picture("Class activation", seen.arrays["input"], seen.arrays["cam"], told)
