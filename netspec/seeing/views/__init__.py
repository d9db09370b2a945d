"""One file a view: `see` computes values and arrays, `draw` makes figures of these alone.

In: a Subject, and what is asked. Out: a Seen, figures. Must not know: files, the command line,
other views.
"""
