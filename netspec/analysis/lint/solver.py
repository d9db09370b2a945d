"""Lints on the words of a solver: words that nothing reads, and a course of the learning rate that
is odd; recipes that never act; decay that leaves no weight. NS425, NS426, NS433, NS448.
"""

from collections.abc import Iterator
from dataclasses import replace

from netspec.analysis.learning_rate.courses import Course, courses
from netspec.analysis.lint.view import Found, Lint, View
from netspec.diagnostics.model import Diagnostic
from netspec.resolve.sections.solver import SolverParameter
from netspec.resolve.sections.train import TrainSection

__all__ = ["COURSE", "heavy_decay", "idle_recipes", "odd_course", "of_solver", "unread_words"]

POLICY = {
    "fixed": (),
    "step": ("gamma", "stepsize"),
    "exp": ("gamma",),
    "inv": ("gamma", "power"),
    "multistep": ("gamma", "stepvalue"),
    "poly": ("power",),
    "sigmoid": ("gamma", "stepsize"),
    "cosine": ("min_lr",),
    "one_cycle": ("pct_start", "div_factor", "final_div_factor"),
    "warm_restarts": ("stepsize", "cycle_mult", "min_lr"),
    "plateau": ("gamma", "patience", "min_lr"),
}
"""What each policy reads."""
TYPE = {
    "SGD": ("momentum",),
    "Nesterov": ("momentum",),
    # Caffe refuses a momentum for AdaGrad and RMSProp; AdaDelta's is the decay of its means
    "AdaGrad": ("delta",),
    "RMSProp": ("rms_decay", "delta"),
    "AdaDelta": ("momentum", "delta"),
    "Adam": ("momentum", "momentum2", "delta"),
    "AdamW": ("momentum", "momentum2", "delta"),
}
"""What each rule of the update reads."""
STEEP = 10
"""A rate that rises above so many times base_lr was most often meant to fall."""
FAINT = 1e-9
"""A share of the greatest rate at which float32 weights no longer move."""

HEAVY = 0.1
"""A share of every weight that decay takes in one iteration, above which gradients cannot hold it: 0.0005 is
usual, and after 22 iterations at this share a tenth is left.
"""


def unread_words(view: View) -> Iterator[Found]:
    """NS425: a word that neither lr_policy nor the solver's type reads, with another value than it
    has anyway.
    """
    return (Found(None, each) for each in unread_in(list(courses(view.resolved, None))))


def odd_course(view: View) -> Iterator[Found]:
    """NS426: steps that never come, in no order, or that change nothing; a rate that climbs high,
    or is next to 0 for most of the time.
    """
    said = {
        (each.span, each.fact): each
        for course in courses(view.resolved, view.length)
        for each in oddities(course)
    }
    return (Found(None, each) for each in said.values())


def idle_recipes(view: View) -> Iterator[Found]:
    """NS433: a recipe of `train:` that begins behind the end of the training, or could only then
    act.
    """
    train, section = view.resolved.file.train, view.resolved.spec.section("train")
    if train is None or section is None:
        return
    if (average := train.average) is not None and average.type == "SWA":
        body = section.mapping["average"]
        if body.get("decay") is not None:
            fact = "average: type SWA reads no decay"
            yield Found(None, Diagnostic("NS425", fact, body.key_span("decay")))
    if train.label_smoothing and (train.loss is not None or has_loss(view)):
        fact = "label_smoothing is read where the net has no loss of its own: LabelSmoothingLoss is one"
        yield Found(None, Diagnostic("NS425", fact, section.key_span("label_smoothing")))
    for word, begin, why in late_recipes(train):
        if view.length is not None and begin > view.length:
            fact = f"{word} could act from iteration {begin} on, {why}: iterations are {view.length}"
            yield Found(None, Diagnostic("NS433", fact, section.mapping[word].span))
    for course in courses(view.resolved, view.length):
        begin, why = first_judged(course.words.patience, train)
        if course.words.lr_policy == "plateau" and view.length is not None and begin > view.length:
            fact = (
                f"lr_policy plateau could act from iteration {begin} on, {why}: iterations are {view.length}"
            )
            yield Found(None, Diagnostic("NS433", fact, course.place("patience", "lr_policy")))


def heavy_decay(view: View) -> Iterator[Found]:
    """NS448: decay that takes so much of each weight that none can stay what it learned."""
    said = {
        (each.span, each.fact): each for course in courses(view.resolved, None) for each in decays(course)
    }
    return (Found(None, each) for each in said.values())


def decays(course: Course) -> Iterator[Diagnostic]:
    words = course.words
    # other rules divide the decay by the gradients' own size, and L1 takes an amount, no share
    if words.type not in ("SGD", "Nesterov", "AdamW") or words.regularization_type != "L2":
        return
    momentum = words.momentum if words.type != "AdamW" else 0
    share = words.base_lr * words.weight_decay / (1 - momentum)
    if share >= HEAVY:
        sum_of = f" / (1 - momentum {momentum:g})" if momentum else ""
        fact = course.fact(
            f"each iteration takes {share:.0%} of every weight: base_lr {words.base_lr:g} x weight_decay"
            f" {words.weight_decay:g}{sum_of}"
        )
        yield Diagnostic("NS448", fact, course.place("weight_decay", "base_lr"))


def has_loss(view: View) -> bool:
    """Whether a layer of the net itself is a loss."""
    own = {draft.name for draft in view.resolved.drafts.values()}
    return any(node.name in own and any(node.loss_weights) for node in view.nodes)


def late_recipes(train: TrainSection) -> Iterator[tuple[str, int, str]]:
    """The recipes, the iteration from which each may act, and why then."""
    if train.average is not None:
        start, every = train.average.start, train.average.every
        if every == 1:
            yield "average", start, f"its start is {start}"
        else:
            second = max(start, 1) + every
            yield "average", second, f"where it is of two sets of weights, one in {every} from {start} on"
    if train.stop is not None:
        yield "stop", *first_judged(train.stop.patience, train)


def first_judged(patience: int, train: TrainSection) -> tuple[int, str]:
    """The iteration from which so many tests without a better value may have been made, and why."""
    # the first test only sets the mark that later ones may fail to better
    tests = patience + (not train.solver.test_initialization)
    every = train.solver.test_interval
    return tests * every + 1, f"after {patience} tests, one in {every}"


def of_solver(course: Course) -> Iterator[Diagnostic]:
    """Everything that is odd about a solver by itself, as warnings: one that is not yet a
    spec's.
    """
    from netspec.analysis.learning_rate.faults import nothing, unusable

    faults = [each for each in (unusable(course), nothing(course)) if each is not None][:1]
    for fault in faults:
        yield replace(
            fault,
            code="NS426",
            fact=course.fact(f"{fault.title} {fault.fact}"),
            notes=(*fault.notes, f"check and train refuse it: {fault.code}"),
        )
    yield from unread_in([course])
    yield from () if faults else (*oddities(course), *decays(course))


def unread_in(made: list[Course]) -> Iterator[Diagnostic]:
    for said in dict.fromkeys(said for course in made for said in (course.own, course.shared)):
        readers = [course for course in made if said in (course.own, course.shared)]
        for word in said.mapping:
            reasons = [
                unread(course, word)
                for course in readers
                if course.own is said or course.own.get(word) is None
            ]
            if reasons and all(reasons) and is_written(word, readers):
                if said is readers[0].shared:
                    who = "solver"
                else:
                    who = readers[0].name
                yield Diagnostic("NS425", f"{who}: {reasons[0]}", said.key_span(word))


def is_written(word: str, readers: list[Course]) -> bool:
    """Whether a word has another value than the default, which is no use to say and no harm."""
    return any(getattr(course.words, word) != SolverParameter.params[word].default for course in readers)


def unread(course: Course, word: str) -> str:
    """Why a word is not read; "" where it is."""
    words = course.words
    if any(word in each for each in POLICY.values()) and word not in POLICY[words.lr_policy]:
        return f"lr_policy {words.lr_policy} reads no {word}"
    if any(word in each for each in TYPE.values()) and word not in TYPE[words.type]:
        return f"type {words.type} reads no {word}"
    if word == "warmup_start_lr" and words.warmup_iter == 0:
        return "warmup_start_lr is read where warmup_iter is above 0"
    if word == "regularization_type" and words.weight_decay == 0:
        return "regularization_type is read where weight_decay is above 0"
    return ""


def oddities(course: Course) -> Iterator[Diagnostic]:
    # what never comes explains the shape of the rest: one cause, one finding
    for word, fact in [*disorder(course), *(late(course) or shape(course))]:
        yield Diagnostic("NS426", course.fact(fact), course.place(word, "lr_policy"))


def disorder(course: Course) -> Iterator[tuple[str, str]]:
    """What is odd whatever the length of the training."""
    words = course.words
    if words.lr_policy == "multistep":
        before = -1
        for value in words.stepvalue:
            if value <= before:
                yield (
                    "stepvalue",
                    (
                        f"stepvalue {value} stands behind {before}: steps come in the order written, each"
                        " after the last"
                    ),
                )
                break
            before = value
        if words.stepvalue[:1] == (0,):
            yield "stepvalue", "a step at iteration 0: base_lr itself is never the rate"
    if course.length is None and words.gamma == 0 and (first := first_step(words)) is not None:
        yield (
            "gamma",
            (
                f"the rate is 0 from iteration {first} on, should the training last so long:"
                f" {course.value('gamma')}"
            ),
        )


def first_step(words: SolverParameter) -> int | None:
    """The iteration at which gamma first counts, where the rate is multiplied by it."""
    firsts = {"step": words.stepsize, "exp": 1, "multistep": min(words.stepvalue, default=0)}
    return firsts.get(words.lr_policy)


def late(course: Course) -> list[tuple[str, str]]:
    """What lies behind the end of the training."""
    words, length = course.words, course.length
    if length is None:
        return []
    found = []
    if words.warmup_iter >= length:
        found.append(
            (
                "warmup_iter",
                f"the warm-up of {words.warmup_iter} iterations is not over in {length}",
            )
        )
    if "stepsize" in POLICY[words.lr_policy] and words.stepsize >= length:
        what = {"sigmoid": "its middle", "warm_restarts": "the first restart"}.get(
            words.lr_policy, "the first step"
        )
        found.append(
            (
                "stepsize",
                f"{what}, stepsize {words.stepsize}, is behind the end: iterations are {length}",
            )
        )
    never = [value for value in words.stepvalue if value >= length] if words.lr_policy == "multistep" else []
    if never:
        if len(never) == 1:
            values = f"{never[0]}"
        else:
            values = f"{never[0]} and {len(never) - 1} more"
        found.append(("stepvalue", f"stepvalue {values} is never reached: iterations are {length}"))
    return found


def shape(course: Course) -> Iterator[tuple[str, str]]:
    """What the rates of the whole training show."""
    from netspec.analysis.learning_rate.faults import BLAMED, idle
    from netspec.analysis.learning_rate.schedule import schedule

    words, length = course.words, course.length
    if length is None:
        return
    made = schedule(words, length)
    rates = dict(made.ends)
    if words.lr_policy == "inv" and words.gamma == 0:
        word = "gamma"
    else:
        word = BLAMED[words.lr_policy]
    highest = max(rates.values())
    first = min(words.warmup_iter, length - 1)
    if (
        words.lr_policy not in ("fixed", "plateau")
        and length > 1
        and len({rate for i, rate in rates.items() if i >= first}) == 1
        and first < length - 1
    ):
        yield (
            word,
            (
                f"lr_policy {words.lr_policy} leaves the rate at {rates[first]:g} all through:"
                f" {course.value(word)}"
            ),
        )
    if highest > STEEP * words.base_lr:
        at = next(i for i, rate in rates.items() if rate == highest)
        yield (
            word,
            (
                f"the rate rises to {highest:g} in iteration {at}, base_lr is {words.base_lr:g}:"
                f" {course.value(word)}"
            ),
        )
    if idle(course) and idle(course)[0][0] == length - 1:
        yield word, f"the rate is 0 in the last iteration: {course.value(word)}"
    faint = made.where(lambda rate: rate < FAINT * highest)
    # nearly all schedules end small: odd is what idles for most of the time
    if sum(last - begin + 1 for begin, last in faint) > length / 2:
        yield (
            word,
            (
                f"from iteration {faint[-1][0]} of {length} on the rate is below a billionth of {highest:g}:"
                f" {course.value(word)}"
            ),
        )


COURSE: tuple[Lint, ...] = (unread_words, odd_course, idle_recipes, heavy_decay)
