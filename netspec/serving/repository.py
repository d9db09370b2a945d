"""The models of a server: name -> versions -> entry, each a loaded model with its queue and its
statistics. Knows no HTTP.
"""

from collections.abc import Iterator
from pathlib import Path

from netspec.serving.batcher import Batcher, Batching
from netspec.serving.engine import Model
from netspec.serving.statistics import Statistics
from netspec.serving.tensors import RequestError

__all__ = ["Entry", "Repository"]


class Entry:
    """One version of a model, loaded."""

    def __init__(self, name: str, version: str, model: Model, batching: Batching, path: Path | None = None):
        self.name = name
        self.version = version
        self.model = model
        self.path = path
        self.batching = batching
        self.statistics = Statistics()
        self.batcher = Batcher(model, batching, self.statistics.count_run)


class Repository:
    """Which models there are, and which of them answers a request."""

    def __init__(self) -> None:
        self.models: dict[str, dict[str, Entry]] = {}

    def add(self, entry: Entry) -> None:
        self.models.setdefault(entry.name, {})[entry.version] = entry

    def entries(self) -> Iterator[Entry]:
        for versions in self.models.values():
            yield from versions.values()

    def find(self, name: str, version: str | None = None) -> Entry:
        """The entry of a version, without one the newest. Raises RequestError (404)."""
        versions = self.models.get(name)
        if not versions:
            have = ", ".join(map(repr, self.models)) or "none"
            raise RequestError(f"unknown model {name!r}: this server has {have}", 404)
        if version is None:
            return versions[max(versions, key=int)]
        if version not in versions:
            have = ", ".join(map(repr, versions))
            raise RequestError(f"unknown version {version!r} of model {name!r}: it has {have}", 404)
        return versions[version]

    def start(self) -> None:
        for entry in self.entries():
            entry.batcher.start()

    async def stop(self) -> None:
        for entry in self.entries():
            await entry.batcher.stop()
