"""One function for each doubt about a net that is not wrong.

In: a view of its typed graphs and of the training. Out: warnings. Must not know: the name of any
layer type: traits are asked.
"""
