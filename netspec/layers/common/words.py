"""What the definitions of several families share: words of Caffe that carry no meaning here,
dialects' fillers, checks of a parameter.
"""

from typing import Literal

from netspec.ir.layer import Filler
from netspec.ir.rule import RuleError

__all__ = ["ENGINE", "KAIMING", "Engine", "exclude", "refuse_value"]

Engine = Literal["DEFAULT", "CAFFE", "CUDNN"]
ENGINE = "which of Caffe's implementations runs it: accepted, without meaning here"
KAIMING = Filler(type="kaiming_uniform")
"""What PyTorch's own layers begin with: the filler of dialect torch."""


def exclude(condition: bool, fact: str, at: str) -> None:
    """Refuse two parameters that cannot both be given."""
    if condition:
        raise RuleError("NS120", fact, at=at)


def refuse_value(condition: bool, fact: str, at: str) -> None:
    """Refuse a value that is out of range in a way that no bound can say."""
    if condition:
        raise RuleError("NS106", fact, at=at)
