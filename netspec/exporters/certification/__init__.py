"""What proves that a file computes what torch does.

In: a module, its graph, and the model file. Out: a Certificate. Must not know: how the file was
made.
"""
