"""`--update` rewrites recorded output: the rendered blocks of tests/diagnostics, the golden files of tests/golden.

One thread for each process: as many as there are cores, times as many processes, wait for one another most of the time. Set before torch is
imported, and inherited by the processes that tests start. The examples of hypothesis are the same every time, but with
`--hypothesis-profile explore`. The garbage collector runs as seldom as in the
command, and leaves alone the thousands of objects that are the tests themselves.
"""

import gc
import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

import netspec.pictures.png
import tests.children  # noqa: F401, nothing waits for the disk
from tests.each import run_rows, spread

HERE = os.getcwd()

for library in ("OMP", "MKL", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

netspec.pictures.png.EFFORT = 1  # hundreds of tests end a training, which draws its curves

settings.register_profile(
    "same",
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # it goes by the clock, which a loaded machine fails
)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("same")

gc.set_threshold(50_000, 20, 20)


def pytest_collection_finish() -> None:
    seed_no_absent_devices()
    gc.collect()
    gc.freeze()


def seed_no_absent_devices() -> None:
    """Until a device is first used, torch writes down the whole stack of every call that seeds it: milliseconds each."""
    if (torch := sys.modules.get("torch")) is not None:
        for device in (torch.cuda, torch.xpu, torch.mtia):
            if not device.is_available():
                device.manual_seed_all = lambda seed: None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    spread(metafunc)


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """True ends the call: the rows have run."""
    names = pyfuncitem._fixtureinfo.argnames
    return run_rows(pyfuncitem.obj, {name: pyfuncitem.funcargs[name] for name in names}) or None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """A test that leaves the process elsewhere fails itself, and not one that comes later."""
    yield
    if (left := os.getcwd()) != HERE:
        os.chdir(HERE)
        pytest.fail(f"the working folder was left at {left}", pytrace=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update",
        action="store_true",
        default=False,
        help="rewrite the recorded output of literate and golden tests",
    )
