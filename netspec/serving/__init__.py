"""A model file behind HTTP.

In: an ONNX file, requests. Out: answers of the Open Inference Protocol. Must not know: torch,
specs, training.
"""
