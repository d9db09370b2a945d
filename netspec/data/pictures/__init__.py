"""Image files: read, made alike, counted.

In: files and folders of pictures. Out: arrays of bytes, means, a survey.
Must not know: torch, the words of a net.
"""
