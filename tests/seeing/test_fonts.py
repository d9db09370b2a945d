"""Names in any writing: drawn with a font that has their letters, else as codes, never as boxes."""

from typing import Any

import numpy as np
import pytest

from netspec.pictures import fonts
from netspec.pictures.fonts import NOWHERE, set_text
from netspec.pictures.matrices import confusion_drawing
from netspec.pictures.raster import fit_text, raster
from netspec.pictures.shapes import Drawing, Text, text_width

NAMES = ("水", "日", "שלום", "سلام", "Käse", "cat")


def drawn(text: str) -> Any:
    return raster(Drawing(120, 30, (Text(4, 20, text),)))


@pytest.mark.parametrize("machine", ["its own fonts", "none"])
def test_names_are_told_apart_and_are_no_boxes(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if machine == "none":
        monkeypatch.setattr(fonts, "found_fonts", lambda: ())
    pictures = [drawn(name) for name in NAMES]
    boxes = [drawn(NOWHERE * n) for n in range(1, 5)]
    for i, one in enumerate(pictures):
        assert (one < 200).any() and not any(np.array_equal(one, each) for each in [*pictures[:i], *boxes])


def test_letters_without_a_font_are_their_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "found_fonts", lambda: ())
    assert [set_text(name, 12)[1] for name in ("水b", "Käse", "cat → dog", "a b")] == [
        "\\u6c34b",
        "K\\xe4se",
        "cat > dog",
        "a b",
    ]


def test_right_to_left_needs_raqm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it letters would stand in the wrong order."""
    from PIL import features

    monkeypatch.setattr(fonts, "found_fonts", lambda: ("any",))
    monkeypatch.setattr(fonts, "has_letter", lambda path, letter: bool(path) or letter.isascii())
    monkeypatch.setattr(fonts, "font_of", lambda path, size: path)
    assert set_text("שלום", 12) == ("any", "שלום")
    monkeypatch.setattr(features, "check", lambda name: False)
    assert set_text("של", 12) == ("", "\\u05e9\\u05dc") and set_text("水", 12) == ("any", "水")


def test_codes_stay_in_their_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "found_fonts", lambda: ())
    for shape in (Text(0, 0, "日本語", 11, room=30), Text(0, 0, "日本語", 11), Text(0, 0, "Łódź", 11)):
        made, text = fit_text(shape, 2)
        assert text.startswith("\\u") and made.getlength(text) <= 2 * (
            shape.room or text_width(shape.text, 11)
        )
    drawing = confusion_drawing(["日本語", "b"], [[1, 0], [0, 1]])
    assert all(
        text.room
        for text in drawing.shapes
        if isinstance(text, Text) and text.y < 62 and text.size == 11 and text.anchor == "middle"
    )
