"""What augmentations compute, on torch tensors.

In: samples, parameters, draws. Out: samples. Must not know: the words of a spec, types, registries.
"""
