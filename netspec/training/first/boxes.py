"""A first spec for a folder of pictures with boxes: a small single-shot detector. In: a BoxSurvey;
out: YAML.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

from netspec.data.boxes.survey import BoxSurvey, survey_boxes
from netspec.data.inventory.parts import open_sections
from netspec.data.pictures.survey import Survey
from netspec.diagnostics.words import count_of
from netspec.resolve.sections.train import DataSection
from netspec.training.first.draft import SHARES, Draft, Seen, begin, numbers, words_of
from netspec.training.first.pictures import may_flip

__all__ = ["detector_text", "draft_boxes"]

SIDES = (64, 96, 128, 160, 192, 224, 256, 320)
"""Of the square that pictures are brought to; larger ones take hours on a processor."""
SMALL_BOX = 24
"""Pixels: where a tenth of the boxes are smaller, the finer map has a place for every 4 pixels,
else 8.
"""
LONG = 1.4
"""From this ratio of their sides on, boxes need priors that are long and high."""
SEEN = 30_000
"""Pictures that a training sees: at 64 x 64 some ten minutes on two cores."""
FEWEST, MOST = 10, 100
"""Epochs, whatever SEEN asks for: fewer show nothing, more keep a person waiting."""


def draft_boxes(sections: Mapping[str, DataSection], path: Path) -> Draft:
    """The draft for a folder of pictures with boxes."""
    section = next(iter(sections.values()))
    found = survey_boxes(open_sections(sections, path), section.source)

    def text(name: str, seen: Seen, labels: str) -> str:
        return detector_text(found, name, words_of(section, seen))

    classes = count_of(len(found.classes), "class", "classes")
    said = f"{classes}, {count_of(count_learned(found), 'picture')} with boxes to train on"
    return Draft(text, (), said, (), found.findings)


def detector_text(found: BoxSurvey, name: str, where: str) -> str:
    """The whole spec; where: the words that name the data, as seen from it. Two maps, one of twice the other's
    places, say for each of some boxes how far they are off and what is in them.
    """
    return "\n".join([*head(found, name), *body(found), *heads(found), *tail(found, where)]) + "\n"


def side_of(found: BoxSurvey) -> int:
    """The side of the net's input."""
    short = median(min(size) for size in found.sizes)
    return max((side for side in SIDES if side <= short), default=SIDES[0])


def fine_stride(found: BoxSurvey) -> int:
    """Pixels between places of the finer map."""
    return 4 if found.sides[0] * side_of(found) < SMALL_BOX else 8


def priors(found: BoxSurvey) -> tuple[list[int], list[int]]:
    """Sides of the boxes around each place of the finer map and of the other, in pixels."""
    sides = [max(2, round(share * side_of(found))) for share in found.sides]
    return sides[:2], sides[2:]


def each_place(found: BoxSurvey) -> int:
    """Boxes around a place of a map: each side square, where it matters long and high, too."""
    return 2 * (3 if found.ratio > LONG else 1)


def head(found: BoxSurvey, name: str) -> Iterator[str]:
    side, channels = side_of(found), 1 if found.gray else 3
    contract = f"color: {'gray' if found.gray else 'rgb'}, resize: [{side}, {side}], "
    contract += f"mean_value: {numbers(found.mean)}, std_value: {numbers(found.deviation, 1)}"
    yield from begin(name, f"Finds {len(found.classes)} kinds of things in pictures")
    yield "input:"
    yield f"  # {found.pictures:,} pictures with {found.boxes:,} boxes were looked at"
    yield f"  data: {{shape: [N, {channels}, {side}, {side}], image: {{{contract}}}}}"
    yield "vars:"
    yield f"  classes: {len(found.classes) + 1}   # the background is class 0"
    yield f"  boxes: {each_place(found)}   # around each place of a map"
    yield "defaults:"
    yield "  Convolution: {kernel_size: 3, pad: same, weight_filler: msra}"
    yield "  BatchNorm: {moving_average_fraction: 0.95}"
    yield "  Scale: {bias_term: true}"


def body(found: BoxSurvey) -> Iterator[str]:
    yield "layers:"
    widths = (16, 32, 64, 96, 128) if fine_stride(found) == 8 else (16, 32, 64, 96)
    last = len(widths) - 2
    for i, width in enumerate(widths, 1):
        if i > 1:
            yield f"  - {{name: pool{i}, type: Pooling, pool: MAX, kernel_size: 2, stride: 2}}"
        yield f"  - {{name: conv{i}, type: Convolution, num_output: {width}, bias_term: false}}"
        yield f"  - {{name: norm{i}, type: BatchNorm}}"
        yield f"  - {{name: scale{i}, type: Scale}}"
        yield f"  - {{name: {map_name(i, last)}, type: ReLU}}"


def map_name(stage: int, last: int) -> str:
    """The two last stages are the maps that boxes are read from."""
    return {last + 1: "fine", last + 2: "coarse"}.get(stage, f"relu{stage}")


def heads(found: BoxSurvey) -> Iterator[str]:
    long = ", aspect_ratio: 2" if found.ratio > LONG else ""
    for name, sides in zip(("fine", "coarse"), priors(found), strict=True):
        yield f"  # {name}: how far each box is off, what is in it, and where it stands; sides in pixels"
        for word, count in (("loc", "4"), ("conf", "classes")):
            yield (
                f"  - {{name: {name}_{word}, type: Convolution, bottom: {name},"
                f' num_output: "${{boxes * {count}}}", weight_filler: xavier}}'
            )
            yield f"  - {{name: {name}_{word}_last, type: Permute, order: [0, 2, 3, 1]}}"
            yield f"  - {{name: {name}_{word}_flat, type: Flatten}}"
        yield (
            f"  - {{name: {name}_priors, type: PriorBox, bottom: [{name}, data],"
            f" min_size: {sides}{long}, variance: [0.1, 0.1, 0.2, 0.2]}}"
        )
    for word, axis in (("loc", 1), ("conf", 1)):
        yield f"  - {{name: {word}, type: Concat, bottom: [fine_{word}_flat, coarse_{word}_flat], axis: {axis}}}"
    yield "  - {name: scores, type: Reshape, bottom: conf, shape: {dim: [0, -1, $classes]}}"
    yield "  - {name: shares, type: Softmax, axis: 2}"
    yield "  - {name: prob, type: Flatten}"
    yield "  - {name: priors, type: Concat, bottom: [fine_priors, coarse_priors], axis: 2}"
    yield "  # of boxes of one class that overlap by more than nms_threshold the best is listed"
    yield "  - {name: found, type: DetectionOutput, bottom: [loc, prob, priors], num_classes: $classes,"
    yield "     code_type: CENTER_SIZE, confidence_threshold: 0.05, keep_top_k: 50,"
    yield "     nms_param: {nms_threshold: 0.45, top_k: 100}}"
    yield "output: found"


def tail(found: BoxSurvey, where: str) -> Iterator[str]:
    batch = max(1, min(32, count_learned(found) // 4))
    drawn = choose_parts(found)
    yield "train:"
    yield f"  data: {{{where}, split: train, batch_size: {batch}}}"
    yield "  # chooses the best weights, RUN/best.safetensors"
    yield f"  val_data: {{{where}, split: val, batch_size: {batch}}}"
    if "test" in (*found.roles, *drawn):
        yield "  # measured once, at the end: what chose nothing is an honest measure"
        yield f"  test_data: {{{where}, split: test, batch_size: {batch}}}"
    if drawn:
        yield f"  split: {{{', '.join(f'{part}: {SHARES[part]}' for part in drawn)}, seed: 0}}"
    yield from augment(found)
    yield "  loss:"
    yield "    - {name: loss, type: MultiBoxLoss, bottom: [loc, conf, priors, label], num_classes: $classes,"
    yield "       code_type: CENTER_SIZE}"
    yield "    - {name: mAP, type: DetectionEvaluate, bottom: [found, label], num_classes: $classes,"
    yield "       include: {phase: TEST}}"
    epochs = max(FEWEST, min(MOST, round(SEEN / count_learned(found))))
    each = max(1, 2 * count_learned(found) // batch)
    yield f"  # about {epochs * count_learned(found):,} pictures in all: more epochs help, if you have the time"
    yield "  solver: {type: Adam, base_lr: 0.002, weight_decay: 0.0001, lr_policy: cosine,"
    yield f"           epochs: {epochs}, test_interval: {each}, snapshot: {each}, display: 50, random_seed: 1}}"


def choose_parts(found: BoxSurvey) -> list[str]:
    """The parts that have to be drawn: val always, a test where the folder has no parts at all."""
    wanted = ("val",) if found.roles else ("val", "test")
    return [part for part in wanted if part not in found.roles]


def count_learned(found: BoxSurvey) -> int:
    """About how many pictures are left to learn from."""
    return max(
        1,
        round(found.pictures * (1 - sum(SHARES[part] for part in choose_parts(found)))),
    )


def augment(found: BoxSurvey) -> Iterator[str]:
    """Mild changes; boxes move along."""
    like = Survey(
        found.classes,
        found.pictures,
        found.pictures,
        found.sizes,
        found.gray,
        found.mean,
    )
    changes = ["{type: Affine, translate: 0.1, scale: [0.8, 1.2]}"]
    if may_flip(like):
        changes.insert(0, "{type: Flip}")
    else:
        yield "  # no {type: Flip}: a digit or a letter in the mirror is another one, or none"
    yield f"  augment: [{', '.join(changes)}]"
