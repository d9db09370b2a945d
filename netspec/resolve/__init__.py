"""The words of a spec understood: sections and layers typed, names wired into the graph of a phase.

In: a Spec. Out: a Resolved, then a Graph. Must not know: YAML's syntax, sizes.
"""
