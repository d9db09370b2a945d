"""Holds Python's garbage collector still while much is built that stays: it would go over hundreds
of thousands of objects in vain.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["at_the_end", "no_collection"]


@contextmanager
def no_collection() -> Iterator[None]:
    """Without collection inside; as it was before afterwards. Also a decorator:
    `@no_collection()`.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # calls nest: the outermost one turns it on again
        if collecting:
            gc.enable()


@contextmanager
def at_the_end() -> Iterator[None]:
    """Without collection inside, for the last work of a process: what is there afterwards counts as
    old, and the next collection, which would be in vain, does not go over it.
    """
    with no_collection():
        yield
        # others' frozen objects would be thawed
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
