"""Layers that run as one: what a net computes in fewer passes over its values, the layers' names
and weights left as they are.

In: a TypedGraph. Out: Fusions, which the emitters write in place of their layers. Must not know:
Python's text, ONNX's messages, how weights came to be.
"""
