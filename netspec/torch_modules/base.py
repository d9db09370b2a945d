"""Under every emitted network: its base class, fillers, sizes read as real numbers. Inlined, so it
needs torch alone.
"""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn


class Network(nn.Module):
    """Base of emitted networks. Blob and layer names are those of the spec; inputs go in by
    position or by name.

    optional: inputs that a data layer reads where they are not passed in; layers: the module path
    of each layer, and the names of its weights in Caffe's order; blobs: which module makes each
    named blob, and which of its results that is; loss_weights: factor of each; modes: modules that
    behave as in training, or as in a test, whatever the net does.
    """

    inputs: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[str, ...]] = ()
    layers: ClassVar[dict[str, tuple[str, ...]]] = {}
    blobs: ClassVar[dict[str, tuple[str, int]]] = {}
    loss_weights: ClassVar[dict[str, float]] = {}
    modes: ClassVar[dict[str, bool]] = {}
    total_loss: "Tensor | float" = 0.0

    def train(self, mode: bool = True) -> "Network":
        """As any module, but for those of `modes`."""
        super().train(mode)
        for path, fixed in self.modes.items():
            self.get_submodule(path).train(fixed)
        return self

    def __getstate__(self) -> dict[str, Any]:
        """What is copied and pickled: all but the last loss, which torch copies only without its
        gradients.
        """
        return {name: value for name, value in self.__dict__.items() if name != "total_loss"}

    def forward_blobs(self, feed: dict[str, Tensor]) -> dict[str, Tensor]:
        """Run the network and return every named blob; of in-place names the final value."""
        found: dict[str, Any] = {}
        wanted = {path for path, _ in self.blobs.values()}
        hooks = [
            module.register_forward_hook(lambda m, x, y, path=path: found.__setitem__(path, y))
            for path, module in self.named_modules()
            if path in wanted
        ]
        try:
            self(*(feed.get(name) if name in self.optional else feed[name] for name in self.inputs))
        finally:
            for hook in hooks:
                hook.remove()
        made = {
            name: found[path][i] if isinstance(found[path], tuple) else found[path]
            for name, (path, i) in self.blobs.items()
            if path in found
        }
        return {
            **{name: feed[name] for name in self.inputs if name in feed and name not in made},
            **made,
        }

    def layer_parameters(self, name: str) -> list[Tensor]:
        """The tensors of a layer, in Caffe's blob order."""
        path, *weights = self.layers[name]
        module = self.get_submodule(path)
        reshaped = module.__dict__.get("reshaped", {})
        return [
            reshaped[weight].leaf() if weight in reshaped else getattr(module, weight) for weight in weights
        ]

    def reset_state(self) -> None:
        """Forget the state that recurrent layers carry from call to call."""
        for module in self.modules():
            forget = getattr(module, "reset_state", None)
            if module is not self and callable(forget):
                forget()


class ReshapedWeight:
    """A weight that is another module's in another shape (Caffe's share_mode PERMISSIVE): a view,
    there only while its module runs.

    Nothing of it is kept between calls, so that a net copies, pickles and moves as any other.
    """

    def __init__(self, name: str, owner: nn.Module, owned: str, shape: tuple[int, ...]) -> None:
        self.name, self.owner, self.owned, self.shape = name, owner, owned, shape

    def enter(self, module: nn.Module, inputs: Any) -> None:
        """Before a call: the view."""
        module.__dict__[self.name] = getattr(self.owner, self.owned).view(self.shape)

    def leave(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        """After a call, also one that failed."""
        module.__dict__.pop(self.name, None)

    def leaf(self) -> Tensor:
        """The values on the owner's memory, with the owner's gradient, in this shape."""
        owner = getattr(self.owner, self.owned)
        seen: Tensor = owner.detach().view(self.shape)
        seen.grad = None if owner.grad is None else owner.grad.view(self.shape)
        return seen


def share_reshaped(
    module: nn.Module, name: str, owner: nn.Module, owned: str, shape: tuple[int, ...]
) -> None:
    """Let a module read another's weight in its own shape."""
    del module._parameters[name]
    weight = ReshapedWeight(name, owner, owned, shape)
    module.__dict__.setdefault("reshaped", {})[name] = weight
    module.register_forward_pre_hook(weight.enter)
    module.register_forward_hook(weight.leave, always_call=True)


def read_as_real(module: nn.Module, *bottoms: int) -> None:
    """Let a module read some bottoms, which hold whole numbers, as real ones, in the precision of
    the network.
    """
    module.__dict__["read_as_real"] = bottoms
    # a buffer goes along where the net moves or changes its precision
    module.register_buffer("real_like", torch.empty(0), persistent=False)
    module.register_forward_pre_hook(make_real)


def make_real(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Before a call: the inputs, converted."""
    dtype = module.get_buffer("real_like").dtype
    return tuple(x.to(dtype) if i in module.__dict__["read_as_real"] else x for i, x in enumerate(inputs))


@torch.no_grad()
def constant_(weight: Tensor, value: float = 0.0) -> None:
    """Every value the same."""
    weight.fill_(value)


@torch.no_grad()
def uniform_(weight: Tensor, min: float = 0.0, max: float = 1.0) -> None:
    """Uniform on [min, max)."""
    weight.uniform_(min, max)


@torch.no_grad()
def gaussian_(weight: Tensor, mean: float = 0.0, std: float = 1.0, sparse: int = -1) -> None:
    """Normal; with sparse s each value is kept with probability s / shape[0]."""
    weight.normal_(mean, std)
    if sparse >= 0:
        weight.mul_(torch.bernoulli(torch.full_like(weight, min_of(sparse / weight.shape[0], 1.0))))


def min_of(a: float, b: float) -> float:
    if a < b:
        return a
    return b


def fan(weight: Tensor, variance_norm: str) -> float:
    """Caffe's n: count / shape[0], count / shape[1], or their mean."""
    fan_in, fan_out = (
        weight.numel() / weight.shape[0],
        weight.numel() / (weight.shape[1] if weight.dim() > 1 else 1),
    )
    return {"FAN_IN": fan_in, "FAN_OUT": fan_out, "AVERAGE": (fan_in + fan_out) / 2}[variance_norm]


@torch.no_grad()
def xavier_(weight: Tensor, variance_norm: str = "FAN_IN") -> None:
    """Uniform on +-sqrt(3 / n)     (Glorot and Bengio 2010, as Caffe has it)."""
    bound = math.sqrt(3 / fan(weight, variance_norm))
    weight.uniform_(-bound, bound)


@torch.no_grad()
def msra_(weight: Tensor, variance_norm: str = "FAN_IN") -> None:
    """Normal with standard deviation sqrt(2 / n)     (He et al. 2015)."""
    weight.normal_(0.0, math.sqrt(2 / fan(weight, variance_norm)))


@torch.no_grad()
def kaiming_uniform_(weight: Tensor, fan_in: int) -> None:
    """Uniform on +-1 / sqrt(fan_in): what PyTorch's own layers begin with."""
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    weight.uniform_(-bound, bound)


@torch.no_grad()
def positive_unitball_(weight: Tensor) -> None:
    """Uniform on [0, 1), each row of shape[0] divided by its sum."""
    weight.uniform_(0.0, 1.0)
    weight.div_(weight.flatten(1).sum(1).view(-1, *[1] * (weight.dim() - 1)))


@torch.no_grad()
def bilinear_(weight: Tensor) -> None:
    """An upsampling kernel: (1 - |x/f - c|)(1 - |y/f - c|), f = ceil(k/2), c = (2f - 1 - f % 2) /
    2f, for every pair of channels.
    """
    factor = math.ceil(weight.shape[-1] / 2)
    centre = (2 * factor - 1 - factor % 2) / (2.0 * factor)
    y, x = (1 - (torch.arange(k, dtype=torch.float64) / factor - centre).abs() for k in weight.shape[-2:])
    weight.copy_((y[:, None] * x[None, :]).expand_as(weight))


@torch.no_grad()
def values_(weight: Tensor, values: tuple[float, ...]) -> None:
    """Each number as given, in row order."""
    weight.copy_(torch.tensor(values).view_as(weight))


FILLERS: dict[str, Any] = {
    "constant": constant_,
    "uniform": uniform_,
    "gaussian": gaussian_,
    "xavier": xavier_,
    "msra": msra_,
    "positive_unitball": positive_unitball_,
    "bilinear": bilinear_,
}
"""The fillers that need nothing but a tensor, by name."""
