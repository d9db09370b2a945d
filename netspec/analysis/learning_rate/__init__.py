"""The learning rate of the whole training, before it begins.

In: the words of the solver. Out: rates by iteration, findings. Must not know: torch, data, the net.
"""
