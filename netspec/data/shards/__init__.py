"""Samples packed into tar files.

In: names that count up, open files. Out: where each picture lies and what its label says.
Must not know: decoding, batches.
"""
