"""Text to Spec: YAML with a place for every value, variables, blocks and bases put in.

In: a Source. Out: a Spec: sections as located trees, layers one by one. Must not know: any layer
type, any size.
"""
