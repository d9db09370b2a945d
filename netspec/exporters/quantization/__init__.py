"""A model file made smaller, and what that costs.

In: a float model file, real samples, and what a spec demands. Out: the smaller file, and how it
compares with the float one on real samples. Must not know: commands, how the float file was made.
"""
