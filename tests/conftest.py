"""`pytest tests/diagnostics --update` rewrites the rendered blocks of the Markdown pages, `pytest tests/golden --update` the golden files."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", default=False, help="rewrite the recorded output of literate and golden tests")
