"""Rows that one test runs through: all of them run, and whatever fails is named."""

import pytest

from tests.each import Rows, run_rows


def test_every_row_runs_and_each_that_fails_is_named() -> None:
    ran: list[int] = []

    def check(row: int, other: str) -> None:
        ran.append(row)
        assert other == "o"
        assert row not in (2, 4), f"{row} is wrong"
        if row == 5:
            raise KeyError(row)
        if row == 6:
            pytest.fail("by hand")

    with pytest.raises(pytest.fail.Exception) as caught:
        run_rows(check, {"row": Rows([*range(9)], "r{}".format), "other": "o"})
    assert ran == list(range(9))
    assert "4 of 9 rows failed: r2, r4, r5, r6" in str(caught.value)
    assert all(
        word in str(caught.value) for word in ("r2: AssertionError: 2 is wrong", "r5: KeyError", "by hand")
    )


def test_rows_that_are_skipped_are_a_skip_only_all_together() -> None:
    def check(row: int) -> None:
        if row:
            pytest.skip("not here")

    assert run_rows(check, {"row": Rows([0, 1], str)})
    with pytest.raises(pytest.skip.Exception, match="not here"):
        run_rows(check, {"row": Rows([1, 2], str)})
    assert not run_rows(check, {"row": 1})
