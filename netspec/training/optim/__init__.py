"""Caffe's solvers and their rules.

In: gradients, iteration, the words of the solver. Out: updated weights. Must not know: data,
layers.
"""
