"""A net written down: Python that needs only torch, ONNX, prototxt, the complete spec.

In: a TypedGraph. Out: text, a ModelProto, and the module that running the text makes. Must not
know: how weights came to be.
"""
