"""The folder of a run, and what goes on from it.

In: weights, state, metrics. Out: snapshots, log, record; all of it read back. Must not know: how a
step is made.
"""
