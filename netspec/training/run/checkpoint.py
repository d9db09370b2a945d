"""What a training needs to go on, on disk. In: weights, solver, carried state, random numbers,
place in the data; out: two files, and back.

RUN/weights.safetensors: the weights by the spec's names. RUN/solver.safetensors: all the rest. They
change together: the new weights are written beside the old, then the solver's file is replaced
(from then on the snapshot counts), then the weights take their name. The two of the snapshot before
are kept as RUN/*.before.safetensors. Of weights spread over processes each writes its rows first, as
parts of those files.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.file_writing import keep_before
from netspec.strict_json import JsonError, member
from netspec.training.learners import Team
from netspec.training.observers.averaging import Averaging
from netspec.training.optim.solver import ParameterSpec
from netspec.training.run.weights import WEIGHTS, Facts, fit, forget_parts, put, read_tensors, shapes_of
from netspec.training.shards import LIVE, Together
from netspec.training.world import ALONE, World

__all__ = ["SOLVER", "Checkpoint", "read_more"]

SOLVER = "solver.safetensors"
PENDING = "weights.next.safetensors"
BEFORE = {WEIGHTS: "weights.before.safetensors", SOLVER: "solver.before.safetensors"}
DAMAGED = ("NS001", "NS674")
MOST = 2**53
RANDOM = "random:"
CARRIED = "carried:"


class Checkpoint:
    """The snapshot of one run. `spec_hash` is that of the network: a snapshot of another one is
    refused. Of several processes the first writes, all read; any number of them goes on from it.
    """

    def __init__(
        self,
        run: Path,
        net: nn.Module,
        parameters: Sequence[ParameterSpec],
        team: Team,
        spec_hash: str,
        average: Averaging,
        spread: Together,
        world: World = ALONE,
    ) -> None:
        self.run, self.world = run, world
        self.average, self.spread = average, spread
        self.found: list[Diagnostic] = []
        self.net = net
        self.parameters = parameters
        self.team = team
        self.spec_hash = spec_hash

    @property
    def exists(self) -> bool:
        return any((self.run / name).exists() for name in (SOLVER, BEFORE[SOLVER]))

    def room(self, resumed: bool) -> int:
        """Bytes that the run's files will take: two snapshots, the best weights, and the draft of
        one; of those a resumed run has, nothing.
        """
        weights = sum(each.tensor.numel() * each.tensor.element_size() for each in self.parameters)
        state = 4 * sum(map(math.prod, self.state_shapes().values())) + weights * self.average.asked
        if resumed:
            return weights + state
        return 4 * weights + 3 * state

    def save(self, more: Facts) -> None:
        """Take a snapshot; `more` is kept beside the solver's state (JSON). NS673: it cannot be
        written; the one before stays whole.
        """
        streams = join_random(self.world, self.device) | join_carried(self.world, self.net)
        with self.average.show():
            self.spread.write(self.run / PENDING, self.weights(), self.facts(), self.world)
        tensors, facts = self.team.state()
        self.write(tensors | streams | self.live(), {**self.facts(), **facts, "more": more})
        self.tidy()

    def write(self, state: dict[str, Tensor], facts: Facts) -> None:
        """The solver's half; the weights wait for it."""
        try:
            if self.world.first:
                self.keep_before()
            self.spread.write(self.run / SOLVER, state, facts, self.world)
        except SpecError:
            (self.run / PENDING).unlink(missing_ok=True)
            raise
        if self.world.first:
            self.settle()

    def save_weights(self, path: Path, more: Facts) -> None:
        """Write the weights alone, with their facts. All processes find them then."""
        self.spread.write(path, self.weights(), {**self.facts(), **more}, self.world)
        self.tidy()

    def tidy(self) -> None:
        """Remove the parts of files that are no more; until then no process begins new ones."""
        if self.world.first:
            forget_parts(self.run)
        self.world.wait()

    def keep_before(self) -> None:
        """Keep the snapshot that there is, of which the last one before is dropped."""
        if all((self.run / name).exists() for name in BEFORE):
            for name, before in BEFORE.items():
                keep_before(self.run / name, self.run / before, "NS673")

    def load(self) -> Facts:
        """Go back to the snapshot: weights, solver, carried state, random numbers; what was given
        as `more`. Where it is damaged, the one before takes its place (NS604, in `found`).

        NS674: both are damaged, or the two files are not of one snapshot. NS675: of another network
        or another rule. NS676: a tensor does not fit.
        """
        if self.world.first:  # it may finish or replace files, which the others then read
            more = self.load_whole()
        self.world.wait()
        if not self.world.first:
            more = self.load_last()
        return more

    def load_whole(self) -> Facts:
        """Go back to the last snapshot that is whole."""
        try:
            return self.load_last()
        except SpecError as error:
            iteration = self.iteration_before()
            if iteration is None or not all(each.code in DAMAGED for each in error.diagnostics):
                raise
            for name, before in BEFORE.items():
                keep_before(self.run / before, self.run / name, "NS673")
            (self.run / PENDING).unlink(missing_ok=True)
            facts = self.load_last()
            fact = f"{error.diagnostics[0].fact}: the training goes on from the one of iteration {iteration}"
            self.found.append(Diagnostic("NS604", fact, path=error.diagnostics[0].path))
            return facts

    def iteration_before(self) -> int | None:
        """The iteration of the snapshot before the last; None where it is not whole either."""
        try:
            made = [self.spread.read(self.run / name).facts for name in BEFORE.values()]
        except SpecError:
            return None
        number, *others = (facts.get("iteration") for facts in made)
        if type(number) is int and all(other == number for other in others):
            return number
        return None

    def load_last(self) -> Facts:
        """Go back to the last snapshot."""
        path = self.run / SOLVER
        tensors, facts, shapes = self.spread.read(path)
        self.check(facts, path)
        self.recover(facts["iteration"])
        random, state = split_by_prefix(tensors, RANDOM)
        streams, state = split_by_prefix(state, CARRIED)
        live, state = split_by_prefix(state, LIVE)
        if state:
            needed = self.state_shapes()
            fit({name: shapes[name] for name in needed if name in state}, needed, path)
        if self.load_weights().get("iteration") != facts["iteration"]:
            raise fail(
                "NS674",
                f"{SOLVER} is of iteration {facts['iteration']}, {WEIGHTS} is not",
                path=str(self.run / WEIGHTS),
            )
        if live:
            fit({name: shapes[f"{LIVE}{name}"] for name in live}, self.shapes(), path)
            self.split(live)
        self.team.load_state(state, facts)
        try:
            carry_on(self.net, streams, self.device, self.world)
        except ValueError as error:
            raise fail("NS674", f"what the layers carried is not usable: {error}", path=str(path)) from error
        set_random_state(own_random(random, self.world, facts), self.device, path)
        return dict(facts["more"])

    @contextmanager
    def show(self) -> Iterator[None]:
        """While the block runs, the net's tensors hold what the run's weights do."""
        with self.average.show(), self.spread.whole():
            yield

    def load_weights(self) -> Facts:
        """Take over the run's weights, of which a process may have rows; the file's facts."""
        path = self.run / WEIGHTS
        tensors, facts, shapes = self.spread.read(path)
        fit(shapes, self.shapes(), path)
        put(tensors, self.spread.parts)
        return facts

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the whole weights by name, of which a process may hold rows alone."""
        return shapes_of({each.name: each.tensor for each in self.parameters})

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the solver's tensors, as the file has them."""
        return self.spread.widen(self.team.state_shapes())

    def live(self) -> dict[str, Tensor]:
        """The weights that training moves, where the run's weights are an average of them."""
        if not self.average.count:
            return {}
        return {f"{LIVE}{name}": tensor for name, tensor in self.weights().items()}

    def split(self, live: Mapping[str, Tensor]) -> None:
        """Where the run's weights, just loaded, are an average: keep them as that, and go on with
        the ones that training moves.
        """
        self.average.take()
        put(live, self.spread.parts)

    def check(self, facts: Facts, path: Path) -> None:
        """Whether the facts of a solver file are ours."""
        check_solver(facts, path)
        if facts["spec_hash"] != self.spec_hash:
            raise fail(
                "NS675",
                f"it was trained as {facts['spec_hash']}, the spec is {self.spec_hash}",
                path=str(path),
            )
        if facts["type"] != self.team.type:
            raise fail(
                "NS675",
                f"its solver is {facts['type']}, the spec's is {self.team.type}",
                path=str(path),
            )

    def settle(self) -> None:
        """Give the new weights, which belong to the solver's file, their name."""
        try:
            (self.run / PENDING).replace(self.run / WEIGHTS)
        except OSError as error:
            raise fail("NS673", error.strerror or str(error), path=str(self.run / WEIGHTS)) from error

    def recover(self, iteration: int) -> None:
        """Finish a snapshot that was killed after its solver's file (of `iteration`) had been
        replaced; drop one killed before.
        """
        pending = self.run / PENDING
        if pending.exists() and self.spread.read(pending).facts.get("iteration") == iteration:
            self.settle()

    def weights(self) -> dict[str, Tensor]:
        """What this process has of the weights: its rows, where they are spread."""
        return {each.name: each.tensor for each in self.spread.parts}

    def facts(self) -> Facts:
        return {"spec_hash": self.spec_hash, "iteration": self.team.iteration}

    @property
    def device(self) -> torch.device:
        return self.team.device


def read_more(path: Path) -> Mapping[str, Any]:
    """What a snapshot's solver file says beside the solver: where in the data it stood, how the net
    ran. NS674: it is damaged.
    """
    facts = read_tensors(path, [path.parent])[1]
    check_solver(facts, path)
    more: Mapping[str, Any] = facts["more"]
    return more


def check_solver(facts: Facts, path: Path) -> None:
    """Raises SpecError NS674 where facts are none of a solver file."""
    try:
        check_facts(facts)
    except JsonError as error:
        said = f"it is a safetensors file, but not the state of a solver: {error}"
        raise fail("NS674", said, path=str(path)) from error


def check_facts(facts: Facts) -> None:
    """Raises JsonError where the facts of a solver file are not what `save` writes."""
    for key, kind in {
        "iteration": int,
        "type": str,
        "scales": dict,
        "more": dict,
        "spec_hash": str,
    }.items():
        member(facts, key, kind)
    if not 0 <= facts["iteration"] < MOST:
        raise JsonError(f"iteration must be from 0 to {MOST}: it is {facts['iteration']}")
    for name in facts["scales"]:
        if not member(facts["scales"], name, float, int) > 0:
            raise JsonError(f"the scale of {name:.80} must be above 0")
    more = facts["more"]
    check_place(member(more, "data", dict))
    losses, best = member(more, "losses", dict), member(more, "best", dict)
    member(more, "observers", dict, missing={})  # snapshots of before 2026-12 hold none
    check_pace(member(more, "pace", dict, missing={}))
    for name in best:
        member(best, name, float, int)
    if best:
        member(best, "iteration", int)
    for name in losses:
        if not all(type(each) in (int, float) for each in member(losses, name, list)):
            raise JsonError(f"losses of {name:.80} must be numbers")


def check_pace(state: Mapping[str, Any]) -> None:
    """Raises JsonError where how a net ran is not what the pace's `state` gives."""
    for key in state:
        if key != "compiled":
            member(state, key, float, int)
        elif not all(each in (True, False, None) for each in member(state, key, list)):
            raise JsonError("compiled must be true, false or null for each net")


def check_place(state: Mapping[str, Any]) -> None:
    """Raises JsonError where a place in the data is not what the batches' `state` gives: numbers
    and the data's hash, or those of several sources.
    """
    kinds = {"parts": list, "data": str}
    for key in state:
        member(state, key, kinds.get(key, int))
    for part in state.get("parts", ()):
        if not isinstance(part, dict):
            raise JsonError("a place in the data must be an object")
        for key in part:
            member(part, key, kinds.get(key, int))


def split_by_prefix(
    tensors: Mapping[str, Tensor], prefix: str
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors whose names begin with a prefix, without it; and the others."""
    found = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return found, {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}


def streams_of(net: nn.Module) -> dict[str, Any]:
    """The recurrent layers by the paths of their modules: each carries `state`, a tuple of tensors
    or None, from call to call.
    """
    return {
        path: module
        for path, module in net.named_modules()
        if hasattr(module, "reset_state") and hasattr(module, "state")
    }


def read_carried(net: nn.Module) -> dict[str, Tensor]:
    """What recurrent layers carry to the next call."""
    return {
        f"{CARRIED}{path}:{i}": part
        for path, module in streams_of(net).items()
        for i, part in enumerate(module.state or ())
    }


def join_carried(world: World, net: nn.Module) -> dict[str, Tensor]:
    """What recurrent layers carry, of all processes: a stream is a row, and theirs take turns."""
    parts = world.gather(read_carried(net))
    if len(parts) == 1:
        return dict(parts[0])
    return {
        name: torch.stack([part[name] for part in parts], 1).flatten(0, 1)
        for name in parts[0]
        if all(name in part and part[name].shape == parts[0][name].shape for part in parts)
    }


def carry_on(net: nn.Module, parts: Mapping[str, Tensor], device: torch.device, world: World = ALONE) -> None:
    """Give recurrent layers what they carried; those of which nothing was kept begin anew."""
    for path, module in streams_of(net).items():
        names = sorted(
            (name for name in parts if name.rpartition(":")[0] == path),
            key=lambda name: int(name.rpartition(":")[2]),
        )
        rows = slice(world.rank, None, world.size)
        module.state = tuple(parts[name][rows].to(device) for name in names) or None


def random_state(device: torch.device) -> dict[str, Tensor]:
    """PyTorch's generators: the CPU's, and the GPU's where the net is there."""
    states = {f"{RANDOM}cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states[f"{RANDOM}cuda"] = torch.cuda.get_rng_state(device)
    return states


def join_random(world: World, device: torch.device) -> dict[str, Tensor]:
    """The generators of all processes; those after the first with their number."""
    states = world.gather(random_state(device))
    return {
        f"{name}@{rank}" if rank else name: tensor
        for rank, state in enumerate(states)
        for name, tensor in state.items()
    }


def own_random(states: Mapping[str, Tensor], world: World, facts: Facts) -> dict[str, Tensor]:
    """The generators of this process; where there was none of its number, one that follows from
    the first one's.
    """
    mark = f"@{world.rank}"
    if world.first:
        return {name: tensor for name, tensor in states.items() if "@" not in name}
    own = {name.removesuffix(mark): tensor for name, tensor in states.items() if name.endswith(mark)}
    if "cpu" in own or "cpu" not in states:
        return own
    return {"cpu": state_after(states["cpu"], world.rank + facts["iteration"] * world.size)}


def state_after(state: Tensor, number: int) -> Tensor:
    """The state of a generator seeded by what another one draws next, and a number."""
    generator = torch.Generator()
    generator.set_state(state)
    drawn = torch.randint(2**62, (), generator=generator)
    return generator.manual_seed(int(drawn) ^ number).get_state()


def set_random_state(states: Mapping[str, Tensor], device: torch.device, path: Path) -> None:
    """Set what was kept; a run that moves to another kind of device keeps that device's own
    generator.
    """
    try:
        torch.set_rng_state(states["cpu"])
        if device.type == "cuda" and "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"], device)
    except (KeyError, RuntimeError, TypeError) as error:
        raise fail(
            "NS674", f"the state of the random numbers is not usable: {error}", path=str(path)
        ) from error
