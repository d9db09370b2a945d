"""What a spec may weigh. A text within these bounds is read in bounded time and memory; the reader counts as it goes."""

__all__ = ["ALIAS_NODES", "BYTES", "DEPTH", "DIGITS", "NODES"]

BYTES = 64 * 1024 * 1024  # a file, and a text in characters
DEPTH = 64  # collections within collections, aliases expanded
NODES = 2_000_000  # values in one file: about 600 MB once read
ALIAS_NODES = 250_000  # values added by expanding aliases
DIGITS = 4_000  # of one number: Python refuses to convert more than 4,300
