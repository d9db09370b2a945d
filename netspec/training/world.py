"""The processes that train one net together, as torchrun starts them. In: the environment; out:
who we are among them, and what they sum, share and agree on.

One process alone is a world too, in which all of this is free. Knows no net, no file, no spec.
"""

import os
import platform
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from netspec.diagnostics import fail

__all__ = ["ALONE", "Seat", "World", "joining", "launch_key", "read_seat"]

AT_ONCE = 1 << 22
"""Numbers that are summed in one message (16 MB): what a sum needs beside the gradients."""
MEETING = timedelta(seconds=60)
"""How long a process waits for the others to come."""
PR_SET_PDEATHSIG = 1
"""Of Linux's sys/prctl.h."""
SEATS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "TORCHELASTIC_RESTART_COUNT")


class Seat(NamedTuple):
    """What torchrun says of a process: its number of all, its number on this machine, how often the
    processes were started anew.
    """

    rank: int = 0
    size: int = 1
    local: int = 0
    restarts: int = 0


ONE = Seat()


class World:
    """The processes as one of them sees them.

    first: the one that writes files and speaks. Every method is called by all processes at the same
    place, or none of them comes back. NS606: another process has ended.
    """

    def __init__(self, seat: Seat = ONE, store: Store | None = None) -> None:
        self.rank, self.size, self.local, self.restarts = seat
        self.store = store

    @property
    def first(self) -> bool:
        return self.rank == 0

    def device(self, word: str) -> str:
        """The name of a device for this process: of several GPUs the one with its number."""
        if self.size > 1 and word == "cuda":
            return f"cuda:{self.local}"
        return word

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        """Give tensors their mean over all processes."""
        if self.size == 1:
            return
        for some in in_messages(tensors):
            whole = torch.cat([tensor.reshape(-1) for tensor in some])
            with self.hearing():
                dist.all_reduce(whole)
            parts = torch.split(whole / self.size, [tensor.numel() for tensor in some])
            for tensor, part in zip(some, parts, strict=True):
                tensor.copy_(part.view(tensor.shape))

    def sum(self, numbers: Sequence[float]) -> list[float]:
        """Numbers, each summed over all processes."""
        if self.size == 1 or not numbers:
            return list(numbers)
        whole = torch.tensor(numbers, dtype=torch.float64)
        with self.hearing():
            dist.all_reduce(whole)
        return whole.tolist()

    def mean(self, numbers: Sequence[float]) -> list[float]:
        """Numbers, each as the mean over all processes."""
        if self.size == 1:
            return list(numbers)
        return [number / self.size for number in self.sum(numbers)]

    def agree(self, *numbers: int) -> tuple[int, ...]:
        """The greatest of each that any process has."""
        if self.size == 1:
            return numbers
        whole = torch.tensor(numbers)
        with self.hearing():
            dist.all_reduce(whole, dist.ReduceOp.MAX)
        return tuple(whole.tolist())

    def share(self, value: Any) -> Any:
        """What the first process has."""
        if self.size == 1:
            return value
        held = [value]
        with self.hearing():
            dist.broadcast_object_list(held)
        return held[0]

    def gather(self, value: Any) -> list[Any]:
        """What each process has, in their order."""
        if self.size == 1:
            return [value]
        held: list[Any] = [None] * self.size
        with self.hearing():
            dist.all_gather_object(held, value)
        return held

    def wait(self) -> None:
        """Until all are here."""
        self.agree(0)

    def speaks(self) -> bool:
        """Whether this process is the one that tells of what went wrong: the first to know."""
        if self.store is None:
            return True
        try:
            return bool(self.store.add("told", 1) == 1)
        except RuntimeError:  # the store ended with the process that kept it
            return self.rank <= 1

    @contextmanager
    def hearing_messages(self) -> Iterator[None]:
        """The same around work that sends messages of its own: other errors pass as they are."""
        try:
            yield
        except RuntimeError as error:
            if not isinstance(error, dist.DistError) and "gloo" not in str(error):
                raise
            with self.hearing():
                raise

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """Raises NS606 where a message to the others fails."""
        try:
            yield
        except RuntimeError as error:
            fact = f"process {self.rank} of {self.size} could not reach another: it has ended"
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise fail("NS606", fact, notes=(f"the system says: {why[:200]}",)) from error


ALONE = World()


def in_messages(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Tensors in an order that all processes have, of one type and not too many at once."""
    for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
        some: list[Tensor] = []
        for tensor in tensors:
            if tensor.dtype != dtype:
                continue
            if some and sum(each.numel() for each in some) + tensor.numel() > AT_ONCE:
                yield some
                some = []
            some.append(tensor)
        yield some


def read_seat(environment: Mapping[str, str]) -> Seat:
    """What torchrun's words in the environment say; without them, alone. NS608: they are not
    whole.
    """
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return ONE
    try:
        rank, size, local, restarts = (int(environment.get(word, "0")) for word in SEATS)
    except ValueError as error:
        raise fail("NS608", f"RANK, WORLD_SIZE and LOCAL_RANK must be whole numbers: {error}") from None
    missing = [word for word in ("MASTER_ADDR", "MASTER_PORT") if word not in environment]
    if not 0 <= rank < size:
        raise fail("NS608", f"RANK must be from 0 to WORLD_SIZE - 1: it is {rank} of {size}")
    if size > 1 and missing:
        raise fail("NS608", f"WORLD_SIZE is {size}, and {' and '.join(missing)} are not set")
    return Seat(rank, size, local, restarts)


def launch_key(environment: Mapping[str, str]) -> str:
    """What tells one launch by torchrun from all others, also after it started its processes
    anew; "" without one.
    """
    if "TORCHELASTIC_RUN_ID" not in environment:
        return ""
    return f"{environment['TORCHELASTIC_RUN_ID']} {platform.node()} {os.getppid()}"


def end_with_launcher() -> None:
    """Let this process be asked to stop when the one that launched it has ended, however that
    was; on Linux alone, elsewhere it goes on until its messages fail.
    """
    if sys.platform != "linux" or "TORCHELASTIC_RUN_ID" not in os.environ:
        return
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))


@contextmanager
def joining(device: str = "auto") -> Iterator[World]:
    """The world that torchrun made, while the block runs: messages by gloo between CPUs, by NCCL
    between GPUs.

    NS608: the others do not come, or the environment says nothing sound.
    """
    seat = read_seat(os.environ)
    if seat.size == 1 or dist.is_initialized():
        yield World(seat)
        return
    cuda = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    end_with_launcher()
    try:
        found, rank, size = next(iter(rendezvous("env://", timeout=MEETING)))
        store = PrefixStore(f"attempt {seat.restarts}", found)  # the agent's store outlives an attempt
        backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size)
    except (RuntimeError, ValueError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        fact = f"process {seat.rank} of {seat.size} did not meet the others: {why[:200]}"
        raise fail("NS608", fact) from error
    yield World(seat, PrefixStore("netspec", store))
    dist.destroy_process_group()
