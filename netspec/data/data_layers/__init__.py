"""The files that layers name, Caffe's way.

In: a typed graph, the folders that are allowed. Out: sources, types of tops, readers and writers of a net's modules.
Must not know: batches, the loop.
"""
