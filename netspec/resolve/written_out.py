"""A record -> everything that a spec would say to have it again: each parameter with its value.
Knows no layer type.
"""

from typing import Any

from netspec.kinds import Reject
from netspec.record import Param, Record
from netspec.syntax.located import Located, place, plain

__all__ = ["complete", "spell"]


def complete(record: Record) -> dict[str, Any]:
    """Every parameter of a record as a spec writes it; left out: what is empty by default, or a
    default that no spec could say.
    """
    found: dict[str, Any] = {}
    for name, declared in record.params.items():
        value = record.__dict__[name]
        if value is None or value in ((), {}, "") or not sayable(declared, written := spell(value)):
            continue
        found[name] = written
    return found


def sayable(declared: Param, written: Any) -> bool:
    """Whether a value may stand in a spec: a default may lie outside the bounds of what is
    given.
    """
    try:
        declared.kind.read(place(written), declared.bounds)
    except Reject:
        return False
    return True


def spell(value: Any) -> Any:
    """A value as a spec writes it; a filler, whose word decides what the rest means, as its word
    and what differs from the defaults.
    """
    if isinstance(value, Located):
        return plain(value)
    if isinstance(value, Record):
        if value.short is None or value.params[value.short].required:
            return complete(value)
        given = {
            name: item
            for name, item in complete(value).items()
            if value.__dict__[name] != value.params[name].default
        }
        return {value.short: spell(value.__dict__[value.short]), **given}
    if isinstance(value, (list, tuple)):
        return [spell(item) for item in value]
    if isinstance(value, dict):
        return {name: spell(item) for name, item in value.items()}
    return value
