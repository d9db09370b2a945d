"""One Record for each section of a spec.

In: mappings. Out: typed values with defaults. Must not know: other sections.
"""
