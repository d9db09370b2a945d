"""What `train:` and `image:` must satisfy beyond their types: words of the solver that go together,
a contract that fits its input, fillers of inputs that are there. Who learns what needs the typed
net: analysis/players.py.
"""

from collections.abc import Mapping, Sequence

from netspec.diagnostics.model import Diagnostic, Diagnostics, Edit, Fix
from netspec.diagnostics.suggest import did_you_mean, nearest
from netspec.ir.dims import Size
from netspec.ir.graph import Input
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.solver import solver_faults
from netspec.resolve.sections.spec_file import SpecFile
from netspec.resolve.sections.train import ELSEWHERE, SOURCES, TrainSection, find_missing
from netspec.syntax.located import Located
from netspec.syntax.spec import Spec

__all__ = ["check_contract", "check_fillers", "check_sources", "check_training"]


def check_training(spec: Spec, file: SpecFile, diagnostics: Diagnostics) -> None:
    """NS670 for each word of the solver that does not go with another, at that word; NS641 for data
    that are not whole.
    """
    section = spec.section("train")
    if file.train is None or section is None:
        return
    check_data(section, file.train, diagnostics)
    solver = section.get("solver")
    if solver is None:
        return
    for word, fact in solver_faults(file.train.solver):
        own = solver.get(word)
        diagnostics.add(
            Diagnostic("NS670", fact, own.span if own is not None else section.key_span("solver"))
        )
    # what holds of train.solver is not told again of each player
    said = {fact for _, fact in solver_faults(file.train.solver)}
    for name, player in file.train.players.items():
        body = section.mapping["players"].mapping[name]
        for word, fact in (
            solver_faults(player.solver.over(file.train.solver)) if player.solver is not None else ()
        ):
            if fact not in said:
                own = body.mapping["solver"].get(word) or body.mapping["solver"]
                diagnostics.add(Diagnostic("NS670", f"{name}: {fact}", own.span))


def check_data(section: Located, train: TrainSection, diagnostics: Diagnostics) -> None:
    """NS641 for a section of data without a word that its source needs, and for a part that is drawn
    and that nothing reads.
    """
    for name in ("data", "val_data", "test_data"):
        data, body = getattr(train, name), section.get(name)
        fact = find_missing(data) if data is not None else ""
        if fact and body is not None:
            source = body.get("source") or body
            diagnostics.add(Diagnostic("NS641", fact, source.span, "incomplete"))
    for role in ("val", "test") if train.split is not None else ():
        if getattr(train.split, role) and getattr(train, f"{role}_data") is None:
            place = section.mapping["split"].key_span(role)
            fact = f"train.split sets {role} apart: nothing reads it, there is no {role}_data"
            diagnostics.add(Diagnostic("NS641", fact, place, f"{role}_data is missing"))


def check_sources(section: Located, diagnostics: Diagnostics) -> None:
    """NS640 for a source of data that nothing knows. section: `train:`."""
    for body in map(section.get, ("data", "val_data", "test_data")):
        if body is not None and isinstance(body.value, dict):
            own = body.get("source")
        else:
            own = body
        if own is None or own.value is None or isinstance(own.value, (dict, list)):
            continue
        word = own.text  # a number is the name of a source, too, as texts are read
        if word in SOURCES or word.startswith("python:"):
            continue
        near = find_meant(word)
        edits = (
            # in quotes, or from a variable, the place holds another text
            (Edit(own.span, near[0]),) if near and own.span is not None and own.span.text == word else ()
        )
        notes = () if near else (f"there are {', '.join(SOURCES)}, python:module:Class",)
        fixes = (Fix(f"write {near[0]}", edits),) if near else ()
        diagnostics.add(
            Diagnostic(
                "NS640",
                word,
                own.span,
                did_you_mean(near),
                notes=notes,
                fixes=fixes,
            )
        )


def find_meant(word: str) -> Sequence[str]:
    """The sources that a word may mean: what another tool calls so, else what is written alike."""
    plain = word.lower().replace("_", "").replace("-", "").replace(" ", "")
    meant = [name for name, words in ELSEWHERE.items() if plain in words]
    return meant or nearest(word, SOURCES)


def check_fillers(
    section: Located,
    fillers: Mapping[str, object],
    inputs: tuple[Input, ...],
    diagnostics: Diagnostics,
) -> None:
    """NS689 where `train.fill` names no input, or one whose samples have no fixed size. section:
    `train:`.
    """
    types = {given.value.name: given.type for given in inputs}
    for name in fillers:
        span = section.mapping["fill"].key_span(name)
        near = nearest(name, types)
        if name not in types:
            known = did_you_mean(near, f"the inputs are {', '.join(types) or 'none'}")
            diagnostics.add(Diagnostic("NS689", f"no input is called {name}", span, known))
            continue
        kind = types[name]
        unknown = [str(size) for size in kind.shape if not isinstance(size, int)] if kind is not None else []
        if len(unknown) > 1:
            diagnostics.add(
                Diagnostic(
                    "NS689",
                    f"{name} may have one open size, the number of samples: it has {', '.join(unknown)}",
                    span,
                )
            )


def check_contract(
    name: str,
    contract: ImageContract | None,
    shape: tuple[Size, ...],
    body: Located,
    diagnostics: Diagnostics,
) -> None:
    """NS660 where the `image:` of an input does not fit the input's shape."""
    if contract is None:
        return
    problem = contract.conflict(tuple(size if isinstance(size, int) else None for size in shape[1:]))
    if problem:
        diagnostics.add(Diagnostic("NS660", f"input {name}: {problem}", body.key_span("image")))
