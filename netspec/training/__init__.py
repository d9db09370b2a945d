"""A training carried out: batches, steps, tests, snapshots.

In: a Program that says how, and its data. Out: a run's folder: weights, log, metrics. Must not
know: commands, ONNX, servers.
"""
