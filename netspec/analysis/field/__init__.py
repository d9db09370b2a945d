"""What an output reads of the input, from what each layer says it reads.

In: a TypedGraph. Out: receptive fields, causality, equivariance. Must not know: what any layer
computes.
"""
