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
    "NS014": Code("a key must be text"),
    "NS015": Code("an expression inside braces or brackets needs quotes"),
    "NS016": Code("unbalanced bracket or quote"),
    "NS017": Code("indentation does not line up"),
    "NS018": Code("text needs quotes"),
    "NS019": Code("missing space after the dash"),
    "NS020": Code("not valid protobuf text"),
    "NS021": Code("unknown field", "warning"),
    "NS022": Code("unknown layer type", "warning"),
    "NS023": Code("the value does not suit the field"),
    "NS024": Code("field given more than once", "warning"),
    "NS025": Code("left out of the spec", "warning"),
    "NS026": Code("damaged weights file"),
    "NS027": Code("not a weights file"),
    "NS028": Code("no network in the file"),
    "NS029": Code("not UTF-8", "warning"),
    "NS030": Code("missing comma or colon"),
    # 1: schema and parameters
    "NS101": Code("unknown layer type"),
    "NS102": Code("unknown key"),
    "NS103": Code("missing parameter"),
    "NS104": Code("wrong type of value"),
    "NS105": Code("not one of the words allowed here"),
    "NS106": Code("value out of range"),
    "NS107": Code("wrong number of values"),
    "NS108": Code("said twice"),
    "NS109": Code("not a size"),
    # 2: names and graph
    "NS201": Code("unknown bottom"),
    "NS202": Code("bottom is made later"),
    "NS203": Code("name used twice"),
    "NS204": Code("top made twice"),
    "NS205": Code("wrong number of bottoms"),
    "NS206": Code("wrong number of tops"),
    "NS207": Code("bottom left out, and it is not clear which is meant"),
    "NS208": Code("unknown output"),
    "NS209": Code("network without layers"),
    "NS210": Code("in-place layer changes the shape"),
    "NS211": Code("shared weights differ"),
    # 3: shapes
    "NS301": Code("window does not fit its input"),
    "NS302": Code("sizes do not agree"),
    "NS303": Code("no such axis"),
    "NS304": Code("weight of open shape"),
    # 7: serving
    "NS720": Code("cannot read the model file"),
    "NS721": Code("not a usable ONNX model"),
    "NS722": Code("device is not available"),
    "NS723": Code("tensor type cannot be served"),
    "NS724": Code("cannot listen on the address"),
    "NS725": Code("model name cannot stand in a URL"),
    "NS726": Code("inputs do not fit the model"),
    # 9: bugs in netspec
    "NS901": Code("a bug in netspec"),
}
