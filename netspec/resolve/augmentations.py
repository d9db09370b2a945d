"""The entries of `train.augment`, each by its type or by words of its own, as augmentations. In:
the section and the types that a spec may name; out: records, or findings.
"""

from collections.abc import Iterator, Sequence

from netspec import augmentation
from netspec.augmentation.definition import Augmentation
from netspec.diagnostics.model import Diagnostic, Diagnostics, write_nearest
from netspec.diagnostics.suggest import clearly, nearest
from netspec.plugins.vocabulary import Vocabulary
from netspec.resolve.read_record import as_text, read_record
from netspec.resolve.sections.train import AugmentWords
from netspec.syntax.located import Located

__all__ = ["entries_of", "in_types", "read_augmentations", "read_entry"]

Found = tuple[Augmentation, ...]
ELSEWHERE = {
    "Cutout": "Erase", "ElasticTransform": "Elastic", "GaussNoise": "Noise", "GaussianBlur": "Blur",
    "GaussianNoise": "Noise", "HorizontalFlip": "Flip", "Mirror": "Flip", "RandomAdjustSharpness": "Sharpen",
    "RandomAffine": "Affine", "RandomBrightness": "Brightness", "RandomContrast": "Contrast",
    "RandomCrop": "Crop", "RandomElasticTransform": "Elastic", "RandomErasing": "Erase", "RandomGamma": "Gamma",
    "RandomGaussianBlur": "Blur", "RandomGaussianNoise": "Noise", "RandomHorizontalFlip": "Flip",
    "RandomPerspective": "Perspective", "RandomRotation": "Rotate", "Rotation": "Rotate",
    "TrivialAugmentWide": "TrivialAugment",
}  # fmt: skip
"""What torchvision, kornia and albumentations call them."""


def read_augmentations(section: Located, known: Vocabulary, diagnostics: Diagnostics) -> Found:
    """The changes of `train:`, in order; entries that cannot be read are reported and left out."""
    found: list[Augmentation] = []
    for number, entry in enumerate(entries_of(section)):
        found += read_entry(entry, f"train.augment[{number}]", known, diagnostics)
    return tuple(found)


def entries_of(section: Located) -> Sequence[Located]:
    """The entries of `train.augment`, of which one may stand alone."""
    body = section.get("augment")
    if body is None or body.value is None:
        return ()
    return body.items if isinstance(body.value, list) else (body,)


def read_entry(entry: Located, where: str, known: Vocabulary, diagnostics: Diagnostics) -> Found:
    """One entry; a type alone stands for an entry of that type."""
    if isinstance(entry.value, str):
        entry = Located({"type": entry}, entry.span)
    kind = entry.get("type") if isinstance(entry.value, dict) else None
    if kind is None:
        words = read_record(AugmentWords, entry, diagnostics, what=where)
        return tuple(in_types(words)) if words is not None else ()
    cls = find_type(kind, known)
    if cls is None:
        # else a plug-in that was refused may define it
        if known.complete:
            diagnostics.add(report_type(kind, known))
        return ()
    rest = {key: value for key, value in entry.mapping.items() if key != "type"}
    body = Located(rest, entry.span, keys=entry.keys, used=entry.used)
    made = read_record(cls, body, diagnostics, what=cls.type, anchor=kind.span)
    return (made,) if made is not None and ordered(made, body, diagnostics) else ()


def find_type(kind: Located, known: Vocabulary) -> type[Augmentation] | None:
    """The type that an entry names."""
    name = as_text(kind)
    return augmentation.find(name) or known.augmentations.get(name)


def report_type(kind: Located, known: Vocabulary) -> Diagnostic:
    """NS692: no augmentation is called so."""
    text, every = as_text(kind), [*augmentation.types(), *known.augmentations]
    near = [ELSEWHERE[text]] if text in ELSEWHERE else nearest(text, every)
    if near:
        label = f"did you mean {' or '.join(near)}?"
    else:
        label = "no augmentation is called so"
    sure = text in ELSEWHERE or (bool(near) and clearly(text, near[0], every))
    notes = ("`netspec augmentations` lists them",)
    return Diagnostic("NS692", text or "an entry without a name", kind.span, label, notes=notes,
                      fixes=write_nearest(near, kind.span, sure))  # fmt: skip


def ordered(made: Augmentation, body: Located, diagnostics: Diagnostics) -> bool:
    """Whether each range goes from its least to its greatest number; NS106 where it does not."""
    for name, declared in made.params.items():
        value = getattr(made, name)
        if declared.annotation != tuple[float, float] or value[0] <= value[1]:
            continue
        own = body.get(name)
        fact = f"{made.type}.{name} must go from the least to the greatest: {value[0]:g} > {value[1]:g}"
        diagnostics.error("NS106", fact, own.span if own is not None else body.span)
        return False
    return True


def in_types(words: AugmentWords) -> Iterator[Augmentation]:
    """What the words of one entry mean: in their order, each on its share of the samples."""
    from netspec.augmentation import color, erasing, frame, geometry, texture

    if words.crop_size is not None:
        yield frame.Crop(size=words.crop_size, pad=words.pad)
    if words.mirror:
        yield frame.Flip()
    p = words.probability
    if words.rotate is not None:
        yield geometry.Rotate(degrees=words.rotate, probability=p)
    if (a := words.affine) is not None:
        scale = (a.scale[0], a.scale[1])
        yield geometry.Affine(
            degrees=a.degrees, translate=a.translate, scale=scale, shear=a.shear, probability=p
        )
    if words.perspective is not None:
        yield geometry.Perspective(distortion=words.perspective, probability=p)
    if words.elastic is not None:
        # kornia's usual sigma
        yield geometry.Elastic(alpha=words.elastic, sigma=32.0, relative=True, probability=p)
    if (c := words.color_jitter) is not None:
        yield color.ColorJitter(
            brightness=c.brightness,
            contrast=c.contrast,
            saturation=c.saturation,
            hue=c.hue,
            probability=p,
        )
    if words.blur is not None:
        yield texture.Blur(sigma=(words.blur, words.blur), probability=p)
    if words.noise is not None:
        yield texture.Noise(std=(words.noise, words.noise), probability=p)
    if words.erase is not None:
        # from a fiftieth of the picture on (Zhong et al. 2017)
        share = (min(0.02, words.erase), words.erase)
        yield erasing.Erase(scale=share, probability=p)
