"""What the recipes of a training ask for and do not find. In: a resolved spec; out: NS600, NS611,
NS617, NS639, in `check` and before `train` begins.
"""

from collections.abc import Iterator

from netspec.analysis.learning_rate.courses import courses
from netspec.diagnostics.model import Diagnostic, write_nearest
from netspec.diagnostics.suggest import nearest
from netspec.resolve.resolve import Resolved
from netspec.resolve.sections.train import DataSection, TrainSection
from netspec.source import Span
from netspec.syntax.located import Located, plain

__all__ = ["recipe_faults"]

METHODS = {"corruption": "autoencoder", "k": "rbm"}
"""Words of `pretrain` that one method alone heeds."""


def recipe_faults(resolved: Resolved) -> Iterator[Diagnostic]:
    """NS600 for each word that counts tests, where the training makes none; NS611 and NS617 for folds
    and samples that cannot be drawn.
    """
    train, section = resolved.file.train, resolved.spec.section("train")
    if train is None or section is None:
        return
    yield from draw_faults(train, section)
    yield from pretrain_faults(resolved, train, section)
    why = no_tests(resolved, train)
    if not why:
        return
    for word, place in dict.fromkeys(find_counting(resolved, train, section)):
        yield Diagnostic("NS600", f"{word} counts tests: {why}", place)


def find_counting(
    resolved: Resolved, train: TrainSection, section: Located
) -> Iterator[tuple[str, Span | None]]:
    """The words that count tests, as they are called and where they stand."""
    if train.stop is not None:
        yield "train.stop", section.mapping["stop"].span
    for course in courses(resolved, None):
        if course.words.lr_policy == "plateau":
            yield "lr_policy plateau", course.place("lr_policy")


def no_tests(resolved: Resolved, train: TrainSection) -> str:
    """Why no test is made while the net is trained; "" where there are tests."""
    own = any("data" in draft.layer.traits for draft in resolved.drafts.values())
    if train.val_data is None and train.test_data is None and not own:
        return "give val_data, or test_data, and test_interval"
    if not train.solver.test_interval:
        return "test_interval must be at least 1, it is not given"
    return ""


def draw_faults(train: TrainSection, section: Located) -> Iterator[Diagnostic]:
    """NS611, at the word."""
    split = train.split
    if split is not None and split.folds is not None:
        fact, notes = "", tuple[str, ...]()
        if split.fold > split.folds:
            fact = f"fold must be at most folds: {split.fold} of {split.folds}"
        elif split.val:
            fact = "val_data is one of the folds: a share of its own, val, does not go with them"
        elif train.val_data is None:
            fact = "the folds are measured as val_data, and there is none"
            notes = tuple(show_val_data(train.data))
        if fact:
            word = "fold" if split.fold > split.folds else "folds"
            yield Diagnostic("NS611", fact, section.mapping["split"].key_span(word), notes=notes)
    for word in ("val_data", "test_data"):
        data = getattr(train, word)
        if data is not None and data.bootstrap is not None:
            fact = f"bootstrap draws training samples: it belongs to data, not to {word}"
            yield Diagnostic("NS611", fact, section.mapping[word].key_span("bootstrap"))
    yield from weight_faults(train, section)
    if train.data is not None and train.data.bootstrap is not None and train.data.streams:
        fact = "bootstrap draws single samples, streams keep the order of the text"
        yield Diagnostic("NS611", fact, section.mapping["data"].key_span("bootstrap"))


def show_val_data(data: DataSection | None) -> Iterator[str]:
    """What to write so that folds of the training data are measured."""
    if data is not None:
        path = f", path: {data.path}" if data.path else ""
        yield f"write below train: val_data: {{source: {data.source}{path}}}, of which each fold is a part"


def weight_faults(train: TrainSection, section: Located) -> Iterator[Diagnostic]:
    """NS617 where samples have weights and something else says in what order they come."""
    for word in ("val_data", "test_data"):
        data = getattr(train, word)
        if data is not None and data.sample_weights is not None:
            fact = f"sample_weights draw training samples: they belong to data, not to {word}"
            yield Diagnostic("NS617", fact, section.mapping[word].key_span("sample_weights"))
    data = train.data
    if data is None or data.sample_weights is None:
        return
    others = {
        "bootstrap": data.bootstrap is not None,
        "balance": data.balance,
        "streams": data.streams,
        "shuffle: false": data.shuffle is False,
    }
    for word in (word for word, there in others.items() if there):
        fact = f"sample_weights draw the samples, and so would {word}: give one of them"
        if word in ("streams", "shuffle: false"):
            fact = f"sample_weights draw single samples, {word} keeps their order"
        yield Diagnostic("NS617", fact, section.mapping["data"].key_span("sample_weights"))


def pretrain_faults(resolved: Resolved, train: TrainSection, section: Located) -> Iterator[Diagnostic]:
    """NS639 for each layer to pre-train that the net has not, or that is named twice, at its name; and for
    a word of the other method.
    """
    words = train.pretrain
    if words is None:
        return
    said = section.mapping["pretrain"]
    listed = said.mapping["layers"]
    places = {plain(each): each.span for each in listed.items}
    names = [entry.name for entry in resolved.drafts]
    for i, name in enumerate(words.layers):
        if name in words.layers[:i]:
            yield Diagnostic("NS639", f"{name} is pre-trained once: it is named twice", listed.items[i].span)
        elif name not in names:
            near = nearest(name, names)
            place = places.get(name, listed.span)
            yield Diagnostic("NS639", f"there is no layer {name}", place, fixes=write_nearest(near, place))
    for word, method in METHODS.items():
        if word in said.mapping and method != words.method and getattr(words, word):
            fact = f"{word} is a word of method {method}: the method is {words.method}"
            yield Diagnostic("NS639", fact, said.key_span(word))
