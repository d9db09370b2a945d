"""One file for each source of samples.

In: a path below an allowed folder. Out: samples by index, classes. Must not know: batches, epochs,
other sources.
"""
