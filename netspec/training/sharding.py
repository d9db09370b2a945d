"""Which trainings can spread their weights over processes. In: a program, a world; out: NS770 at the
word, or nothing.
"""

from collections.abc import Iterator

from netspec import driver
from netspec.diagnostics import Diagnostic, SpecError
from netspec.ir.graph import TypedGraph
from netspec.resolve.sections.train import TrainSection
from netspec.training.batches.feeds import section_of
from netspec.training.world import World

__all__ = ["check_shard"]


def check_shard(program: driver.Program, world: World) -> None:
    """NS770 for each thing that weights in parts do not go with; alone, nothing is spread."""
    section = section_of(program)
    if not section.shard or world.size == 1:
        return
    written = program.resolved.spec.section("train")
    at = written.key_span("shard") if written is not None else None
    facts = [*refused_words(section), *refused_weights(program.training_graph("train"))]
    if facts:
        raise SpecError([Diagnostic("NS770", fact, at) for fact in facts])


def refused_words(section: TrainSection) -> Iterator[str]:
    """Words of the training that need whole tensors."""
    if section.players:
        yield "train.players: each learns while the weights of the others are left out, which FSDP does not know"
    if section.compile:
        yield "train.compile: machine code is made for one process's whole weights"
    if section.keep_zeros:
        yield "train.keep_zeros: it looks at whole weights in each backward pass"
    if section.precision == "fp16":
        yield "train.precision fp16: whether a gradient overflowed is known to the process that has its part; bf16 needs no such check"
    if section.layout == "channels_last":
        yield "train.layout channels_last: FSDP cuts weights along their first axis, in contiguous memory"
    if section.average is not None and section.average.type == "SWA":
        yield "train.average SWA: statistics are measured anew by a net that is whole; EMA measures none"


def refused_weights(typed: TypedGraph) -> Iterator[str]:
    """Weights that cannot be cut."""
    for (node, index), (owner, _) in typed.shared.items():
        name = typed.weights[node][index].name
        yield f"{node.name} and {owner.name} have one {name}: it would be gathered and let go twice"
    for node, weights in typed.weights.items():
        for weight in weights:
            if not weight.shape and weight.kind == "parameter":
                yield f"{node.name} has a {weight.name} that is one number, without rows"
