"""How a training went: losses, metrics and the learning rate by iteration, of one run or several.

The points are the lines of RUN/log.jsonl as they stand there: a train line is the mean since the line
before it, a test line a test; nothing is smoothed.
"""

from collections.abc import Iterator
from pathlib import Path

from netspec.diagnostics import fail
from netspec.pictures.charts import line_chart
from netspec.pictures.figure import Figure
from netspec.seeing.log import best_line, curves_of, read_log
from netspec.seeing.seen import Asked, Seen
from netspec.seeing.subject import NetSubject, Subject

__all__ = ["TAKES", "WHOLE", "draw", "see"]

WHOLE = True
TAKES = ("inputs",)


def see(subject: Subject, asked: Asked) -> Seen:
    """Points by what was measured, by run and phase. inputs: other runs."""
    if not isinstance(subject, NetSubject) or subject.folder is None:
        raise fail("NS750", "only a run has curves", path=subject.path)
    others = [Path(each) for each in asked.inputs]
    wrong = next((each for each in others if not (each / "run.json").is_file()), None)
    if wrong is not None:
        raise fail("NS683", "it holds no run.json", path=str(wrong))
    runs = {subject.folder.name or str(subject.folder): subject.folder}
    runs |= {(each.name if each.name not in runs else str(each)): each for each in others}
    curves: dict[str, dict[str, list[tuple[float, float]]]] = {}
    told = []
    for name, folder in runs.items():
        log = read_log(folder)
        told += [f"{name}: {line}" if len(runs) > 1 else line for line in best_line(log)]
        for measured, phases in curves_of(log).items():
            for phase, points in phases.items():
                called = f"{name} {phase}" if len(runs) > 1 else phase
                curves.setdefault(measured, {})[called] = points
    if not curves:
        raise fail("NS750", "the run's log has no line of a training or a test yet", path=subject.path)
    return Seen("curves", f"Curves of {', '.join(runs)}", told, {"curves": curves})


def draw(seen: Seen) -> Iterator[Figure]:
    """A chart for each thing that was measured; training dashed."""
    for measured, lines in seen.values["curves"].items():
        words = measured.replace("_", " ")
        dashed = [name for name in lines if name.endswith("train") and len(lines) > 1]
        yield Figure(words, line_chart(words, lines, "iteration", dashed=dashed))
