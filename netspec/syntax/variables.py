"""Variables put into located trees. Comes in: a tree and a scope; goes out: a new tree whose values
know which variable made them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netspec.diagnostics.evidence import About
from netspec.diagnostics.model import Diagnostic, Diagnostics, Edit, Fix, write_nearest
from netspec.diagnostics.suggest import did_you_mean, nearest
from netspec.frozen_classes import fresh, frozen
from netspec.source import Span
from netspec.syntax.expression import (
    LETTERS,
    NO_VALUE,
    ExpressionError,
    extent,
    substitute,
    variables_in,
)
from netspec.syntax.located import Located, place, plain

__all__ = ["FAILED", "REQUIRED", "Variables", "check_given", "declare"]

REQUIRED = "required"
FAILED = "failed"
"""`why` of a value whose expression was reported: what it stands in is not looked at further."""
COPY = "i"
"""The variable that counts the copies of a repeat."""
MOST_ADDED = 250_000
"""Values that variables may add in all, LETTERS characters of a text for one; lists of lists of
lists would otherwise fill the memory.
"""


@frozen
class Variables:
    """Values by name, the places of the instances that lead here, innermost first, and where each
    value was written.
    """

    values: Mapping[str, Any]
    used: tuple[Span, ...] = ()
    places: Mapping[str, tuple[Span, ...]] = fresh(default_factory=dict)
    added: list[int] = fresh(default_factory=lambda: [0])
    """How many values variables have added so far: one count for all scopes of a spec."""

    @property
    def signature(self) -> tuple[object, ...]:
        """Equal for scopes that fill every tree alike."""
        # repr, for 1 == True, and in a text they are written differently
        return (*((name, repr(value)) for name, value in self.values.items()), *map(id, self.used))

    def plus(
        self, values: Mapping[str, Any], places: Mapping[str, tuple[Span, ...]] | None = None
    ) -> "Variables":
        if not values and not places:
            return self
        return Variables({**self.values, **values}, self.used, {**self.places, **(places or {})}, self.added)

    def sources(self, text: str) -> tuple[Span, ...]:
        """Where the variables of an expression were given their values."""
        return tuple(
            dict.fromkeys(span for name in sorted(variables_in(text)) for span in self.places.get(name, ()))
        )

    def fill(self, tree: Located, diagnostics: Diagnostics) -> Located:
        """The tree with every variable put in; a scalar that fails is reported and becomes null."""
        value = tree.value
        if isinstance(value, dict):
            filled = {key: self.fill(item, diagnostics) for key, item in value.items()}
            # what holds no variable is shared, not copied
            if not self.used and all(filled[key] is item for key, item in value.items()):
                return tree
            return Located(filled, tree.span, keys=tree.keys, used=self.used, why=tree.why)
        if isinstance(value, list):
            items = [self.fill(item, diagnostics) for item in value]
            if not self.used and all(a is b for a, b in zip(items, value, strict=True)):
                return tree
            return Located(items, tree.span, used=self.used, why=tree.why)
        if isinstance(value, str) and "$" in value:
            return self.scalar(tree, value, diagnostics)
        if not self.used:
            return tree
        return Located(
            value,
            tree.span,
            text=tree.text,
            plain_style=tree.plain_style,
            used=self.used,
            why=tree.why,
        )

    def scalar(self, tree: Located, text: str, diagnostics: Diagnostics) -> Located:
        try:
            value = substitute(text, self.values)
            if isinstance(value, (str, list, dict)):
                self.count(value)
        except ExpressionError as error:
            if not error.said:
                diagnostics.add(report_failure(error, tree.span, self.values))
            return Located(None, tree.span, used=self.used, why=FAILED)
        if not isinstance(value, (list, dict)):
            return Located(
                value,
                tree.span,
                text=str(value),
                plain_style=not isinstance(value, str),
                used=self.used,
                why=text,
                sources=self.sources(text),
            )
        filled, sources = place(value), self.sources(text)
        for part in filled.walk():
            part.span, part.used, part.why, part.sources = tree.span, self.used, text, sources
        return filled

    def count(self, value: object) -> None:
        """Count what a variable adds. Raises ExpressionError where it is too much, said once."""
        said = self.added[0] > MOST_ADDED
        if isinstance(value, str) and not said:
            self.added[0] += len(value) // LETTERS
        elif not said:
            self.added[0] += extent(value)
        if self.added[0] > MOST_ADDED:
            raise ExpressionError(
                f"variables may add {MOST_ADDED:,} values in all; with this one it is more",
                said=said,
            )


def report_failure(error: ExpressionError, span: Span | None, values: Mapping[str, Any]) -> Diagnostic:
    """An expression without a value; for an unknown variable the nearest names."""
    if error.name is None:
        return Diagnostic("NS110", str(error), span)
    if error.name == COPY:
        notes = ("i is the number of a copy: it stands where a block is used with repeat, and in that block",)
        return Diagnostic(
            "NS111",
            str(error),
            span,
            "no copy is counted here",
            notes=notes,
            about=About(key=error.name),
        )
    near = nearest(error.name, values)
    if values:
        known = f"known here: {', '.join(sorted(values))}"
    else:
        known = "no variables are declared here: add vars:"
    fixes: tuple[Fix, ...] = ()
    if near and span is not None:
        fixes = (Fix(f"write {near[0]}", (Edit(span, span.text.replace(error.name, near[0], 1)),)),)
    label = did_you_mean(near, "not declared")
    return Diagnostic(
        "NS111", str(error), span, label, notes=(known,), fixes=fixes, about=About(key=error.name)
    )


def check_given(
    names: Mapping[str, Located],
    given: Located,
    diagnostics: Diagnostics,
    *,
    what: str,
    anchor: Span | None,
) -> None:
    """NS112 for given names that are not declared, NS113 for required ones that are not given."""
    for name in given.mapping:
        if name not in names:
            near = nearest(name, names)
            span = given.key_span(name)
            fixes = write_nearest(near, span) if span is not None else ()
            diagnostics.error(
                "NS112",
                f"{what} has no variable {name}",
                span,
                label=did_you_mean(near, "not declared"),
                notes=(f"it has {', '.join(names)}" if names else "it has none",),
                fixes=fixes,
            )
    for name, body in names.items():
        if name not in given.mapping and required(body):
            diagnostics.error(
                "NS113",
                f"{what} needs the variable {name}",
                anchor or body.span,
                label=f"{name} is not given",
            )


def required(body: Located) -> bool:
    """Whether a declared variable has no default."""
    return body.value == REQUIRED and body.plain_style


def declare(
    section: Located | None,
    outer: Variables,
    given: Located,
    diagnostics: Diagnostics,
    *,
    what: str,
    anchor: Span | None,
) -> Variables:
    """The scope that a `vars:` section makes: declared values in order, `given` ones in place of
    their defaults.

    Reports given names that are not declared, and required ones that are not given.
    """
    names = section.mapping if section is not None else {}
    check_given(names, given, diagnostics, what=what, anchor=anchor)
    # one scope, which each variable joins as it is known: a scope for each would copy them all
    values, places = {**outer.values}, {**outer.places}
    scope = Variables(values, outer.used, places, outer.added)
    for name, body in names.items():
        if name in given.mapping:
            values[name], places[name] = value_of(given.mapping[name]), given.mapping[name].written
        elif required(body):
            values[name] = NO_VALUE
        else:
            before = len(diagnostics)
            filled = scope.fill(body, diagnostics)
            for i, d in enumerate(diagnostics.found[before:], before):
                if d.code == "NS111" and d.about.key in names:
                    notes = ("variables are computed from the top: each sees those above it",)
                    diagnostics.found[i] = replace(d, label="not declared above", notes=notes, fixes=())
            values[name], places[name] = value_of(filled), filled.written
    return scope


def value_of(filled: Located) -> Any:
    """A value as ordinary Python; none where a part of it was reported."""
    if not isinstance(filled.value, (dict, list)):
        return NO_VALUE if filled.why == FAILED else filled.value
    if any(part.why == FAILED for part in filled.walk()):
        return NO_VALUE
    return plain(filled)
