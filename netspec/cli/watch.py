"""Waiting for a change of files: specs, and the YAML files that they may be made of. Comes in:
their paths; knows no spec.
"""

import os
import time
from collections.abc import Iterator

from netspec.allowed_paths import list_allowed

__all__ = ["Files"]

POLL = 0.02
"""Seconds between two looks at the files that are known."""
SEARCH = 0.1
"""Least number of seconds between two searches for new files; a search takes at most a tenth of the
time.
"""
SETTLING = 0.2
"""Seconds that an editor may take to write: a file that is gone or still changing is waited for."""
MOST_FILES = 5000
"""Files of any kind that are looked at in one folder: beyond that, folders further down are left
out.
"""

Stamp = tuple[int, int, int]
GONE = (0, 0, 0)


class Files:
    """The specs, and the YAML files beside or below them or in places that the command line allows:
    bases, imports.
    """

    def __init__(self, specs: tuple[str, ...]) -> None:
        self.specs = specs
        self.known: set[str] = set()
        self.next_search = 0.0
        self.seen = self.look()

    def look(self) -> dict[str, Stamp]:
        """What tells a file's states apart (time, size, number of its inode), by path; one that is
        gone has GONE.
        """
        now = time.monotonic()
        if now >= self.next_search:
            self.known = set(self.find())
            self.next_search = time.monotonic() + max(SEARCH, 10 * (time.monotonic() - now))
        return {path: stamp(path) for path in self.known}

    def find(self) -> Iterator[str]:
        yield from self.specs
        for start in {*(os.path.dirname(path) or "." for path in self.specs), *list_allowed()}:
            seen = 0
            for folder, folders, names in os.walk(start):
                seen += len(names) + len(folders)
                folders[:] = [name for name in folders if not name.startswith(".")]
                yield from (os.path.join(folder, name) for name in names if name.endswith((".yaml", ".yml")))
                if seen > MOST_FILES:
                    break

    def wait(self) -> None:
        """Return once a file has changed since the last wait, or since the start, and is
        written.
        """
        while (now := self.look()) == self.seen:
            time.sleep(POLL)
        until = time.monotonic() + SETTLING
        before, self.seen = self.seen, now
        while time.monotonic() < until:
            time.sleep(POLL)
            now = self.look()
            # an editor may take a file away before it puts the new one there
            gone = [path for path in self.specs if now[path] == GONE != before.get(path)]
            if now == self.seen and not gone:
                break
            self.seen = now


def stamp(path: str) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return GONE
    return found.st_mtime_ns, found.st_size, found.st_ino
