"""A model as a static page that runs in a browser, with no request to any other host.

In: an exported model file, and the npm package onnxruntime-web. Out: a folder. Must not know: specs,
torch, how the model was made.
"""
