"""Pages made from definitions: the language, a layer type, a net of the zoo. Knows no command and
runs no net.
"""
