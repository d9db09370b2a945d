"""What looks on at a training and steps in: it ends it early, averages its weights, lowers its
rate.

In: updates and tests as they happen. Out: reasons to end, other weights for a test, state for the
snapshot. Must not know: data, files, the net.
"""
