"""Holds Python's garbage collector still while much is built that stays: it would go over hundreds
of thousands of objects in vain.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["no_collection"]


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
