"""How a net runs in training: in what precision, with what memory layout, compiled or as it is. In:
the words of the spec, nets, a device; out: calls of the nets. Tests run in float32.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from netspec.diagnostics import fail
from netspec.resolve.sections.pace import PaceWords
from netspec.training.compiling import Choice, Trial, hold_still

__all__ = ["LossScale", "Pace", "check_precision"]

REDUCED = {"bf16": torch.bfloat16, "fp16": torch.float16}
FIRST_SCALE = 2.0**16
"""As torch.amp.GradScaler begins."""
GROWTH = 2000
"""Steps without an overflow after which the loss scale doubles: torch.amp.GradScaler's numbers."""


Call = Callable[[nn.Module, Mapping[str, Tensor]], Any]


def call_plainly(net: nn.Module, batch: Mapping[str, Tensor]) -> Any:
    return net(**batch)


class Pace:
    """The words at work on a device. judges: paths of losses and metrics, which read real
    float32.
    """

    def __init__(
        self,
        words: PaceWords,
        device: torch.device,
        nets: Sequence[nn.Module],
        judges: Collection[str],
    ) -> None:
        check_precision(words.precision, device)
        self.words, self.device = words, device
        self.dtype = REDUCED.get(words.precision)
        self.scale = LossScale() if words.precision == "fp16" else None
        self.channels_last = takes_channels_last(words, nets, device)
        self.nets = list(nets)
        self.compiled: dict[nn.Module, Callable[..., Any]] = {}
        self.chosen: dict[nn.Module, bool] = {}
        self.chosen_before: dict[nn.Module, bool] = {}
        for net in nets:
            if self.channels_last:
                lay_out(net)
            if self.dtype is not None:
                read_float32(net, judges)

    def run(self, net: nn.Module, batch: Mapping[str, Tensor], call: Call = call_plainly) -> Any:
        """A net on a batch. call: how, where it is not compiled. NS614: torch.compile fails where the
        net itself does not.
        """
        given = {name: self.arrange(tensor) for name, tensor in batch.items()}
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            if net in self.compiled:
                return self.compiled[net](**given)
            if self.words.compile is True:
                return self.try_compiled(net, given)
            return call(net, given)

    def try_compiled(self, net: nn.Module, batch: dict[str, Tensor]) -> Any:
        """The first call of a compiled net."""
        made = torch.compile(net)
        try:
            answer = made(**batch)
        except Exception as error:
            net(**batch)
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise fail("NS614", f"{type(error).__name__}: {why}") from error
        self.compiled[net] = made
        return answer

    def waits(self, net: nn.Module) -> bool:
        """Whether it is still to be measured how this net runs."""
        return self.words.compile == "auto" and net not in self.chosen

    def choose(self, net: Any, batch: Mapping[str, Tensor], left: int, trial: Trial | str) -> Choice:
        """Choose by measuring steps on a batch, or as the run chose that goes on. left: the steps
        of this net that are to come; trial: what it is measured in, or why it is not.
        """
        if isinstance(trial, str):
            choice = Choice(False, trial)
        else:
            choice = self.measure(net, batch, left, trial)
        self.chosen[net] = choice.compiled
        if not choice.compiled:
            self.compiled.pop(net, None)
        return choice

    def measure(self, net: Any, batch: Mapping[str, Tensor], left: int, trial: Trial) -> Choice:
        made: list[Callable[..., Any]] = []

        def step() -> None:
            self.run(net, batch)
            torch.autograd.backward(self.scale_loss(net.total_loss))
            for tensor in net.parameters():
                tensor.grad = None

        def step_plainly() -> None:
            self.compiled.pop(net, None)
            step()

        def step_compiled() -> None:
            if not made:  # loads the compiler, which takes a second
                made.append(torch.compile(net))
            self.compiled[net] = made[0]
            step()

        with hold_still(net, self.device):
            if net not in self.chosen_before:
                choice = trial.choose(step_plainly, step_compiled, left)
            elif self.chosen_before[net]:
                choice = trial.repeat(step_compiled)
            else:
                choice = Choice(False, "as before")
        if choice.compiled:
            self.compiled[net] = made[0]
        return choice

    def arrange(self, tensor: Tensor) -> Tensor:
        """A tensor of the batch in the layout of the net."""
        if self.channels_last and tensor.dim() == 4:
            return lay_channels_last(tensor)
        return tensor

    def scale_loss(self, loss: Tensor) -> Tensor:
        """The loss as the backward pass takes it."""
        if self.scale is None:
            return loss
        return loss * self.scale.value

    def settle(self, tensors: Sequence[Tensor]) -> bool:
        """Make gradients what they are without the scale; False where one overflowed."""
        return self.scale is None or self.scale.settle(tensors)

    def describe(self) -> dict[str, Any]:
        """What the log says of it; nothing where all is as ever."""
        if self.words == PaceWords():
            return {}
        layout = "channels_last" if self.channels_last else "contiguous"
        return {"layout": layout, "precision": self.words.precision, "compile": self.words.compile}

    def state(self) -> dict[str, Any]:
        """What a snapshot keeps."""
        kept: dict[str, Any] = {}
        if self.chosen:
            kept["compiled"] = [self.chosen.get(net) for net in self.nets]
        if self.scale is not None:
            kept |= {"loss_scale": self.scale.value, "without_overflow": self.scale.count}
        return kept

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave; a run that was without begins anew."""
        before = zip(self.nets, state.get("compiled", ()), strict=False)
        self.chosen_before = {net: chosen for net, chosen in before if chosen is not None}
        if self.scale is not None:
            self.scale.value = float(state.get("loss_scale", FIRST_SCALE))
            self.scale.count = int(state.get("without_overflow", 0))


class LossScale:
    """A factor of the loss that keeps small gradients above float16's least number: halved where
    one overflows, whose step is left out, doubled after GROWTH steps without.
    """

    def __init__(self) -> None:
        self.value, self.count = FIRST_SCALE, 0

    @torch.no_grad()
    def settle(self, tensors: Sequence[Tensor]) -> bool:
        """Divide gradients by the factor. Waits for the device: whether a step is made depends on
        them.
        """
        gradients = [tensor.grad for tensor in tensors if tensor.grad is not None]
        torch._foreach_mul_(gradients, 1 / self.value)
        sound = bool(torch.nn.utils.get_total_norm(gradients).isfinite())
        if not sound:
            self.value, self.count = self.value / 2, 0
        elif self.count + 1 == GROWTH:
            self.value, self.count = self.value * 2, 0
        else:
            self.count += 1
        return sound


def takes_channels_last(words: PaceWords, nets: Sequence[nn.Module], device: torch.device) -> bool:
    """Whether weights and batches lie with channels last. auto: where a net has convolutions over
    planes, on a CPU, and on a GPU in less than float32, whose fast units want it.
    """
    if words.layout != "auto":
        return words.layout == "channels_last"
    planes = any(isinstance(module, nn.Conv2d) for net in nets for module in net.modules())
    return planes and (device.type == "cpu" or words.precision != "fp32")


def lay_out(net: nn.Module) -> None:
    """Bring filters over planes into channels last; each stays the tensor that it is."""
    for weight in net.parameters():
        if weight.dim() == 4:
            weight.data = lay_channels_last(weight.data)


def lay_channels_last(x: Tensor) -> Tensor:
    """x [N, C, H, W] with channels last, by its strides too. With one channel, or one pixel, the
    values lie in both layouts alike, and what torch chooses by is the strides: it would go on as
    contiguous.
    """
    channels, height, width = x.shape[1:]
    strides = (channels * height * width, 1, width * channels, channels)
    return x.contiguous(memory_format=torch.channels_last).as_strided(x.shape, strides)


def read_float32(net: nn.Module, paths: Collection[str]) -> None:
    """Let modules read float32, whatever precision made it: sums over classes and samples need
    it.
    """
    for path, module in net.named_modules():
        if path in paths:
            module.register_forward_pre_hook(widen_inputs)


def widen_inputs(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Before a call: real numbers of less precision as float32."""
    less = (torch.bfloat16, torch.float16)
    return tuple(x.float() if isinstance(x, Tensor) and x.dtype in less else x for x in inputs)


def check_precision(word: str, device: torch.device) -> None:
    """NS613: the device has no such precision."""
    why = ""
    if word == "tf32":
        if device.type != "cuda":
            why = f"TensorFloat-32 is a mode of NVIDIA GPUs: the device is {device}"
        elif torch.cuda.get_device_capability(device) < (8, 0):
            why = f"TensorFloat-32 needs compute capability 8.0: that of {device} is lower"
    elif word in REDUCED:
        why = refusal(REDUCED[word], device)
    if why:
        raise fail("NS613", f"precision {word} was asked for: {why}")


def refusal(dtype: torch.dtype, device: torch.device) -> str:
    """Why a small convolution and a product cannot be trained in this precision there; empty where
    they can.
    """
    kind = str(dtype).removeprefix("torch.")
    if dtype == torch.bfloat16 and device.type == "cuda" and not torch.cuda.is_bf16_supported(False):
        return f"{device} computes {kind} only by way of float32"
    with keep_draws(device):
        x = torch.randn(2, 3, 5, 5, device=device)
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(36, 2)).to(device)
        try:
            with torch.autocast(device.type, dtype):
                loss = net(x).float().sum()
            loss.backward()
        except RuntimeError as error:
            return f"{device} cannot train in {kind}: {str(error).splitlines()[0]}"
    return ""


@contextmanager
def keep_draws(device: torch.device) -> Iterator[None]:
    """The random state comes back: a check draws nothing of the training's."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
