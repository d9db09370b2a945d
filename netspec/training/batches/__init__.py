"""From samples to batches, each a function of seed and place.

In: sources, feeds, fills. Out: tensors by input. Must not know: losses, weights.
"""
