"""How a spec is read: what picks a net out of it, and what it may do. Said by the command line or
the caller, never by the spec.
"""

from netspec.frozen_classes import frozen

__all__ = ["ALLOW", "PLAIN", "Reading"]

ALLOW = "with --allow-code it runs, with your rights: look at it first"
"""What goes with NS121."""


@frozen
class Reading:
    """stages, level: for include and exclude rules (Caffe's NetState); settings: PATH=VALUE texts
    put into the spec first.

    allow_code: Python code that the spec names, plug-ins and `python:` sources, may run; without it
    that is refused (NS121).
    """

    stages: frozenset[str] = frozenset()
    level: int = 0
    settings: tuple[str, ...] = ()
    allow_code: bool = False
    recorded: int = 0
    """How many of the settings, the first ones, a run's folder remembers: its word, not the
    caller's, so they may not lead outside.
    """
    unproven: str = ""
    """The folder where the paths of a run started, says its record, where nothing proves it: they
    start in the run's folder then.
    """
    origins: tuple[str, ...] = ()
    """The specs that a run's own was written from, says its record: it may open what they open."""


PLAIN = Reading()
"""As the file stands."""
