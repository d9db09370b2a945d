"""What several families share: rules of windows, shapes, words of parameters.

In: parameters and sizes. Out: sizes. Must not know: any layer type of its own.
"""
