"""Rows of values: columns, categories, empty cells, one scale for all numbers.

In: cells by column. Out: arrays by field, and what training fixes for other data.
Must not know: which file a cell is from, torch.
"""
