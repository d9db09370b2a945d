"""`--set PATH=VALUE`: values put into a located tree before anything else is done with it."""

from netspec.diagnostics.model import Diagnostics
from netspec.source import Source
from netspec.syntax.located import Located
from netspec.syntax.reader import read

__all__ = ["is_setting", "put"]

SIGN = "--set "


def is_setting(source: Source) -> bool:
    """Whether a source is the value of a setting, not a file."""
    return source.name.startswith(SIGN)


def put(tree: Located, settings: tuple[str, ...], diagnostics: Diagnostics) -> None:
    """Set each `path=value` in the tree. A path goes through sections, or begins with a layer's name, the longest wins."""
    for setting in settings:
        path, sign, text = setting.partition("=")
        value = read(Source(f"{SIGN}{path}", text), diagnostics) if text.strip() else Located(None)
        if not sign or not path or value is None:
            diagnostics.error("NS119", f"{setting} is not of the form PATH=VALUE", notes=("for example --set train.solver.base_lr=0.01",))
        elif not place_in(tree, path.split("."), value):
            diagnostics.error("NS119", f"{path} leads nowhere in this spec")


def place_in(tree: Located, steps: list[str], value: Located) -> bool:
    """Put a value at a path; sections that are missing are made, layers are not."""
    if isinstance(tree.value, list):
        return in_list(tree, steps, value)
    if tree.value is None:
        tree.value = {}
    if not isinstance(tree.value, dict):
        return False
    if len(steps) > 1 and steps[0] not in tree.value and (layers := tree.get("layers")) is not None and in_list(layers, steps, value):
        return True
    if value.span is not None:
        tree.keys.setdefault(steps[0], value.span)
    if len(steps) == 1:
        tree.value[steps[0]] = value
        return True
    return place_in(tree.value.setdefault(steps[0], Located({}, value.span)), steps[1:], value)


def in_list(items: Located, steps: list[str], value: Located) -> bool:
    """Into the item at an index, or the layer of that name: names may hold dots, the longest wins."""
    if steps[0].isdigit() and int(steps[0]) < len(items.items):
        if len(steps) == 1:
            items.items[int(steps[0])] = value
            return True
        return place_in(items.items[int(steps[0])], steps[1:], value)
    for count in range(len(steps) - 1, 0, -1):
        name = ".".join(steps[:count])
        for item in items.items:
            own = item.get("name")
            if own is not None and own.text == name:
                return place_in(item, steps[count:], value)
    return False
