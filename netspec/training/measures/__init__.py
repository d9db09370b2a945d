"""How good a net is, class by class and number by number, beside the means of its losses.

In: a test net, its batches as they pass. Out: plain data for a table, JSON and CSV. Must not know:
the command line, any layer by its name.
"""
