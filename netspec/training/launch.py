"""Several processes of one training, by torchrun's own launcher. In: the words of the command; out:
its exit code, when all processes have ended.
"""

import logging
import os
import signal
from collections.abc import Sequence
from typing import Any

from netspec.diagnostics import fail
from netspec.training.interrupt import exit_code_of

__all__ = ["LAUNCHED", "LEFT", "launch"]

LAUNCHED = "NETSPEC_LAUNCHED"
"""Set for processes whose end the launcher tells of."""
LEFT = 3
"""The exit code of a process that ends because another has; nobody outside sees it."""


def launch(words: Sequence[str], processes: int, restarts: int = 0) -> int:
    """Run `netspec WORDS` in so many processes on this machine; after a process has ended badly,
    all are ended, and up to `restarts` times started anew.

    NS606: a process was killed. Raises SystemExit with the signal's code where one asked to stop.
    """
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    threads = max(1, (os.cpu_count() or 1) // processes)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    os.environ[LAUNCHED] = "1"
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    options = ["--standalone", f"--nproc-per-node={processes}", f"--max-restarts={restarts}"]
    try:
        arguments = torchrun.parse_args([*options, "--module", "--", "netspec", *words])  # type: ignore[no-untyped-call]
        torchrun.run(arguments)  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        return tell(error.failures, processes)
    except SignalException as stopped:
        return exit_code_of(int(stopped.sigval))
    return 0


def tell(failures: Any, processes: int) -> int:
    """The exit code of the processes. What made one end is told by itself, and the others, which
    the launcher then ends, are not worth a word; one that was killed cannot tell.
    """
    codes = {rank: failure.exitcode for rank, failure in failures.items()}
    told = [code for code in codes.values() if code > 0 and code != LEFT]
    killed = {rank: -code for rank, code in codes.items() if code < 0}
    ended = {rank: number for rank, number in killed.items() if number != signal.SIGTERM or not told}
    if not ended:
        return max(told, default=1)
    rank, number = next(iter(ended.items()))
    fact = f"process {rank} of {processes} was ended by {signal.Signals(number).name}"
    raise fail("NS606", fact, notes=("the last snapshot is whole: --resume goes on from it",))
