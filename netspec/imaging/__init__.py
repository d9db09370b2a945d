"""Encoded pictures become what a net takes, the same in training, prediction and a server.

In: the bytes of image files, the input contract. Out: arrays. Must not know: where files lie, torch,
the words of a net.
"""
