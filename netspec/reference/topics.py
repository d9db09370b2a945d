"""What `netspec explain WORD` knows beside codes: pages on the language, keys, layer types and
their parameters. In: a word; out: text.
"""

from collections.abc import Iterator

from netspec import layers
from netspec.diagnostics.suggest import nearest
from netspec.ir.layer import Layer
from netspec.record import Param
from netspec.reference.keys import Key, every_key, find_key, keys_of
from netspec.reference.language import PAGES, as_list, describe, headline, indented, terminal_page

__all__ = ["explain_topic", "nearest_topics"]

ROWS = 5
"""Example rows that a parameter shows of each sort; its type's page has them all."""


def explain_topic(word: str) -> str | None:
    """The text on a page, a key by its path, a layer type or a parameter of one; None for a word
    that is none of these.
    """
    # a key before a page of its name: `describe` prints the page of a section
    key = find_key(word)
    if key is None and word in PAGES:
        return terminal_page(word)
    key = key or only_key(word)
    if key is not None:
        return describe(key)
    name, _, path = word.partition(".")
    cls = layers.find(name)
    if cls is None:
        return None
    if path:
        return explain_parameter(cls, path.split("."))
    from netspec.reference.layer_page import reference

    return reference(cls).rstrip()


def only_key(name: str) -> Key | None:
    """The key of that name, where only one place has it."""
    found = [key for key in every_key() if key.declared.name == name]
    if len(found) == 1:
        return found[0]
    return None


def explain_parameter(cls: type[Layer], steps: list[str]) -> str | None:
    """A parameter of a layer type, by any of its spellings, its param map on the way or not; and
    the example rows that use it.
    """
    steps = steps[1:] if steps[0] in cls.groups else steps
    declared = cls.names.get(steps[0]) if steps else None
    if declared is None:
        return None
    key = Key(f"{cls.type}.{declared.name}", declared, cls)
    for step in steps[1:]:
        below = next((k for k in keys_of(key.inner, key.path) if k.declared.name == step), None)
        if below is None:
            return None
        key = below
    return "\n\n".join(
        [
            headline(key, key.path) + "\n" + indented(key.declared.doc),
            *parameter_parts(cls, declared, key),
        ]
    )


def parameter_parts(cls: type[Layer], declared: Param, key: Key) -> Iterator[str]:
    """The keys of a mapping, rows that use a parameter or are refused for it, and where there is
    more.
    """
    from netspec.reference.layer_page import case

    if key.inner:
        yield as_list(list(keys_of(key.inner)))
    rows = [
        e
        for e in cls.examples()
        if any(f"{name}:" in e.parameters for name in (declared.name, *declared.pair))
    ]
    taken = [case(e) for e in rows if e.code is None][:ROWS]
    refused = [
        f"{case(e)}: {e.code}" for e in rows if e.code is not None and e.at in (declared.name, *declared.pair)
    ][:ROWS]
    for head, lines in (("Examples:", taken), ("Refused:", refused)):
        if lines:
            yield head + "\n" + "\n".join(f"  {line.replace('`', '')}" for line in lines)
    yield f"The whole page: netspec explain {cls.type}"


def nearest_topics(word: str) -> list[str]:
    """What may have been meant: a parameter of the type, keys of that name, the same path with
    another last step, the nearest word.
    """
    name, _, path = word.partition(".")
    cls = layers.find(name)
    if cls is not None and path:
        return [f"{cls.type}.{near}" for near in nearest(path, cls.names)]
    paths = [key.path for key in every_key()]
    same = [path for path in paths if path.rpartition(".")[2] == word]
    known = dict.fromkeys([*PAGES, *paths, *layers.types()])
    return (same or misspelt_ends(word, paths) or nearest(word, known))[:3]


def misspelt_ends(word: str, paths: list[str]) -> list[str]:
    """Of a path of several steps: the keys whose last step is nearest to its own, where another
    step is the same.
    """
    steps, end = set(word.split(".")[:-1]), word.rpartition(".")[2]
    beside = [path for path in paths if steps & set(path.split(".")[:-1])]
    near = nearest(end, [path.rpartition(".")[2] for path in beside], 1) if steps else []
    return [path for path in beside if path.rpartition(".")[2] in near]
