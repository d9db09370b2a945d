"""What `expect:` and `output:` say wrongly by themselves, in a net that has other faults: words,
values, and names that nothing bears.

In: a spec that was read; out: findings that no other fault explains. Numbers of the net itself are
not asked for.
"""

from collections.abc import Iterator

from netspec.diagnostics.model import Diagnostic, Diagnostics, write_nearest
from netspec.diagnostics.suggest import did_you_mean, nearest
from netspec.resolve.read_record import read_record
from netspec.resolve.resolve import Resolved
from netspec.resolve.sections.expect import Expectations, ExpectSection, Limit
from netspec.source import Span
from netspec.syntax.located import Located
from netspec.syntax.spec import Instance, Item

__all__ = ["check_words"]

COUNTED = ("hidden", "input", "output", "total")
"""Words of `expect.units` that are no names of layers."""


def check_words(resolved: Resolved, diagnostics: Diagnostics) -> None:
    """Report what `expect:` cannot mean, whatever the net (NS1xx), and names there or under
    `output:` that no word of the layers gives (NS208, NS330). A name that stands anywhere in a
    layer may be that of a layer with another fault: of such nothing is said.
    """
    section = resolved.spec.section("input")
    inputs = (
        *(given.value.name for given in resolved.inputs),
        *(section.mapping if section is not None else ()),
    )
    names = {*inputs, *COUNTED, *texts(resolved.spec.items)}
    bearers = [*inputs, *(item.name for item in every(resolved.spec.items))]

    def check(code: str, name: str, fact: str, span: Span | None) -> None:
        # res2.1.a begins with a use of a block, which may be what has the other fault
        if name not in names and name.split(".", maxsplit=1)[0] not in names:
            near = nearest(name, bearers)
            written = span is not None and span.text == name
            fixes = write_nearest(near, span if written else None)
            diagnostics.add(
                Diagnostic(
                    code,
                    f"{name} {fact}",
                    span,
                    did_you_mean(near),
                    fixes=fixes,
                )
            )

    told = {d.span for d in diagnostics.found}
    for output, span in resolved.outputs:
        if span not in told:
            check("NS208", output, "is made by no layer", span)
    expected = resolved.spec.section("expect")
    said = read_record(ExpectSection, expected, diagnostics, what="expect") if expected is not None else None
    if expected is None or said is None:
        return
    sensible(expected, said, diagnostics)
    for body in (expected, expected.get("train")):
        for name, span in find_names(body) if body is not None else ():
            check("NS330", name, "is no blob or layer of the net", span)


def sensible(section: Located, said: Expectations, diagnostics: Diagnostics) -> bool:
    """Whether every limit demands something that can be met; NS103 and NS120 at those that do
    not.
    """
    before = len(diagnostics)
    for name in said.params:
        value, body = said.__dict__[name], section.get(name)
        if body is None or value is None:
            continue
        if isinstance(value, Expectations):
            sensible(body, value, diagnostics)
        elif name == "latency" and not {"p50", "p95", "p99", "mean"} & body.mapping.keys():
            diagnostics.error("NS103", "latency demands nothing: it needs p50, p95, p99 or mean", body.span)
        limits = {name: (value, body)} if isinstance(value, Limit) else {}
        if isinstance(value, dict):
            limits = {
                f"{name}.{key}": (each, body.mapping[key])
                for key, each in value.items()
                if isinstance(each, Limit)
            }
        for path, (limit, at) in limits.items():
            fault = limit.fault()
            if fault is not None:
                diagnostics.error(fault[0], f"{path} {fault[1]}", at.span)
    return len(diagnostics) == before


def every(items: tuple[Item, ...]) -> Iterator[Item]:
    for item in items:
        yield item
        if isinstance(item, Instance):
            yield from every(item.items)


def texts(items: tuple[Item, ...]) -> Iterator[str]:
    """All that is written in layers and uses of blocks: what a blob may be called, whatever is
    wrong around it.
    """
    for item in every(items):
        yield item.name
        yield from (part.text for part in item.body.walk() if part.text)


def find_names(body: Located) -> Iterator[tuple[str, Span | None]]:
    """Names under the keys of `expect:` that go by blob or layer."""
    for key, declared in Expectations.params.items():
        part = body.get(key)
        if part is None or not isinstance(declared.default, (dict, tuple)):
            continue
        if isinstance(declared.default, dict):
            yield from ((name, part.key_span(name)) for name in part.mapping)
        else:
            yield from ((item.text, item.span) for item in part.items)
