"""Pictures of what a net is and does: filters, maps, mistakes, what a unit answers to, each from a
spec, a run or a model.

In: a Subject, and what is asked. Out: a Seen of plain values and arrays, and the figures that show
it. Must not know: the command line, servers.
"""
