"""The net as a graph of layers and values, and sizes that remember their arithmetic. The abstract
layer stands here.

In: what `resolve` wires. Out: Graph, TypedGraph, Dim, TensorType, Layer. Must not know: YAML, any
particular layer type.
"""
