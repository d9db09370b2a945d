"""`pytest tests/diagnostics --update` rewrites the rendered blocks of the Markdown pages."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", default=False, help="rewrite the recorded output of literate tests")
