"""Sounds: files of them, and pieces of one length.

In: an open file, samples (C, t). Out: real numbers from -1 to 1, samples (C, T).
Must not know: folders, labels.
"""
