"""NS418: files of training that are not where the spec says. Asks whether they are there; opens
none. NS432, NS433: words and changes that do nothing.
"""

import os
from collections.abc import Iterator

from netspec.allowed_paths import reachable
from netspec.analysis.lint.view import Found, Lint, View
from netspec.diagnostics.model import Diagnostic, Diagnostics
from netspec.record import as_written
from netspec.resolve.augmentations import entries_of, read_entry
from netspec.resolve.sections.train import SOURCES, DataSection
from netspec.syntax.located import Located, plain
from netspec.syntax.paths import find_zoo
from netspec.syntax.spec import Spec

__all__ = ["LEARNING", "absent"]

SECTIONS = ("data", "val_data", "test_data")
VARIABLE = "NETSPEC_DATA"
SOUNDS = ("audio", "table")
READERS = {
    **dict.fromkeys(("rate", "resample", "mono"), SOUNDS),
    **dict.fromkeys(("columns", "categories", "empty"), ("table",)),
    "standardise": ("csv", "table", "npz", "hdf5"),
    **dict.fromkeys(("masks", "colors", "ignore_color"), ("images",)),
    "alphabet": ("sequences",),
    "length": ("sequences", *SOUNDS),
    **dict.fromkeys(("window", "time_major", "streams"), ("text",)),
    "images": ("idx", "table", "coco", "voc"),
    "labels": ("idx", "sequences", "voc"),
}
"""Words that some sources read, and which; the others pass over them."""


def absent(view: View) -> Iterator[Found]:
    """A path of `train.data` or `train.test_data` that leads to nothing, each once; of specs that
    lie on the disk.
    """
    spec, told = view.resolved.spec, set[str]()
    section = spec.section("train")
    homes = homes_of(spec)
    if section is None or not homes:
        return
    from netspec.data.shards.braces import expand_names

    for item in paths(section):
        # braces may name thousands of shards: the first one stands for them
        first = next(expand_names(item.text), item.text)
        # beyond the allowed folders a spec does not even learn what exists
        places = [os.path.join(home, first) for home in homes if reachable(os.path.join(home, first), home)]
        if places and item.text not in told and not any(map(os.path.exists, places)):
            told.add(item.text)
            yield Found(
                None,
                Diagnostic(
                    "NS418",
                    item.text,
                    item.span,
                    "not there",
                    notes=(f"looked at {' and '.join(places)}",),
                ),
            )


def idle_words(view: View) -> Iterator[Found]:
    """NS432: a word of `train.data`, `val_data` or `test_data` that another source reads, not
    this one. What is written as it is by default says nothing, as in a spec that is written out.
    """
    train = view.resolved.spec.section("train")
    for name in SECTIONS if train is not None else ():
        section = train.get(name) if train is not None else None
        source = section.get("source") if section is not None else None
        if section is None or source is None or source.text not in SOURCES:
            continue
        for word, given in section.mapping.items():
            usual = as_written(DataSection.params[word].default) if word in READERS else None
            if word in READERS and source.text not in READERS[word] and plain(given) != usual:
                others = ", ".join(READERS[word])
                fact = f"source {source.text} reads no {word}, {others} would"
                yield Found(None, Diagnostic("NS432", fact, section.key_span(word)))


def homes_of(spec: Spec) -> list[str]:
    """The folders that relative paths count from: the spec's, and NETSPEC_DATA's. None for a text
    without a place.

    Data of the zoo's own specs are fetched or made by who trains them: they are asked for only
    where a folder for them is named.
    """
    data = os.environ.get(VARIABLE)
    if not os.path.isfile(spec.source.name):
        return []
    own = os.path.realpath(spec.folder)
    zoo = find_zoo()
    if not data and (own == zoo or own.startswith(zoo + os.sep)):
        return []
    return [spec.folder, *([data] if data else [])]


def paths(train: Located | None) -> Iterator[Located]:
    """Values that name files and folders which training reads."""
    for section in (train.get(name) for name in SECTIONS) if train is not None else ():
        source = section.get("source") if section is not None else None
        if section is None or source is None or source.text.startswith("python:"):
            continue
        transform = section.get("transform_param")
        own = (
            [section.get("path")]
            if section.get("path") is not None
            else [section.get("images"), section.get("labels")]
        )
        for item in (*own, transform.get("mean_file") if transform is not None else None):
            if item is not None and isinstance(item.value, str) and item.text and "\0" not in item.text:
                yield item


def still_changes(view: View) -> Iterator[Found]:
    """NS433: an entry of `train.augment` that leaves every sample as it is."""
    section = view.resolved.spec.section("train")
    for number, entry in enumerate(entries_of(section) if section is not None else ()):
        made = read_entry(entry, "train.augment", view.resolved.vocabulary, Diagnostics())
        still = [f"{each.type}, {why}" for each in made if (why := each.judge_still())]
        if not made and isinstance(entry.value, dict) and entry.get("type") is None:
            still = ["no change is named, every sample stays as it is"]
        for fact in still:
            yield Found(None, Diagnostic("NS433", f"augment[{number}]: {fact}", entry.span))


LEARNING: tuple[Lint, ...] = (absent, idle_words, still_changes)
