"""Where a data section stands: its folder, what its input expects, what the training data have
fixed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from netspec.diagnostics import Diagnostic
from netspec.resolve.sections.image import ImageContract, Shape
from netspec.resolve.sections.train import SplitSection

__all__ = ["Place"]


class Place(NamedTuple):
    """Where a section stands and what its input expects.

    root: the spec's folder.   shape: of one sample of the input, without N.   contract: the input's `image:`, if it has one.
    classes: names that training gave the labels, for a test or another file.   allow_outside: paths may leave root.
    allow_code: a Python source may run.   split: shares of the parts that the data do not have.   facts: what the training data
    fixed (`Source.facts`), for a test or another file.   predicting: samples need no label.   faults: a list that takes
    what is wrong with single samples, which are then left out, whatever `on_error` says; None: it is raised.
    runs: folders in which an earlier look at the data may have left what it found, the first of them counts.
    """

    root: Path
    shape: Shape | None = None
    contract: ImageContract | None = None
    classes: Sequence[str] | None = None
    allow_outside: bool = False
    allow_code: bool = False
    split: SplitSection | None = None
    facts: Mapping[str, Any] = MappingProxyType({})
    predicting: bool = False
    faults: list[Diagnostic] | None = None
    runs: Sequence[Path] = ()

    @property
    def file_contract(self) -> ImageContract:
        """The contract that decodes files: the default one where the input has none."""
        contract = self.contract or ImageContract()
        if self.shape and len(self.shape) == 3:
            return contract.for_files(self.shape)
        return contract
