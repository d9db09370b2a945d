"""A first spec for somebody's own data: a small net that fits them, how they are read, how it is trained.

In: a path. Out: YAML, with comments that say why. Must not know: the command line.
"""
