"""What a net would learn from, sample by sample, before it does.

In: opened sources. Out: an Inventory: counts, sizes, what cannot be read, what stands there twice.
Must not know: nets, training, how any of it is shown on a terminal.
"""
