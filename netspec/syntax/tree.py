"""YAML's events in, a tree with places out, in one iterative pass that counts depth, size and what
aliases add. Knows no layer.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import yaml

from netspec.diagnostics import Diagnostic, Diagnostics, Label
from netspec.source import Source, Span
from netspec.syntax import yaml_slips as accidents
from netspec.syntax.limits import ALIAS_NODES, DEPTH, LOOK_AHEAD, NODES
from netspec.syntax.located import Located
from netspec.syntax.scalars import resolve

__all__ = ["TreeBuilder", "YamlDamage"]

_Loader: Any = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # PyYAML may be without its C part, as in a browser
_TOO_DEEP = f"collections may be nested {DEPTH} deep; this one is deeper"
_NESTING = {
    yaml.FlowSequenceStartToken: 1,
    yaml.FlowMappingStartToken: 1,
    yaml.FlowSequenceEndToken: -1,
    yaml.FlowMappingEndToken: -1,
    yaml.BlockSequenceStartToken: 1,
    yaml.BlockMappingStartToken: 1,
    yaml.BlockEndToken: -1,
}


class YamlDamage(Exception):  # noqa: N818 - what befell the text
    """The text is not YAML: the parser's words, where it stopped, where the unfinished thing began,
    and the last scalar before.
    """

    def __init__(self, problem: str, at: int, opened: int | None, last: Span) -> None:
        super().__init__(problem)
        self.problem = problem
        self.at = at
        self.opened = opened
        self.last = last


class _Stop(Exception):  # noqa: N818 - it ends the reading, the finding is made
    """A finding after which reading on would mislead."""


class _Frame:
    """A collection being filled: a mapping if `entries` is a dict, `key` is set between a key and
    its value.
    """

    __slots__ = ("anchor", "before", "entries", "flow", "items", "key", "keys", "node", "start")

    def __init__(
        self,
        value: "dict[str, Located] | list[Located]",
        start: int,
        flow: bool,
        anchor: str | None,
        before: int,
    ) -> None:
        self.entries = value if isinstance(value, dict) else None
        self.items = value if isinstance(value, list) else []
        self.keys: dict[str, Span] = {}
        self.node = Located(value, None, keys=self.keys)
        self.key: str | None = None
        self.start = start
        self.flow = flow
        self.anchor = anchor
        self.before = before


class _Anchor(NamedTuple):
    node: Located | None  # None while its collection is still open
    span: Span
    size: int


class TreeBuilder:
    """Reads one source, once."""

    def __init__(self, source: Source, diagnostics: Diagnostics) -> None:
        self.source = source
        self.diagnostics = diagnostics
        self.frame = _Frame([], 0, False, None, 0)
        self.stack: list[_Frame] = []
        self.anchors: dict[str, _Anchor] = {}
        self.nodes = 0
        self.added = 0  # of them, by aliases
        self.end = 0  # where the last value ended
        self.last = Span(source, 0, 0)  # the last scalar, for the account of damage
        self.event: Any = None  # the last one

    def build(self) -> Located | None:
        """The tree, or None with a finding. Raises YamlDamage where the text is not YAML."""
        try:
            self._read()
        except _Stop:
            return None
        except yaml.MarkedYAMLError as error:
            if self._deep_ahead(error.problem_mark.index if error.problem_mark else len(self.source.text)):
                return None
            opened = error.context_mark.index if error.context_mark else None
            if error.problem_mark:
                at = error.problem_mark.index
            else:
                at = len(self.source.text)
            raise YamlDamage(f"{error.problem} ({error.context})", at, opened, self.last) from None
        # a control character, or a lone surrogate, which libyaml cannot be given
        except (yaml.YAMLError, UnicodeEncodeError):
            raise YamlDamage("unprintable", 0, None, self.last) from None
        roots = self.frame.items
        if not roots or (roots[0].value is None and not roots[0].text):
            self.diagnostics.add(
                Diagnostic("NS003", f"{self.source.name} has no content", path=self.source.name)
            )
            return None
        return roots[0]

    def _read(self) -> None:
        handlers: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._open,
            yaml.SequenceStartEvent: self._open,
            yaml.MappingEndEvent: self._close,
            yaml.SequenceEndEvent: self._close,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }
        next_event = _Loader(self.source.text).get_event
        while (event := next_event()).__class__ is not yaml.StreamEndEvent:
            self.event = event
            handler = handlers.get(event.__class__)
            if handler:
                handler(event)

    def _scalar(self, event: Any) -> None:
        text: str = event.value
        style = event.style
        frame = self.frame
        span = Span(self.source, event.start_mark.index, event.end_mark.index)
        # the parser's places then take in more than the value
        if event.tag is not None or event.anchor is not None or style in ("|", ">"):
            span = self._bare(event, span)
        if frame.entries is not None and frame.key is None:
            if text in frame.entries or (not style and (not text or text[0] in accidents.ODD_KEY_STARTS)):
                self._odd_key(frame, text, span, plain=not style)
            frame.keys.setdefault(text, span)
            frame.key = text
            if event.anchor is not None:
                self.anchors[event.anchor] = _Anchor(Located(text, span, text=text), span, 1)
            return
        self.last = span
        if style:
            node = Located(text, span, text=text)
        else:
            node = self._plain(frame, text, span)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchor(node, span, 1)
        self.end = span.end
        self._put(frame, node)

    def _plain(self, frame: _Frame, text: str, span: Span) -> Located:
        try:
            node = Located(resolve(text), span, text=text, plain_style=True)
        except ValueError as error:
            self.diagnostics.error("NS008", str(error), span)
            node = Located(0, span, text=text, plain_style=True)
        # what a slip leaves behind: all other values are spared the question
        if not text or text[0] == "-" or ":" in text:
            found = accidents.in_value(
                node, frame.keys[frame.key] if frame.key is not None else None, frame.flow
            )
            if found:
                self.diagnostics.add(found)
        return node

    def _put(self, frame: _Frame, node: Located) -> None:
        self.nodes += 1
        if self.nodes > NODES and node.span:
            self._stop("NS008", f"a spec may have {NODES:,} values; this is one more", node.span)
        if frame.entries is None:
            frame.items.append(node)
        elif frame.key is not None:
            frame.entries.setdefault(frame.key, node)
            frame.key = None

    def _open(self, event: Any) -> None:
        frame = self.frame
        span = Span(
            self.source,
            event.start_mark.index,
            max(event.end_mark.index, event.start_mark.index + 1),
        )
        if event.tag is not None or event.anchor is not None:
            span = self._bare(event, span)
        if frame.entries is not None and frame.key is None:
            self.diagnostics.add(accidents.collection_as_key(span))
            raise _Stop
        # while events come: composing 50,000 brackets kills the process (PyYAML, C loader)
        if len(self.stack) >= DEPTH:
            self._stop("NS007", _TOO_DEEP, Span(self.source, span.start, span.start + 1))
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchor(None, span, 0)
        self.stack.append(frame)
        value: dict[str, Located] | list[Located] = {} if event.__class__ is yaml.MappingStartEvent else []
        self.frame = _Frame(value, span.start, event.flow_style, event.anchor, self.nodes)

    def _close(self, event: Any) -> None:
        frame = self.frame
        if frame.flow:
            self.end = event.end_mark.index
            if self.source.text[self.end - 1] not in "]}":  # `[key: ]`: a pair without braces
                self.end = frame.start + len(self.source.text[frame.start : self.end].rstrip())
        span = frame.node.span = Span(self.source, frame.start, self.end)
        if frame.anchor is not None:
            self.anchors[frame.anchor] = _Anchor(frame.node, span, self.nodes - frame.before + 1)
        self.frame = self.stack.pop()
        self._put(self.frame, frame.node)

    def _alias(self, event: Any) -> None:
        frame = self.frame
        name: str = event.anchor
        span = Span(self.source, event.start_mark.index, event.end_mark.index)
        if frame.entries is not None and frame.key is None:
            self._stop("NS014", f"the key is the alias *{name}; a key must be text", span)
        anchor = self.anchors.get(name)
        if anchor is None:
            self.diagnostics.add(accidents.unknown_alias(name, span, list(self.anchors)))
            raise _Stop
        if anchor.node is None:
            self._stop(
                "NS010",
                f"*{name} stands inside &{name}",
                span,
                Label(anchor.span, f"&{name} begins here"),
            )
        self.added += anchor.size
        if self.added > ALIAS_NODES:
            self._stop(
                "NS009",
                f"aliases may add {ALIAS_NODES:,} values; *{name} adds {anchor.size:,}, {self.added:,}"
                " in all",
                span,
            )
        # _put counts one of them
        self.nodes += anchor.size - 1
        self.end = span.end
        self._put(frame, self._copy(anchor.node, span, len(self.stack)))

    def _copy(self, node: Located, alias: Span, depth: int) -> Located:
        """The value of an anchor once more, marked with the alias that brought it here."""
        value = node.value
        if isinstance(value, (dict, list)) and depth >= DEPTH:
            self._stop(
                "NS007",
                f"collections may be nested {DEPTH} deep; with its aliases expanded this one is deeper",
                alias,
            )
        if isinstance(value, dict):
            value = {key: self._copy(item, alias, depth + 1) for key, item in value.items()}
        elif isinstance(value, list):
            value = [self._copy(item, alias, depth + 1) for item in value]
        return Located(
            value,
            node.span,
            text=node.text,
            plain_style=node.plain_style,
            keys=node.keys,
            used=(*node.used, alias),
            why=node.why,
        )

    def _document(self, event: Any) -> None:
        if self.frame.items:
            self._stop(
                "NS012",
                "a spec is one document; here a second one begins",
                Span(self.source, event.start_mark.index, event.end_mark.index),
            )

    def _odd_key(self, frame: _Frame, text: str, span: Span, *, plain: bool) -> None:
        found = accidents.in_key(text, span, plain=plain)
        if found is None and text in frame.keys:
            first = frame.keys[text]
            found = Diagnostic(
                "NS006",
                f"`{text}` stands twice in this mapping",
                span,
                label="again here",
                others=(Label(first, "first here"),),
            )
        if found is not None:
            self.diagnostics.add(found)

    def _bare(self, event: Any, span: Span) -> Span:
        """The span of a value without its anchor; for block text, without the line break that ends
        it. Tags are refused.
        """
        if event.tag is not None:
            self.diagnostics.add(accidents.tag(event.tag, span))
        text = self.source.text
        start = accidents.skip_properties(text, span.start)
        if event.__class__ is not yaml.ScalarEvent:
            return Span(self.source, start, max(start, span.end))
        if start < span.end:
            return Span(self.source, start, start + len(text[start : span.end].rstrip()))
        end = span.start + len(text[span.start : span.end].rstrip())
        return Span(self.source, end, end)

    def _deep_ahead(self, failed: int) -> bool:
        """Whether what the parser saw ahead, between the last event and its failure, is nested too
        deep: then that is the finding.

        Parsers look ahead over a thousand characters for the colon of a key, and newer ones give up
        there over a depth of their own.
        """
        start, depth = self.event.end_mark.index if self.event is not None else 0, len(self.stack)
        if failed - start > LOOK_AHEAD:
            return False
        scanner: Any = yaml.SafeLoader(self.source.text[start:failed])
        scanner.flow_level = depth  # inside brackets: no indentation counts
        try:
            while scanner.check_token():
                token = scanner.get_token()
                depth += _NESTING.get(token.__class__, 0)
                if depth > DEPTH:
                    at = start + token.start_mark.index
                    self.diagnostics.error("NS007", _TOO_DEEP, Span(self.source, at, at + 1))
                    return True
        except yaml.YAMLError:
            pass  # the failure itself, or a text cut off at it
        return False

    def _stop(self, code: str, fact: str, span: Span, *others: Label) -> NoReturn:
        self.diagnostics.error(code, fact, span, others=others)
        raise _Stop
