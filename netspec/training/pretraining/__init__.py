"""Layers that learn one after the other to draw what they read, before the net learns as a whole.

In: a net, batches of its training, the section `pretrain`. Out: the same tensors with other values,
and how well each layer draws. Must not know: labels, losses, files.
"""
