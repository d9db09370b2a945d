"""Every code with its title: the requirement that was broken, in a few words. Facts and numbers come from the place that found it."""

from typing import Literal, NamedTuple

__all__ = ["CODES", "Code"]


class Code(NamedTuple):
    title: str
    severity: Literal["error", "warning"] = "error"


CODES: dict[str, Code] = {
    # 0: reading
    "NS001": Code("cannot read the file"),
    "NS002": Code("not a text file"),
    "NS003": Code("empty spec"),
    "NS004": Code("not valid YAML"),
    "NS005": Code("tab in the indentation"),
    "NS006": Code("repeated key"),
    "NS007": Code("too deeply nested"),
    "NS008": Code("too large"),
    "NS009": Code("aliases expand to too much"),
    "NS010": Code("an alias contains itself"),
    "NS011": Code("missing space after the colon"),
    "NS012": Code("more than one document in the file"),
    "NS013": Code("unsupported YAML feature"),
    # 9: bugs in netspec
    "NS901": Code("a bug in netspec"),
}
