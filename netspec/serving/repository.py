"""The models of a server: name -> versions -> entry, each a loaded model with its queue and its
statistics. In: where the files lie; out: the entry that answers a request. Knows no HTTP.

A folder is laid out as Triton's: NAME/VERSION/model.onnx, or model.ort where there is none. A file that
was replaced is checked, loaded and tried before it takes the place of the one that answers; what was
asked of that one, it answers.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from netspec.diagnostics import SpecError, fail
from netspec.diagnostics.snippet import clean
from netspec.serving.batcher import Batcher, Batching
from netspec.serving.engine import Model
from netspec.serving.statistics import Statistics
from netspec.serving.tensors import NUMPY_TYPES, RequestError

__all__ = ["Asked", "Entry", "Files", "Repository", "find_files", "warm_up"]

MODELS = ("model.onnx", "model.ort")
Files = Mapping[str, Mapping[str, Path]]
Stamp = tuple[int, int, int]


class Entry:
    """One version of a model, loaded. A new file of the same version goes on with its statistics."""

    def __init__(
        self, name: str, version: str, model: Model, batching: Batching, statistics: Statistics | None = None
    ) -> None:
        self.name = name
        self.version = version
        self.model = model
        self.batching = batching
        self.statistics = statistics or Statistics()
        self.batcher = Batcher(model, batching, self.statistics.count_run)
        self.asked = 0  # requests that hold this entry

    async def retire(self) -> None:
        """End once nobody holds it any more."""
        while self.asked:
            await asyncio.sleep(0.02)
        await self.batcher.stop()


class Asked:
    """A request that holds an entry, counted by how it ends: a context."""

    __slots__ = ("begun", "entry")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def __enter__(self) -> None:
        self.begun = time.perf_counter()
        self.entry.asked += 1
        self.entry.statistics.in_progress += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self.entry.asked -= 1
        self.entry.statistics.in_progress -= 1
        self.entry.statistics.count_answer(status_of(error), time.perf_counter() - self.begun)


def status_of(error: BaseException | None) -> int:
    if error is None:
        return 200
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, Exception):
        return 500
    return 499  # the client went away


class State(NamedTuple):
    """What the index tells of a version: a word of the protocol, and why."""

    word: str
    reason: str = ""


class Repository:
    """Which models there are, and which of them answers. `files` finds what could be loaded, `open`
    loads one file, in a thread. Without them the models are those that were added.
    """

    def __init__(
        self, files: Callable[[], Files] = dict, open_file: Callable[[Path], Model] | None = None,
        batching: Batching | None = None,
    ) -> None:  # fmt: skip
        self.files = files
        self.open_file = open_file
        self.batching = batching
        self.models: dict[str, dict[str, Entry]] = {}
        self.states: dict[tuple[str, str], State] = {}
        self.stamps: dict[tuple[str, str], Stamp] = {}
        self.leaving: set[asyncio.Task[None]] = set()
        self.changing = asyncio.Lock()
        self.started = False

    def add(self, entry: Entry) -> None:
        """Answer with this entry from now on; the one in its place ends when it has answered."""
        before = self.models.setdefault(entry.name, {}).get(entry.version)
        self.models[entry.name][entry.version] = entry
        self.states[entry.name, entry.version] = State("READY")
        if self.started:
            entry.batcher.start()
        if before is not None:
            self.retire(before)

    def retire(self, entry: Entry) -> None:
        task = asyncio.get_running_loop().create_task(entry.retire())
        self.leaving.add(task)
        task.add_done_callback(self.leaving.discard)

    def entries(self) -> Iterator[Entry]:
        for versions in self.models.values():
            yield from versions.values()

    def find(self, name: str, version: str | None = None) -> Entry:
        """The entry of a version, without one the newest. Raises RequestError (404)."""
        versions = self.models.get(name)
        if not versions:
            have = ", ".join(map(repr, filter(self.models.get, self.models))) or "none"
            raise RequestError(f"unknown model {name!r}: this server has {have}", 404)
        if version is None:
            return versions[max(versions, key=int)]
        if version not in versions:
            have = ", ".join(map(repr, versions))
            raise RequestError(f"unknown version {version!r} of model {name!r}: it has {have}", 404)
        return versions[version]

    def index(self) -> list[dict[str, str]]:
        """Every version that is loaded, was, or could be."""
        found = {(name, version): State("UNAVAILABLE") for name, of in self.files().items() for version in of}
        return [
            {"name": name, "version": version, "state": state.word, "reason": state.reason}
            for (name, version), state in sorted((found | self.states).items())
        ]

    @property
    def sound(self) -> bool:
        """Whether there is a model, and each can run."""
        return any(self.models.values()) and all(entry.batcher.alive for entry in self.entries())

    def load_all(self) -> None:
        """Before the loop answers. Raises SpecError of the first file that will not do."""
        for name, versions in self.files().items():
            for version, path in versions.items():
                self.stamps[name, version] = read_stamp(path)
                self.add(self.make(name, version, path))

    def make(self, name: str, version: str, path: Path) -> Entry:
        assert self.open_file is not None
        assert self.batching is not None
        before = self.models.get(name, {}).get(version)
        model = self.open_file(path)
        warm_up(model)
        return Entry(name, version, model, self.batching, before.statistics if before else None)

    async def load(self, name: str, again: bool = True) -> None:
        """Load the files of a model that are not loaded as they are now, and drop the versions that
        have none; again: also those that could not be loaded before. Raises RequestError.
        """
        async with self.changing:
            try:
                files = self.files().get(name)
            except SpecError:  # a folder that has become empty
                files = None
            if not files:
                raise RequestError(f"there is no file of a model {name!r}", 404)
            for version in set(self.models.get(name, {})) - set(files):
                self.drop(name, version)
            wrong = [await self.load_version(name, *each, again) for each in files.items()]
        if any(wrong):
            raise RequestError("; ".join(filter(None, wrong)))

    async def load_version(self, name: str, version: str, path: Path, again: bool) -> str:
        """Why it could not be loaded, or nothing. What answered before goes on then."""
        key, stamp = (name, version), read_stamp(path)
        known = self.stamps.get(key) == stamp
        if known and (version in self.models.get(name, {}) or not again):
            return ""
        self.stamps[key] = stamp
        try:
            entry = await asyncio.to_thread(self.make, name, version, path)
        except (SpecError, RequestError) as error:
            why = f"{name} {version}: {str(error).splitlines()[0]}"
            loaded = version in self.models.get(name, {})
            self.states[key] = State("READY" if loaded else "UNAVAILABLE", why)
            return why
        self.add(entry)
        return ""

    async def unload(self, name: str) -> None:
        """Raises RequestError (404)."""
        self.find(name)
        async with self.changing:
            for version in tuple(self.models[name]):
                self.drop(name, version)

    def drop(self, name: str, version: str) -> None:
        self.retire(self.models[name].pop(version))
        self.stamps.pop((name, version), None)
        self.states[name, version] = State("UNAVAILABLE", "unloaded")

    async def watch(self, seconds: float) -> None:
        """Look again and again whether a loaded model has another file or version."""
        while True:
            await asyncio.sleep(seconds)
            for name in tuple(self.models):
                if self.models[name]:
                    try:
                        await self.load(name, again=False)
                    except RequestError as error:
                        print(f"netspec serve: not reloaded: {clean(str(error))}", flush=True)

    def start(self) -> None:
        self.started = True
        for entry in self.entries():
            entry.batcher.start()

    async def stop(self) -> None:
        await asyncio.gather(*self.leaving)
        for entry in self.entries():
            await entry.batcher.stop()


def find_files(root: Path) -> dict[str, dict[str, Path]]:
    """The model files of a folder in Triton's layout; of a version with both, the ONNX file. Raises SpecError NS730 where there is none."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(path for model in MODELS for path in root.glob(f"*/*/{model}")):
        name, version = path.parts[-3], path.parts[-2]
        if version in found.get(name, ()):
            continue
        if version.isascii() and version.isdigit() and int(version) > 0 and str(int(version)) == version:
            found.setdefault(name, {})[version] = path
    if not found:
        raise fail("NS730", f"no NAME/1/{MODELS[0]} lies in it", path=str(root))
    return found


def read_stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)


WARMED = 1 << 26
"""Numbers that a first run may read: sizes in a stranger's file may be any."""


def warm_up(model: Model) -> None:
    """Run once on zeros, so that the first client does not wait for what onnxruntime puts off. Raises
    RequestError where all sizes but the batch are given and it cannot run: it would fail for all. A
    model whose file asks for more than WARMED numbers waits for a client that has them.
    """
    import numpy as np

    shapes = {t.name: [n if isinstance(n, int) else 1 for n in t.shape] for t in model.inputs}
    if any(t.datatype == "BYTES" for t in model.inputs) or sum(map(prod, shapes.values())) > WARMED:
        return
    feed: dict[str, Any] = {t.name: np.zeros(shapes[t.name], NUMPY_TYPES[t.datatype]) for t in model.inputs}
    settled = all(isinstance(n, int) for t in model.inputs for n in t.shape[1 if model.batch else 0 :])
    try:
        for each in filter(None, (model, model.alone)):
            each.run(feed, [t.name for t in model.outputs])
    except RequestError:
        if settled:
            raise
