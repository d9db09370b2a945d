"""What an exported model does to a row of a table before its net: fills, categories, one scale. In:
the facts that training data have fixed; out: Rows, and their arithmetic in numpy.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from netspec.data.source import Array
from netspec.data.tables.columns import Column, columns_of

__all__ = ["RAW", "Rows", "as_raw", "rows_of_facts"]

RAW = "raw"
"""The word among facts that asks sources for rows as a model takes them."""


class Rows(NamedTuple):
    """columns: of a row, in order, a number each: of a category its number among those known, of an
    empty cell NaN. Empty where rows are numbers without names. mean, std: of what is made of them;
    empty where nothing is standardised.
    """

    columns: tuple[Column, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return len(self.columns) or len(self.mean)

    @property
    def made(self) -> int:
        """Numbers that the net gets of a row."""
        if not self.columns:
            return len(self.mean)
        return sum(len(each.categories) if each.form == "one_hot" else 1 for each in self.columns)

    @property
    def fills(self) -> tuple[float | None, ...]:
        """What an empty cell counts as, by column."""
        return tuple(each.fill if each.form == "number" else None for each in self.columns)

    @property
    def plain(self) -> bool:
        """Whether a row is left as it is until it is standardised."""
        return not any(each.form == "one_hot" or each.fill is not None for each in self.columns)

    def stages(self, raw: Array) -> dict[str, Array]:
        """What becomes of rows (n, width), step by step, float32; the scale in float64, as training
        has it. Written a second time beside emit/onnx_rows.py.
        """
        found = {"raw": raw, "cells": raw if self.plain else self.encode(raw)}
        if self.mean:
            made = (found["cells"].astype(np.float64) - np.array(self.mean)) / np.array(self.std)
            found["std"] = made.astype(np.float32)
        return found

    def encode(self, raw: Array) -> Array:
        """Rows with fills, and a 1 for each category."""
        parts = []
        for column, values in zip(self.columns, raw.T, strict=True):
            if column.form == "one_hot":
                parts.append((values[:, None] == np.arange(len(column.categories))).astype(np.float32))
            elif column.fill is not None:
                parts.append(np.where(np.isnan(values), np.float32(column.fill), values)[:, None])
            else:
                parts.append(values[:, None])
        return np.concatenate(parts, 1).astype(np.float32)

    def draw(self, normal: Array) -> Array:
        """Rows as a table may have them, of as many standard normal numbers: some cells empty, some
        categories unknown.
        """
        mean, std = np.zeros(self.made), np.ones(self.made)
        if self.mean:
            mean, std = np.array(self.mean), np.array(self.std)
        if not self.columns:
            return (mean + std * normal).astype(np.float32)
        made, at = np.array(normal, np.float64), 0
        for i, column in enumerate(self.columns):
            share = np.abs(normal[:, i] * 997) % 1
            if column.form == "one_hot":
                made[:, i] = np.floor(share * (len(column.categories) + 1))
                at += len(column.categories)
                continue
            made[:, i] = mean[at] + std[at] * normal[:, i]
            if column.fill is not None:
                made[share < EMPTY, i] = np.nan
            at += 1
        return made.astype(np.float32)


EMPTY = 0.2
"""Cells that are empty among those drawn, where they may be."""


def rows_of_facts(facts: Mapping[str, Any]) -> Rows | None:
    """The rows of a model whose training data have fixed such facts; None where nothing is to be
    done to them.
    """
    columns = tuple(each for each in columns_of(facts) if each.form != "index")
    rows = Rows(columns, tuple(facts.get("mean", ())), tuple(facts.get("std", ())))
    if rows.plain and not rows.mean:
        return None
    if rows.mean and not len(rows.mean) == len(rows.std) == rows.made:
        return None
    return rows


def as_raw(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts by which sources give rows as a model takes them."""
    return {word: value for word, value in facts.items() if word not in ("mean", "std")} | {RAW: True}
