"""A text that is not YAML, and why: the recognisers in order, the parser's own words where none of
them knows.

In: the text and the parser's complaint. Out: findings. Must not know: the language.
"""

from netspec.diagnostics import Diagnostic
from netspec.source import Source
from netspec.syntax.damage import brackets, layout, words
from netspec.syntax.damage.parse_error import Wound
from netspec.syntax.tree import YamlDamage

__all__ = ["explain_damage"]

# the first that knows wins: indentation, which any line can be blamed for, comes last
_RECOGNISERS = (
    words.unprintable,
    layout.tab,
    layout.block_text,
    words.missing_space,
    words.missing_colon,
    brackets.expression,
    brackets.closes_nothing,
    brackets.not_closed,
    brackets.nothing_between,
    brackets.missing_comma,
    words.find_forbidden_start,
    words.list_beside_key,
    words.escape,
    words.after_quotes,
    words.colon_in_value,
    layout.indentation,
)


def explain_damage(source: Source, damage: YamlDamage) -> list[Diagnostic]:
    """The findings for one place where the parser gave up; several only for several unquoted
    expressions.
    """
    wound = Wound(source, damage)
    for recognise in _RECOGNISERS:
        found = recognise(wound)
        if found:
            return found
    return [words.report_unexplained(wound)]
