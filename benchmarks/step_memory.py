"""Peak memory of a training step, netspec's net beside the same written by hand: what torch's allocator hands out above what is held
before the step, by its own count. The same net, batch and solver on both sides, as in training_step.py. Aim: at most 1.0 of by hand.

Run: python benchmarks/step_memory.py [NET ...] [--device cuda]
"""

import argparse

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from training_step import NETS, Step, batch_of, emitted, same, stepper

from netspec.resolve.sections.pace import PaceWords


def peak(net: nn.Module, step: Step, device: str) -> int:
    """Bytes above those held before, of the third call; its gradients count, those of the call before are let go
    first. On a CPU the second is profiled too: of blocks that it did not see handed out the profiler knows no size.
    """
    step()
    if device == "cuda":
        step()
        net.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return torch.cuda.max_memory_allocated() - before
    for turn in range(2):
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
            step()
            if turn == 0:
                net.zero_grad(set_to_none=True)
    held = most = 0
    events = found.profiler.kineto_results.events()  # type: ignore[union-attr]
    for event in sorted((each for each in events if each.name() == "[memory]"), key=lambda e: e.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def measure(name: str, device: str) -> str:
    net = NETS[name]
    torch.manual_seed(1)
    batch = {key: tensor.to(device) for key, tensor in batch_of(net).items()}
    hand, ours = net.hand().to(device), emitted(net).to(device)
    equal = same(hand, ours, batch)
    one, two = (peak(each, stepper(each, batch, PaceWords(), device), device) for each in (hand, ours))
    return f"| {name} | {equal} | {one / 1e6:.2f} | {two / 1e6:.2f} | {two / one:.3f} |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("nets", nargs="*", default=list(NETS), metavar="NET")
    options.add_argument("--device", default="cpu")
    given = options.parse_args()
    print("| net | same loss | by hand, MB | netspec, MB | netspec / by hand |\n|---|---|---|---|---|")
    for name in given.nets:
        print(measure(name, given.device), flush=True)


if __name__ == "__main__":
    main()
