"""Pictures that a training leaves in its folder: curves.png, and where it tells classes apart
confusion.png and, of pictures, mistakes.png. In: a run that has ended; out: files, and what kept one
from being drawn. No run fails by them.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netspec.read_options import Reading

__all__ = ["draw_confusion", "draw_curves"]

MOST = 20_000
"""Test samples that are run once more for a picture; more can take longer than a user who waits would."""
SILENT = ("NS750", "NS684", "NS681")
"""No loss tells classes apart, or there are no test data."""


def draw_curves(run: Path) -> None:
    """curves.png, as `netspec see curves RUN` draws them."""
    from netspec.seeing.log import curves_of, read_log
    from netspec.seeing.seen import Seen
    from netspec.seeing.views.curves import draw

    curves = curves_of(read_log(run))
    if curves:
        write(run / "curves.png", [*draw(Seen("curves", "", (), {"curves": curves}))])


def draw_confusion(run: Path, device: str, reading: "Reading") -> str:
    """confusion.png and mistakes.png, as `netspec see confusion RUN` and `see mistakes RUN` draw them;
    why not, where that is worth a line.
    """
    from netspec.diagnostics import SpecError

    try:
        return draw_matrix(run, device, reading)
    except SpecError as error:
        found = error.diagnostics[0]
        if found.code in SILENT:
            return ""
        return f"no confusion.png: {found.fact}"
    except (ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError) as error:
        return f"no confusion.png: {type(error).__name__}: {error}"


def draw_matrix(run: Path, device: str, reading: "Reading") -> str:
    from netspec.seeing.judged import judge
    from netspec.seeing.seen import Asked
    from netspec.seeing.subject import open_subject
    from netspec.seeing.views import confusion, mistakes

    subject = open_subject(str(run), reading=reading, device=device)
    judge(subject.need_net("confusion"), "test", MOST)
    asked = Asked(reading=reading)
    write(run / "confusion.png", [next(confusion.draw(confusion.see(subject, asked)))])
    seen = mistakes.see(subject, asked)
    if "pictures" in seen.arrays and seen.values["shown"]:
        write(run / "mistakes.png", [*mistakes.draw(seen)])
    else:  # those of an earlier end may be none now
        (run / "mistakes.png").unlink(missing_ok=True)
    return ""


def write(path: Path, figures: list[Any]) -> None:
    from netspec.pictures.png import write_png
    from netspec.seeing.writing import join_pictures

    write_png(path, join_pictures(figures, path), "NS673", follow=False)
