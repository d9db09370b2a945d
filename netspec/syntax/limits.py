"""What a spec may weigh. A text within these bounds is read in bounded time and memory; the reader
counts as it goes.
"""

__all__ = ["ALIAS_NODES", "BYTES", "DEPTH", "DIGITS", "LOOK_AHEAD", "NODES"]

BYTES = 64 * 1024 * 1024  # of a file; of a text, characters
DEPTH = 64  # collections within collections, aliases expanded
NODES = 2_000_000  # values in one file: about 600 MB once read
ALIAS_NODES = 250_000  # values added by expanding aliases
DIGITS = 250  # of an integer, so that it still converts to a float, in base 16 too
LOOK_AHEAD = (
    4096  # characters that a parser may have read beyond its last event: 1,024 for a key, and the token there
)
