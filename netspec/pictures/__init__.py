"""Numbers become pictures: tiles, colours, charts, matrices, graphs, and one page of HTML that loads
nothing.

In: arrays and plain values. Out: pixels, PNG, SVG, HTML. Must not know: nets, runs, where the
numbers are from.
"""
