"""A file or a text in, a tree with places out. Knows YAML; knows no layer. Whatever the bytes, a
fault is a finding, never a traceback.
"""

import os
import re
import sys
from collections.abc import Iterable

from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.file_reading import read_bytes, read_given
from netspec.garbage_collection import no_collection
from netspec.source import Source
from netspec.syntax.limits import BYTES
from netspec.syntax.located import Located
from netspec.syntax.paths import PREFIX, not_in_zoo, zoo_path
from netspec.syntax.tree import TreeBuilder, YamlDamage

__all__ = ["read", "read_file"]

_OWN = re.compile(rb"^(?:netspec:|blocks:[ \t]*$)", re.MULTILINE)
"""What a spec or a library of blocks says near its beginning: it is no other tool's file."""
_SOUND = frozenset({"NS006"})  # findings after which the tree still says what was written


def read_file(
    path: str, diagnostics: Diagnostics, roots: Iterable[str] | None = None, *, spec: bool = True
) -> Source | None:
    """The text of a file ("-": standard input, named "<stdin>"; `zoo:NAME`: of the zoo), without a
    byte order mark; None where that fails.

    roots: of a file that a spec names, the folders that it must lie in. spec: it is to be one, not
    a plug-in's Python. NS001 (missing, a folder, not permitted), NS002 (not UTF-8 text),
    NS003 (empty), NS008 (larger than 64 MiB), NS042 (of another tool).
    """
    if path.startswith(PREFIX):
        path = zoo_path(path.removeprefix(PREFIX))
    name = "<stdin>" if path == "-" else path
    try:
        data = _bytes(path, roots)
    except (OSError, ValueError) as error:
        diagnostics.add(Diagnostic("NS001", _reason(name, error), path=name))
        return None
    if len(data) > BYTES:
        diagnostics.add(Diagnostic("NS008", f"a spec may have {BYTES:,} bytes; {name} has more", path=name))
        return None
    # most files are specs: the marks of other tools are loaded for the rest alone
    if spec and not _OWN.search(data[:4096]):
        from netspec.syntax.foreign import foreign

        stranger = foreign(name, data)
        if stranger is not None:
            diagnostics.add(stranger)
            return None
    text = _text(name, data, diagnostics)
    if text is None:
        return None
    if not text.strip():
        diagnostics.add(Diagnostic("NS003", f"{name} has no content", path=name))
        return None
    return Source(name, text)


@no_collection()
def read(source: Source, diagnostics: Diagnostics) -> Located | None:
    """The tree of a YAML 1.2 text, every key and value with its span; None where it could not be
    read (NS003 to NS019, NS030).

    A repeated key (NS006) is reported and the first one kept: the tree is sound, and later phases
    may look for further faults.
    """
    if len(source.text) > BYTES:
        diagnostics.add(
            Diagnostic(
                "NS008",
                f"a spec may have {BYTES:,} characters; this one has {len(source.text):,}",
                path=source.name,
            )
        )
        return None
    if source.text[:1] == "\ufeff":
        source = Source(source.name, source.text.lstrip("\ufeff"))
    before = len(diagnostics)
    try:
        tree = TreeBuilder(source, diagnostics).build()
        if any(found.code not in _SOUND for found in diagnostics.found[before:]):
            return None
        return tree
    except YamlDamage as damage:
        from netspec.syntax.damage import explain_damage

        for diagnostic in explain_damage(source, damage):
            diagnostics.add(diagnostic)
        return None


def _bytes(path: str, roots: Iterable[str] | None) -> bytes:
    if path == "-":
        # one byte more than allowed tells that there are more
        return sys.stdin.buffer.read(BYTES + 1)
    if roots is None:
        return read_given(path, BYTES + 1)
    return read_bytes(path, roots, BYTES + 1)


def _reason(name: str, error: OSError | ValueError) -> str:
    if name.startswith(PREFIX):
        return not_in_zoo(name.removeprefix(PREFIX))
    if isinstance(error, FileNotFoundError):
        folder = os.path.dirname(name)
        return f"there is no {'folder ' + folder if folder and not os.path.isdir(folder) else 'file ' + name}"
    if isinstance(error, IsADirectoryError):
        return f"{name} is a folder"
    if isinstance(error, PermissionError):
        return f"reading {name} is not permitted"
    return f"{name}: {getattr(error, 'strerror', None) or error}"


def _text(name: str, data: bytes, diagnostics: Diagnostics) -> str | None:
    # marks of UTF-16: told before the zero bytes that are sure to follow
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        fact = f"{name} is UTF-16; a spec is UTF-8 text"
    elif (at := data.find(b"\0")) >= 0:
        fact = f"{name} has a zero byte at offset {at}; a spec is UTF-8 text"
    else:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            fact = (
                f"byte 0x{data[error.start]:02X} at offset {error.start} (line {line}) of {name} is not UTF-8"
            )
    diagnostics.add(Diagnostic("NS002", fact, path=name))
    return None
