"""Layer types from elsewhere: files that a spec names, and installed packages.

In: their names, and leave to run code. Out: a vocabulary in which they stand beside ours. Must not
know: any other section of a spec.
"""
