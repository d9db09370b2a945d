"""`--update` rewrites recorded output: the rendered blocks of tests/diagnostics, the golden files of tests/golden."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", default=False, help="rewrite the recorded output of literate and golden tests")
