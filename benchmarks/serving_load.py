"""Clients for benchmarks/serving.py: in, a request as bytes and how it is sent; out, status and seconds of each answer.

A client that costs as much as the server would be measured in its place: `measure` builds serving_load.c where there is a C compiler,
else it has `drive`, one process with one epoll. Requests are sent by so many connections, each again as soon as it is answered, or at a
rate: then the time of an answer counts from the moment at which its request was due, and what the client itself was late is told apart.
"""

import http.client
import multiprocessing
import os
import random
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["Answers", "ask", "drive", "fetch", "find_client", "measure", "mix"]

LENGTH = b"content-length: "


class Answers(NamedTuple):
    """What came back: statuses and seconds, one for each request, and how long it all took. late: seconds that the client was late
    to send each; they are not among those of the answer."""

    statuses: np.ndarray
    seconds: np.ndarray
    span: float
    late: np.ndarray

    def rate(self, status: int = 200) -> float:
        return float((self.statuses == status).sum() / self.span)

    def percentile(self, q: float, status: int = 200) -> float:
        """Milliseconds below which `q` per cent of such answers came; NaN where there was none."""
        of = self.seconds[self.statuses == status]
        return float(np.percentile(of, q) * 1000) if len(of) else float("nan")

    def lateness(self, q: float) -> float:
        """Milliseconds below which the client was late for `q` per cent of its requests."""
        return float(np.percentile(self.late, q) * 1000)


@cache
def find_client() -> str | None:
    """The program of serving_load.c, built where there is a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    made = Path(tempfile.mkdtemp()) / "serving_load"
    subprocess.run(
        [compiler, "-O2", "-o", made, Path(__file__).with_name("serving_load.c"), "-lm"], check=True
    )
    return str(made)


def measure(
    port: int, request: bytes, connections: int, seconds: float, rate: float = 0.0, drawn: bool = False, patient: bool = True,
    apart: bool = False,
) -> Answers:  # fmt: skip
    """Send a request for so long: by the program, or as `drive` does, evenly then. rate: so many a second; 0: as fast as they are
    answered. drawn: at moments as independent clients have them. apart: from one core, so that the system does not put the client
    where the server's loop is, while another core is idle."""
    program = find_client()
    if program is None:
        return ask(drive, port, [request], connections, seconds, rate or None, patient)
    words = (program, port, connections, seconds, rate, int(drawn), int(patient))
    cores = {max(os.sched_getaffinity(0))} if apart else os.sched_getaffinity(0)
    told = subprocess.run(
        list(map(str, words)), input=request, stdout=subprocess.PIPE, check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    ).stdout  # fmt: skip
    took, late, statuses = np.frombuffer(told, np.float64).reshape(-1, 3).T
    return Answers(statuses.astype(int), took, seconds, late)


class Line:
    """One connection: what is due on it, since when, and what came back so far."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = self.freed = self.late = 0.0
        self.came = b""

    def send(self, request: bytes, due: float) -> None:
        self.due = due
        self.late = max(0.0, time.perf_counter() - max(due, self.freed))
        self.socket.sendall(request)

    def read(self) -> int:
        """The status of an answer that is whole; 0 where more is to come, -1 where the server hung up."""
        came = self.socket.recv(1 << 18)
        if not came:
            return -1
        self.came += came
        end = self.came.find(b"\r\n\r\n")
        if end < 0:
            return 0
        at = self.came.find(LENGTH, 0, end) + len(LENGTH)
        if len(self.came) < end + 4 + int(self.came[at : self.came.index(b"\r", at)]):
            return 0
        status = int(self.came[9:12])
        self.came = b""
        return status


def drive(
    port: int,
    requests: Sequence[bytes],
    connections: int,
    seconds: float,
    rate: float | None = None,
    patient: bool = True,
) -> Answers:
    """Send requests in turn for so long. rate: so many a second, as far as connections are free; patient: one that found none
    has waited all the same.
    """
    poll, lines = select.epoll(), dict[int, Line]()

    def open_line() -> Line:
        line = Line(port)
        lines[line.socket.fileno()] = line
        poll.register(line.socket, select.EPOLLIN)
        return line

    free = deque(open_line() for _ in range(connections))
    told: list[tuple[int, float, float]] = []
    begun = time.perf_counter()
    sent, end = 0, begun + seconds
    while (now := time.perf_counter()) < end or len(free) < connections:
        while free and now < end and (rate is None or begun + sent / rate <= now):
            due = begun + sent / rate if rate and patient else time.perf_counter()
            free.popleft().send(requests[sent % len(requests)], due)
            sent += 1
        if now > end + 60:
            raise TimeoutError("answers are missing a minute after the last request")
        for number, _ in poll.poll(0.0005 if rate else 0.1):
            line = lines[number]
            status = line.read()
            if status:
                now = time.perf_counter()
                told.append((status, now - line.due - line.late, line.late))
                if status < 0:
                    poll.unregister(number)
                    line = open_line()
                line.freed = now
                free.append(line)
    statuses, took, late = map(np.array, zip(*told, strict=True))
    return Answers(statuses, took, seconds, late)


def ask(work: Callable[..., Answers], *arguments: object, **words: object) -> Answers:
    """The same in a process of its own, beside the server's."""
    ear, mouth = multiprocessing.Pipe(duplex=False)

    def run() -> None:
        mouth.send(work(*arguments, **words))

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    mouth.close()
    try:
        found: Answers = ear.recv()
    finally:
        process.join()
    return found


def mix(port: int, requests: Sequence[bytes], seconds: float, rate: float) -> Answers:
    """For so long one after the other, drawn anew each time: one in eight hangs up before it is answered, one in eight at a
    byte within the request.
    """
    draw, line, told = random.Random(7), Line(port), list[tuple[int, float]]()
    end, gap = time.perf_counter() + seconds, 1 / rate
    while (now := time.perf_counter()) < end:
        request, fate = draw.choice(requests), draw.randrange(8)
        try:
            if fate < 2:
                line.send(request[: len(request) if fate else draw.randrange(len(request))], now)
                status = -1
            else:
                line.send(request, now)
                while not (status := line.read()):
                    pass
        except OSError:  # refused, and closed before all was read
            status = -1
        told.append((status, time.perf_counter() - now))
        if status < 0:
            line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", fate & 1, 0))
            line.socket.close()
            line.connect()
        time.sleep(max(0.0, gap - (time.perf_counter() - now)))
    statuses, took = map(np.array, zip(*told, strict=True))
    return Answers(statuses, took, seconds, np.zeros(len(took)))


def fetch(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path)
    return connection.getresponse().read().decode()
