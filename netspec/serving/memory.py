"""How the C library keeps memory that was freed, where it is glibc; elsewhere nothing is done. Knows nothing
of requests.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

__all__ = ["give_back", "keep_little"]

# mallopt's numbers, see mallopt(3).
MMAP_THRESHOLD, ARENA_MAX = -3, -8
LARGE, ARENAS = 1 << 20, 2


@cache
def find_call(name: str) -> Callable[..., Any] | None:
    """A call of the C library, where it has it."""
    import ctypes

    with suppress(AttributeError, OSError, TypeError):
        found: Callable[..., Any] = getattr(ctypes.CDLL(None), name)
        return found
    return None


def keep_little() -> None:
    """From now on what has more than a MiB is taken from the system and given back to it as a whole. By
    itself glibc raises that bound to the largest that was ever freed, and bodies then lie among what stays.
    """
    set_option = find_call("mallopt")
    if set_option is not None and find_call("malloc_trim") is not None:  # others number options otherwise
        set_option(MMAP_THRESHOLD, LARGE)
        set_option(ARENA_MAX, ARENAS)


def give_back() -> None:
    trim = find_call("malloc_trim")
    if trim is not None:
        trim(0)
