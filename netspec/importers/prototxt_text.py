"""Protobuf text format -> a tree of messages, every field with its place. Knows the syntax, no
field of Caffe's.

Depth and size are bounded, nothing recurses, and a syntax error is a finding after which reading
goes on.
"""

import re
from collections import Counter
from contextlib import suppress
from operator import itemgetter

from netspec.diagnostics import Diagnostics
from netspec.importers.prototxt_scalars import number, unquote
from netspec.importers.prototxt_tree import Field, Message, Value, Word
from netspec.source import Source, Span

__all__ = ["MAX_DEPTH", "MAX_FIELDS", "read_prototxt"]

MAX_DEPTH = 64
MAX_FIELDS = 500_000
"""Of a whole text: a net of 5,000 layers has about 100,000."""
MAX_REPEATS = 1_000
"""Of one field in one message: bottoms, dims, kernel sizes. Layers, and the numbers of a blob, may
be more.
"""
MANY = frozenset(("layer", "layers", "data", "diff", "double_data", "double_diff", "float_data"))
MAX_PROBLEMS = 100

GAP = r"(?:[\s;,]++|\#[^\n]*+)*+"
BLANK = r"(?:\s++|\#[^\n]*+)*+"
QUOTED = r""""(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+'"""
NUMERAL = (
    r"-?(?:0[xX][0-9a-fA-F]{1,16}|(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][-+]?[0-9]++)?[fF]?)(?![\w.])"
)
NAME = r"[A-Za-z_]\w*+"

# One match per field of the usual form. What this does not take (a comment inside a field, lists,
# joined strings, errors) is read token
# by token below. Repeats are possessive, so no text makes it backtrack. The last group that matched
# tells the form.
FIELD = re.compile(
    rf"{GAP}(?:({NAME})\s*+(?::\s*+(?:({QUOTED})(?!{GAP}[\"'])|({NUMERAL})|({NAME})(?!{GAP}[:{{<])|[{{<]())|[{{<]())|([}}>]))",
    re.ASCII,
)
STRING, NUMBER, WORD, OPEN_AFTER_COLON, OPEN, CLOSE = range(2, 8)
SKIP = re.compile(GAP, re.ASCII)
SKIP_BLANK = re.compile(BLANK, re.ASCII)
FIELD_NAME = re.compile(rf"{NAME}|\[[\w./ -]*+\]", re.ASCII)
SCALAR = re.compile(rf"({QUOTED})|({NUMERAL})|-\s*+({NUMERAL}|{NAME})|({NAME})(?!{BLANK}[:{{<])", re.ASCII)
RESUME = re.compile(r"[\n}>]")
CLOSING = {"{": "}", "<": ">"}


class Frame:
    """A message that is being read, its opening brace, and the field whose list `[...]` is being
    read in it ("" if none).

    room: how many fields it may have before they are counted by name.
    """

    __slots__ = ("list_of", "message", "opening", "room")

    def __init__(self, message: Message, opening: str) -> None:
        self.message = message
        self.opening = opening
        self.list_of = ""
        self.room = MAX_REPEATS


class TooMuchError(Exception):
    """The text goes past a bound; the finding has been added."""


def read_prototxt(source: Source, diagnostics: Diagnostics) -> Message:
    """The top-level message of a text. Findings: NS020 (syntax), NS007 (over 64 levels), NS008 (too
    many fields).
    """
    reader = Reader(source, diagnostics)
    with suppress(TooMuchError):
        reader.read()
    return reader.root


class Reader:
    """Walks over the text with an explicit stack of open messages."""

    def __init__(self, source: Source, diagnostics: Diagnostics) -> None:
        self.source = source
        self.text = source.text
        self.diagnostics = diagnostics
        self.at = 0
        self.problems = 0
        self.problem_line = 0
        self.words: dict[str, Word] = {}
        self.root = Message(source, 0)
        self.stack = [Frame(self.root, "")]

    def read(self) -> None:
        """Read to the end; a brace that stays open there is a finding."""
        # no field without one of these: the text is measured before it is read
        fields = sum(map(self.text.count, ":{<,"))
        if fields > MAX_FIELDS:
            self.refuse("NS008", f"about {fields:,} fields; at most {MAX_FIELDS:,} are read", 0)
        while True:
            self.usual_fields()
            self.at = self.skip(self.at)
            if self.at >= len(self.text):
                break
            if self.stack[-1].list_of:
                self.list_item()
            else:
                self.unusual_field()
        if len(self.root.fields) > MAX_REPEATS:
            self.count(self.stack[0])
        last = self.stack[-1]
        if last.list_of:
            self.complain(f"the list of '{last.list_of}' is never closed", len(self.text) - 1)
        elif last.opening:
            self.complain(f"'{last.opening}' is never closed", last.message.start)

    def usual_fields(self) -> None:
        """Read fields for as long as they have the usual form. Most of the time that reading takes
        goes here.
        """
        text, match, words, frame, at = self.text, FIELD.match, self.words, self.stack[-1], self.at
        fields = frame.message.fields
        while not frame.list_of and (found := match(text, at)):
            kind, at = found.lastindex or CLOSE, found.end()
            if kind < OPEN_AFTER_COLON:
                literal = found[kind]
                value: Value
                if kind == NUMBER:
                    value = number(literal)
                elif kind == STRING:
                    value = unquote(literal)
                else:
                    value = words.get(literal) or words.setdefault(literal, Word(literal))
                fields.append(Field(found[1], value, found.start(1), found.start(kind), at))
                if len(fields) > frame.room:
                    self.count(frame)
                continue
            if kind == CLOSE:
                self.close(found[CLOSE], at - 1)
            else:
                self.open(found[1], found.start(1), at - 1)
            frame = self.stack[-1]
            fields = frame.message.fields
        self.at = at

    def unusual_field(self) -> None:
        """Read one field token by token."""
        found = FIELD_NAME.match(self.text, self.at)
        if not found:
            self.problem(f"a field name was expected here, not {self.glimpse()}", self.at)
            return
        name, start, end = found[0], found.start(), found.end()
        self.at = self.skip(end)
        colon = self.text.startswith(":", self.at)
        if colon:
            self.at = self.skip(self.at + 1)
        here = self.text[self.at : self.at + 1]
        if here and here in CLOSING:
            self.at += 1
            self.open(name, start, self.at - 1)
        elif here == "[":
            self.at += 1
            self.stack[-1].list_of = name
        elif not colon:
            self.problem(f"'{name}' must be followed by ':' and a value, or by '{{'", start, end)
        elif found := SCALAR.match(self.text, self.at):
            self.scalar(name, start, found)
        else:
            self.problem(f"'{name}' needs a value here, not {self.glimpse()}", start, end)

    def list_item(self) -> None:
        """Read one item of the list that is open in the innermost message, or its end."""
        frame, here = self.stack[-1], self.text[self.at]
        if here == "]":
            frame.list_of = ""
            self.at += 1
        elif here in CLOSING:
            self.at += 1
            self.open(frame.list_of, self.at - 1, self.at - 1)
        elif found := SCALAR.match(self.text, self.at):
            self.scalar(frame.list_of, self.at, found)
            if self.text[self.skip_blank(self.at) : self.skip_blank(self.at) + 1] not in (",", "]"):
                self.end_list(f"the items of '{frame.list_of}' must be separated by ','")
        else:
            self.end_list(f"the list of '{frame.list_of}' needs a value or ']' here, not {self.glimpse()}")

    def end_list(self, fact: str) -> None:
        """Give up the open list; go on behind its bracket if that is in this line."""
        self.stack[-1].list_of = ""
        self.complain(fact, self.at)
        found = RESUME.search(self.text, self.at)
        bracket = self.text.find("]", self.at, found.start() if found else len(self.text))
        if bracket >= 0:
            self.at = bracket + 1
        elif found:
            self.at = found.start()
        else:
            self.at = len(self.text)

    def scalar(self, name: str, start: int, found: re.Match[str]) -> None:
        """Add a field whose value is no message; neighbouring strings are joined: "a" 'b' is
        "ab".
        """
        self.at = found.end()
        value = unquote(found[1]) if found[1] else self.read_unquoted(found)
        if found[1]:
            parts = [str(value)]
            while (more := SCALAR.match(self.text, self.skip_blank(self.at))) and more[1]:
                parts.append(unquote(more[1]))
                self.at = more.end()
            value = "".join(parts)
        self.add(Field(name, value, start, found.start(), self.at))

    def add(self, field: Field) -> None:
        """Add a field to the innermost message."""
        frame = self.stack[-1]
        frame.message.fields.append(field)
        if len(frame.message.fields) > frame.room:
            self.count(frame)

    def count(self, frame: Frame) -> None:
        """NS008 where a field stands too often in a message; else there is room for as many fields
        again.
        """
        fields = frame.message.fields
        name, most = max(
            Counter(field.name for field in fields if field.name not in MANY).items(),
            key=itemgetter(1),
            default=("", 0),
        )
        if most <= MAX_REPEATS:
            frame.room = 2 * len(fields)  # counting costs no more than reading
            return
        there = len(re.findall(rf"(?<!\w){re.escape(name)}\s*+[:{{<]", self.text, re.ASCII))
        last = [field for field in fields if field.name == name][MAX_REPEATS]
        if there > MAX_REPEATS:
            all_in_all = f", {there:,} times in the file"
        else:
            all_in_all = ""
        fact = (
            f"{name} stands more than {MAX_REPEATS:,} times in one message{all_in_all}; at most"
            f" {MAX_REPEATS:,} are read"
        )
        self.refuse("NS008", fact, last.start)

    def read_unquoted(self, found: re.Match[str]) -> Value:
        """The value of a numeral, a name, or either of them after a minus sign."""
        if found[2]:
            return number(found[2])
        if found[4]:
            return self.words.setdefault(found[4], Word(found[4]))
        negated = found[3]
        if negated[0] in "0123456789.":
            return -number(negated)
        if negated.lower() in ("inf", "infinity"):
            return float("-inf")
        return Word("-" + negated)

    def open(self, name: str, start: int, at: int) -> None:
        """Enter a message whose brace stands at `at`."""
        if len(self.stack) > MAX_DEPTH:
            self.refuse("NS007", f"more than {MAX_DEPTH} messages inside each other", at)
        message = Message(self.source, at)
        self.add(Field(name, message, start, at, at + 1))
        self.stack.append(Frame(message, self.text[at]))

    def close(self, brace: str, at: int) -> None:
        """Leave the innermost message."""
        frame = self.stack[-1]
        if not frame.opening:
            self.complain(f"'{brace}' closes nothing", at)
            return
        if CLOSING[frame.opening] != brace:
            self.complain(f"'{frame.opening}' is closed by '{brace}'", at)
        if len(frame.message.fields) > MAX_REPEATS:
            self.count(frame)
        frame.message.end = at + 1
        self.stack.pop()

    def skip(self, at: int) -> int:
        """The offset after blanks, comments and separators."""
        found = SKIP.match(self.text, at)
        if found:
            return found.end()
        return at

    def skip_blank(self, at: int) -> int:
        """The offset after blanks and comments."""
        found = SKIP_BLANK.match(self.text, at)
        if found:
            return found.end()
        return at

    def glimpse(self) -> str:
        """What stands at the current place, for a message."""
        rest = self.text[self.at : self.at + 16].split()
        if rest:
            return repr(rest[0])
        return "the end of the file"

    def refuse(self, code: str, fact: str, at: int) -> None:
        """Add a finding that ends the reading."""
        self.diagnostics.error(code, fact, Span(self.source, at, at + 1))
        raise TooMuchError

    def complain(self, fact: str, start: int, end: int | None = None) -> None:
        """Add a syntax error, at most one a line and a hundred in all."""
        line = self.source.position(start)[0]
        if line == self.problem_line:
            return
        self.diagnostics.error("NS020", fact, Span(self.source, start, max(end or 0, start + 1)))
        self.problems, self.problem_line = self.problems + 1, line
        if self.problems >= MAX_PROBLEMS:
            raise TooMuchError

    def problem(self, fact: str, start: int, end: int | None = None) -> None:
        """Add a syntax error and go on at the next line or closing brace."""
        self.complain(fact, start, end)
        found = RESUME.search(self.text, end or start + 1)
        self.at = found.start() if found else len(self.text)
