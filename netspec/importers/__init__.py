"""Files of Caffe become specs.

In: prototxt, caffemodel, Caffe's HDF5. Out: YAML, weights by the spec's names, findings. Must not
know: training, torch, ONNX.
"""
