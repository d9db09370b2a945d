"""Which sizes of the input a net takes.

In: the facts that rules left open. Out: sizes, progressions, what couples two axes. Must not know:
which layer a fact is from.
"""
