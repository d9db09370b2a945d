"""Which first spec is for which data. In: a path; out: a Draft."""

from pathlib import Path

from netspec.data.inventory.kinds import recognise
from netspec.data.pictures.survey import Showing
from netspec.diagnostics import fail
from netspec.training.first.arrays import draft_arrays
from netspec.training.first.boxes import draft_boxes
from netspec.training.first.draft import Draft
from netspec.training.first.letters import draft_letters
from netspec.training.first.masks import draft_masks
from netspec.training.first.pictures import draft_pictures
from netspec.training.first.rows import draft_rows, say_table
from netspec.training.first.sequences import draft_sequences
from netspec.training.first.sounds import draft_sounds

__all__ = ["draft_for"]


def draft_for(path: Path, showing: Showing) -> Draft:
    """The draft of a first spec for the data at a path. Raises SpecError as recognise and the source
    do, NS735 (a kind that nothing is drafted for), NS736 (labels that nothing can be learned of).
    """
    sections = recognise(path)
    section = next(iter(sections.values()))
    match section.source:
        case "table":
            words = say_table(section)
            if words.files:
                return draft_pictures(dict.fromkeys(sections, words.section), path, showing)
            return draft_rows(words, sections, path)
        case "images" if section.masks is not None:
            return draft_masks(sections, path, showing)
        case "images":
            return draft_pictures(sections, path, showing)
        case "coco" | "voc":
            return draft_boxes(sections, path)
        case "audio":
            return draft_sounds(sections, path)
        case "sequences":
            return draft_sequences(sections, path)
        case "text":
            return draft_letters(sections, path)
        case "csv" | "npz" | "hdf5" | "lmdb" | "mnist" | "cifar10":
            return draft_arrays(sections, path)
    note = f"`data: {{source: {section.source}, path: {path.name}}}` reads it: start from `netspec init --from zoo:NAME`"
    raise fail("NS735", f"no first spec is drafted for {section.source}", path=str(path), notes=(note,))
