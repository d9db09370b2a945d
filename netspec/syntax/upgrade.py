"""A spec of an older version of the language -> the same spec in this one. Comes in: a text; goes
out: a text. Knows no layer.

Version 1 is the first, so a file is older only where it says no version at all.
"""

from netspec.diagnostics.model import Diagnostics
from netspec.source import Source
from netspec.syntax.reader import read

__all__ = ["VERSION", "upgrade_source"]

VERSION = 1
KEY = "netspec"


def upgrade_source(source: Source, diagnostics: Diagnostics) -> Source | None:
    """The text with its version said; None with a finding where it cannot be read, or is of a
    version that is not known here (NS106).
    """
    tree = read(source, diagnostics)
    if tree is None or len(diagnostics):
        return None
    said = tree.get(KEY)
    if said is not None and said.value != VERSION:
        label = f"known here: {VERSION}"
        diagnostics.error(
            "NS106",
            f"a spec of version {said.text or 'none'} cannot be brought up to {VERSION}",
            said.span,
            label=label,
        )
        return None
    if said is not None or not tree.mapping:
        return source
    first = min(span.start for span in tree.keys.values())
    text = source.text
    flow = tree.span is not None and text[tree.span.start] == "{"
    if flow:
        gap = ", "
    elif "\r\n" in text:
        gap = "\r\n"
    else:
        gap = "\n"
    return Source(source.name, f"{text[:first]}{KEY}: {VERSION}{gap}{text[first:]}")
