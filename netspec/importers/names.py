"""What Caffe lets pass and a spec does not: two layers of one name, a net that exists in one phase
only. In and out: layer entries.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.importers.decode import Piece

__all__ = ["distinct", "drop_phases"]

CONDITIONS = ("include", "exclude")
PHASES = ("TRAIN", "TEST")
Entry = dict[str, Any]
State = tuple[str, frozenset[str]]


def distinct(entries: list[Entry], layers: list[Piece], diagnostics: Diagnostics) -> dict[str, str]:
    """Give a layer whose name is another's in the same net a name of its own, with a NS032; new
    name -> the name in the file.
    """
    seen: dict[str, list[Entry]] = {}
    taken = {entry["name"] for entry in entries}
    renamed: dict[str, str] = {}
    for entry, layer in zip(entries, layers, strict=True):
        name = entry["name"]
        if any(coexist(entry, other) for other in seen.get(name, ())):
            entry["name"] = new = find_free_name(name, taken)
            taken.add(new)
            entry.setdefault("top", name)
            renamed[new] = name
            fact = f"{layer.owner} is {new} in the spec: another layer of the same net has its name"
            diagnostics.add(Diagnostic("NS032", fact, layer.span("name") or layer.opening))
        seen.setdefault(name, []).append(entry)
    return renamed


def find_free_name(name: str, taken: set[str]) -> str:
    """The name, or with the first number behind it that is free."""
    if name not in taken:
        return name
    return next(f"{name}_{n}" for n in range(2, len(taken) + 3) if f"{name}_{n}" not in taken)


def coexist(one: Entry, other: Entry) -> bool:
    """Whether there is a phase, with no stage or with one that they name, that keeps both."""
    return any(keeps_entry(one, state) and keeps_entry(other, state) for state in states((one, other)))


def states(entries: tuple[Entry, ...]) -> Iterator[State]:
    """Both phases, with each stage that these layers name and with none."""
    named = {
        s
        for entry in entries
        for rule in rules(entry, "include") + rules(entry, "exclude")
        for s in several(rule.get("stage"))
    }
    for phase, stage in product(PHASES, (None, *sorted(named))):
        yield phase, frozenset({stage} if stage is not None else ())


def keeps_entry(entry: Entry, state: State) -> bool:
    """Whether a state of the net keeps a layer, at level 0."""
    include, exclude = rules(entry, "include"), rules(entry, "exclude")
    if include:
        return any(holds(rule, state) for rule in include)
    return not any(holds(rule, state) for rule in exclude)


def holds(rule: dict[str, Any], state: State) -> bool:
    phase, stages = state
    return (
        rule.get("phase", phase) == phase
        # the level that a net of Caffe has, if nothing says one
        and rule.get("min_level", 0) <= 0 <= rule.get("max_level", 0)
        and stages.issuperset(several(rule.get("stage")))
        and stages.isdisjoint(several(rule.get("not_stage")))
    )


def rules(entry: Entry, key: str) -> list[dict[str, Any]]:
    return [rule for rule in several(entry.get(key)) if isinstance(rule, dict)]


def several(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if value is None:
        return []
    return [value]


def drop_phases(
    entries: list[Entry], inputs: list[str], layers: list[Piece], diagnostics: Diagnostics
) -> None:
    """Drop `phase:` where in one phase some layer would read what none makes, and the other has it
    all: from every layer of a net that exists in TEST alone, and from the data of one that Caffe
    only trains, so that it can be deployed. NS025.
    """
    conditional = [entry for entry in entries if any(key in entry for key in CONDITIONS)]
    wired = {phase: is_wired(entries, inputs, phase) for phase in PHASES}
    dropped, why = [], ""
    if wired["TEST"] and not wired["TRAIN"] and all(is_plainly(entry, "TEST") for entry in conditional):
        dropped, why = conditional, "the net exists in the test phase only, where it always holds"
    elif wired["TRAIN"] and not wired["TEST"]:
        data = [entry for entry in conditional if "bottom" not in entry]
        others = [without_conditions(entry) if "bottom" not in entry else entry for entry in entries]
        # data with other conditions are those of a stage that makes the net whole
        if all(is_plainly(entry, "TRAIN") for entry in data) and is_wired(others, inputs, "TEST"):
            dropped, why = data, "the net has no data in the test phase, so these stand for both"
    gone = {id(entry) for entry in dropped}
    for entry, layer in zip(entries, layers, strict=True):
        if id(entry) in gone:
            for key in CONDITIONS:
                entry.pop(key, None)
            fact = f"include of {layer.owner}: {why}"
            diagnostics.add(Diagnostic("NS025", fact, layer.span("include")))


def without_conditions(entry: Entry) -> Entry:
    """A layer that every phase has."""
    return {key: value for key, value in entry.items() if key not in CONDITIONS}


def is_plainly(entry: Entry, phase: str) -> bool:
    """Whether a layer's only condition is the phase."""
    included = all(rule == {"phase": phase} for rule in rules(entry, "include"))
    return included and "exclude" not in entry


def is_wired(entries: list[Entry], inputs: list[str], phase: str) -> bool:
    """Whether each bottom that is written out is made before it is read."""
    made = set(inputs)
    for entry in entries:
        if keeps_entry(entry, (phase, frozenset())):
            if not made.issuperset(several(entry.get("bottom"))):
                return False
            made.update(several(entry.get("top", entry["name"])))
    return True
