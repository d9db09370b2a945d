"""`--set PATH=VALUE`: values put into a located tree before anything else is done with it."""

from typing import NamedTuple

from netspec.diagnostics.model import Diagnostics
from netspec.source import Source
from netspec.syntax.block_checks import USE_KEYS
from netspec.syntax.limits import DEPTH
from netspec.syntax.located import Located
from netspec.syntax.reader import read

__all__ = ["Inside", "is_setting", "leads_nowhere", "path_of", "put", "with_value"]

SIGN = "--set "


class Inside(NamedTuple):
    """A setting of a layer that stands in a block: it is made once the blocks are unrolled."""

    path: str
    value: Located


def is_setting(source: Source) -> bool:
    """Whether a source is the value of a setting, not a file."""
    return source.name.startswith(SIGN)


def path_of(source: Source) -> str:
    """The path that a setting leads along."""
    return source.name.removeprefix(SIGN)


def put(tree: Located, settings: tuple[str, ...], diagnostics: Diagnostics) -> tuple[Inside, ...]:
    """Set each `path=value` in the tree. A path goes through sections, or begins with a layer's
    name, the longest wins.

    Answers the settings that lead into a block's use.
    """
    inside: list[Inside] = []
    for setting in settings:
        path, sign, text = (part.strip() for part in setting.partition("="))
        if not sign or not all(path.split(".")):
            diagnostics.error(
                "NS119",
                f"{setting} is not of the form PATH=VALUE",
                notes=("for example --set train.solver.base_lr=0.01",),
            )
            continue
        # each step may make a mapping: no deeper than a file may be
        if path.count(".") >= DEPTH:
            leads_nowhere(
                f"{path[:DEPTH]}...",
                diagnostics,
                f"a path has at most {DEPTH} steps: this one has {path.count('.') + 1:,}",
            )
            continue
        if text:
            value = read(Source(f"{SIGN}{path}", text), diagnostics)
        else:
            value = Located(None)
        if value is None:
            continue
        if enters_block(tree, path.split(".")):
            inside.append(Inside(path, value))
        elif not place_in(tree, path.split("."), value):
            leads_nowhere(path, diagnostics)
    return tuple(inside)


def leads_nowhere(path: str, diagnostics: Diagnostics, note: str = "") -> None:
    """Report a path that means nothing here."""
    diagnostics.error("NS119", f"{path} leads nowhere in this spec", notes=(note,) if note else ())


def enters_block(tree: Located, steps: list[str]) -> bool:
    """Whether a path goes through a use of a block to something that is no word of the use
    itself.
    """
    layers = tree.get("layers")
    if steps[0] in tree.mapping or layers is None:
        return False
    for count in range(len(steps) - 1, 0, -1):
        found = find_named(layers, ".".join(steps[:count]))
        if found is not None:
            return found.get("block") is not None and steps[count] not in USE_KEYS
    return False


def with_value(body: Located, steps: list[str], value: Located) -> Located:
    """A copy of a mapping with a value at a path; mappings that are missing are made."""
    inner = body.get(steps[0])
    if len(steps) == 1:
        below = value
    else:
        below = with_value(inner if inner is not None else Located({}, value.span), steps[1:], value)
    keys = {steps[0]: value.span, **body.keys} if value.span is not None else body.keys
    return Located({**body.mapping, steps[0]: below}, body.span, keys=keys, used=body.used)


def place_in(tree: Located, steps: list[str], value: Located) -> bool:
    """Put a value at a path; sections that are missing are made, layers are not."""
    if isinstance(tree.value, list):
        return in_list(tree, steps, value)
    if tree.value is None:
        tree.value = {}
    if not isinstance(tree.value, dict):
        return False
    if (
        len(steps) > 1
        # a section wins over a layer of its name
        and steps[0] not in tree.value
        and (layers := tree.get("layers")) is not None
        and in_list(layers, steps, value)
    ):
        return True
    if value.span is not None:
        tree.keys.setdefault(steps[0], value.span)
    if len(steps) == 1:
        tree.value[steps[0]] = value
        return True
    return place_in(tree.value.setdefault(steps[0], Located({}, value.span)), steps[1:], value)


def in_list(items: Located, steps: list[str], value: Located) -> bool:
    """Into the item at an index, or the layer of that name: names may hold dots, the longest
    wins.
    """
    if steps[0].isdigit() and int(steps[0]) < len(items.items):
        if len(steps) == 1:
            items.items[int(steps[0])] = value
            return True
        return place_in(items.items[int(steps[0])], steps[1:], value)
    for count in range(len(steps) - 1, 0, -1):
        item = find_named(items, ".".join(steps[:count]))
        if item is not None:
            return place_in(item, steps[count:], value)
    return False


def find_named(items: Located, name: str) -> Located | None:
    """The first layer of a name."""
    return next(
        (item for item in items.items if (own := item.get("name")) is not None and own.text == name),
        None,
    )
