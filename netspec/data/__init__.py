"""What a spec may read: named sources, pictures, tables, stores; below the driver, so that `check`
may ask for types of files.

In: the words of a source, and the folders that are allowed. Out: samples as arrays, the types of
their fields. Must not know: weights, the loop.
"""
