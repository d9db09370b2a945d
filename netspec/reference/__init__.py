"""Pages made from definitions: the language, a layer type, a net of the zoo, the Python API, these
rooms.

In: records, layer classes, docstrings. Out: Markdown, or text for a terminal. Must not know: any
command; it runs no net.
"""
