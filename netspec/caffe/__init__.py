"""Facts of Caffe's file formats.

In: bytes and text of its files. Out: messages, blobs. Must not know: any layer type, any spec.
"""
