"""`--update` rewrites recorded output: the rendered blocks of tests/diagnostics, the golden files of tests/golden.

One thread for each process: as many as there are cores, times as many processes, wait for one another most of the time. Set before torch is
imported, and inherited by the processes that tests start. In CI the examples of hypothesis are the same every time. The garbage collector
runs as seldom as in the command, and leaves alone the thousands of objects that are the tests themselves.
"""

import gc
import os

import pytest
from hypothesis import settings

for library in ("OMP", "MKL", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

settings.register_profile("netspec-ci", derandomize=True, database=None, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("netspec-ci")

gc.set_threshold(50_000, 20, 20)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update",
        action="store_true",
        default=False,
        help="rewrite the recorded output of literate and golden tests",
    )
