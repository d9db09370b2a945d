"""Layers that repeat become blocks.

In: a flat list of layers. Out: blocks, their uses, and the text. Must not know: what a layer
computes.
"""
