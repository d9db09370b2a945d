"""What a model's metadata say of its pictures, as the contract of whoever feeds it. In: words of
`netspec.image.NAME`; out: ImageContract.

The words may come from anyone: a value that no spec could have is a finding. Knows no torch, no
onnx.
"""

from collections.abc import Mapping
from typing import Any

from netspec.diagnostics import fail
from netspec.imaging.contract import ImageContract
from netspec.kinds import Reject

__all__ = ["contract_of"]


class Plain:
    """A value of JSON as records read it: with the texts of its parts."""

    def __init__(self, value: Any) -> None:
        self.inner = [Plain(item) for item in value] if isinstance(value, list) else []
        self.value = self.inner if isinstance(value, list) else value
        self.text = str(value)


def contract_of(words: Mapping[str, Any], name: str, path: str) -> ImageContract | None:
    """What a model's metadata say of an input as the contract of files; None where they are silent.
    Raises SpecError NS721.
    """
    found = {key: Plain(value) for key, value in words.items() if key in ImageContract.params}
    try:
        if found:
            return ImageContract.read(found)
        return None
    except Reject as error:
        wrong = next(
            (key for key, value in found.items() if error.node is value or error.node in value.inner),
            "a value",
        )
        fact = (
            f"the metadata netspec.image.{name}: {words.get(wrong)!r:.80} is no {wrong} that `image:` could"
            " have"
        )
        raise fail("NS721", fact, path=path) from error
