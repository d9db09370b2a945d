"""Every code with its title: the requirement that was broken, in a few words. Facts and numbers
come from the place that found it.
"""

from enum import IntEnum
from typing import Literal, NamedTuple

__all__ = ["CODES", "Code", "Phase", "number_of", "phase_of"]


class Phase(IntEnum):
    """What was done when a finding was made, in the order of the compiler; bugs come first, for no
    fix may lead to one.

    A code's hundreds digit says it: `number_of` alone reads a code.
    """

    BUG = -1
    READING = 0
    SCHEMA = 1
    NAMES = 2
    SIZES = 3
    LINTS = 4
    COMPILING = 5
    DATA = 6
    SERVING = 7

    @property
    def title(self) -> str:
        """As a heading."""
        return TITLES[self]


TITLES = {
    Phase.BUG: "Bugs in netspec",
    Phase.READING: "Reading",
    Phase.SCHEMA: "Schema and parameters",
    Phase.NAMES: "Names and graph",
    Phase.SIZES: "Shapes",
    Phase.LINTS: "Lints",
    Phase.COMPILING: "Compiling",
    Phase.DATA: "Training and data",
    Phase.SERVING: "Export and serving",
}


def number_of(code: str) -> int:
    """301 of NS301."""
    return int(code.removeprefix("NS"))


def phase_of(code: str) -> Phase:
    """The phase of a code: NS301 is one of SIZES."""
    hundreds = number_of(code) // 100
    if hundreds <= max(Phase):
        return Phase(hundreds)
    return Phase.BUG


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
    "NS031": Code("weights do not fit the net"),
    "NS032": Code("layer renamed in the spec", "warning"),
    "NS033": Code("data not at hand", "warning"),
    "NS040": Code("layer added to the spec", "warning"),
    "NS041": Code("the batch stays fixed", "warning"),
    "NS042": Code("a file of another tool"),
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
    "NS110": Code("expression without a value"),
    "NS111": Code("unknown variable"),
    "NS112": Code("the block has no such variable"),
    "NS113": Code("a required variable is not given"),
    "NS114": Code("path outside the spec's folder"),
    "NS115": Code("leads back to itself"),
    "NS116": Code("base and layers together"),
    "NS117": Code("change of a layer that is not there"),
    "NS118": Code("unknown block"),
    "NS119": Code("setting leads nowhere"),
    "NS120": Code("parameters do not go together"),
    "NS121": Code("code that nobody allowed"),
    "NS122": Code("plug-in cannot be used"),
    "NS123": Code("Python layer without its plug-in"),
    "NS124": Code("change of a base that is not there"),
    "NS128": Code("input of too many axes"),
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
    "NS210": Code("bottom is left out of this phase"),
    "NS211": Code("shared weights differ"),
    "NS212": Code("no such layer"),
    "NS213": Code("name with a character that cannot be seen"),
    "NS214": Code("name too long"),
    "NS216": Code("more values than a tensor can have"),
    "NS215": Code("data that nothing reads", "warning"),
    # 3: shapes
    "NS301": Code("window does not fit its input"),
    "NS302": Code("sizes do not agree"),
    "NS303": Code("no such axis"),
    "NS304": Code("weight of open shape"),
    "NS305": Code("windows do not end at the border"),
    "NS306": Code("shapes stand in a file that cannot be read"),
    "NS307": Code("border too wide"),
    "NS308": Code("no size will do"),
    "NS309": Code("shape of too many axes"),
    "NS320": Code("number of weights not as expected"),
    "NS321": Code("MACs not as expected"),
    "NS322": Code("activation memory not as expected"),
    "NS323": Code("receptive field not as expected"),
    "NS324": Code("shape not as expected"),
    "NS325": Code("units not as expected"),
    "NS326": Code("connections not as expected"),
    "NS327": Code("not proven causal"),
    "NS328": Code("not proven equivariant"),
    "NS329": Code("latency not as expected"),
    "NS330": Code("expectation of something unknown"),
    "NS331": Code("legal sizes cannot be solved for"),
    "NS332": Code("latency not measured", "warning"),
    # 4: lints
    "NS401": Code("input that no window reads", "warning"),
    "NS402": Code("stride larger than the window", "warning"),
    "NS403": Code("stride does not divide the kernel of a transposed convolution", "warning"),
    "NS404": Code("bias that the next layer takes away", "warning"),
    "NS405": Code("done twice: by a layer and by the loss", "warning"),
    "NS406": Code("dead branch", "warning"),
    "NS407": Code("parameters without gradient", "warning"),
    "NS408": Code("receptive field far beyond the input", "warning"),
    "NS409": Code("branches join out of place", "warning"),
    "NS410": Code("labels do not match the output", "warning"),
    "NS411": Code("padding is pooled", "warning"),
    "NS412": Code("all weights start at 0", "warning"),
    "NS413": Code("another dialect makes another layer", "warning"),
    "NS414": Code("an open size that one number alone meets", "warning"),
    "NS425": Code("solver word that nothing reads", "warning"),
    "NS426": Code("odd course of the learning rate", "warning"),
    "NS427": Code("statistics of the whole training", "warning"),
    "NS428": Code("mean of a single value", "warning"),
    "NS429": Code("gradient that ends at a state", "warning"),
    "NS430": Code("an image contract nobody knows", "warning"),
    "NS431": Code("pixels made small twice", "warning"),
    "NS432": Code("data word that its source does not read", "warning"),
    "NS433": Code("recipe that never acts", "warning"),
    "NS440": Code("window larger than its input", "warning"),
    "NS441": Code("unknown layer type in no phase", "warning"),
    "NS415": Code("samples of a batch depend on each other", "warning"),
    "NS416": Code("channels last", "warning"),
    "NS417": Code("means of pixels from 0 to 1", "warning"),
    "NS418": Code("data are not there", "warning"),
    # 6: training and data
    "NS600": Code("no tests to go by"),
    "NS601": Code("a pattern that stands for nothing"),
    "NS602": Code("another process trains in the folder"),
    "NS603": Code("no room for the run"),
    "NS604": Code("an older snapshot is used", "warning"),
    "NS605": Code("a batch that the processes cannot share"),
    "NS606": Code("a process of the training has ended"),
    "NS607": Code("another number of processes than before", "warning"),
    "NS608": Code("the processes did not meet"),
    "NS610": Code("a sweep that cannot be made"),
    "NS611": Code("samples that cannot be drawn so"),
    "NS612": Code("runs that do not make one model"),
    "NS613": Code("no such precision on this device"),
    "NS614": Code("torch.compile does not work here"),
    "NS615": Code("nothing can be pruned"),
    "NS620": Code("annotations cannot be read"),
    "NS621": Code("boxes that hold nothing"),
    "NS622": Code("annotations and pictures do not belong together"),
    "NS623": Code("boxes that were changed, pictures without any", "warning"),
    "NS624": Code("more classes in the data than the net tells apart"),
    "NS630": Code("sound cannot be read"),
    "NS631": Code("sounds of another rate or form"),
    "NS632": Code("shard that cannot be read"),
    "NS633": Code("other columns than the training data's"),
    "NS634": Code("category unknown to the training"),
    "NS635": Code("the run was not reproduced"),
    "NS636": Code("another environment than the run's", "warning"),
    "NS637": Code("a run that cannot be repeated"),
    "NS640": Code("unknown data source"),
    "NS641": Code("incomplete data section"),
    "NS642": Code("path outside the spec's folder"),
    "NS643": Code("data not found"),
    "NS644": Code("data file ends early"),
    "NS645": Code("damaged data file"),
    "NS646": Code("fields of different length"),
    "NS647": Code("image cannot be read"),
    "NS648": Code("image too large to decode"),
    "NS649": Code("class folder without images"),
    "NS650": Code("no samples"),
    "NS651": Code("label out of range"),
    "NS652": Code("samples do not fit the input"),
    "NS653": Code("images do not fit the crop"),
    "NS654": Code("malformed table"),
    "NS655": Code("array is not numeric"),
    "NS656": Code("no field for an input"),
    "NS657": Code("needs an extra package"),
    "NS658": Code("Python data source failed"),
    "NS659": Code("data differ from the checkpoint's"),
    "NS660": Code("input contract does not fit"),
    "NS661": Code("augmentation cannot apply"),
    "NS662": Code("cannot run through it in streams"),
    "NS663": Code("class unknown to the training"),
    "NS664": Code("no classes to tell apart"),
    "NS665": Code("cannot write the class map"),
    "NS666": Code("a layer would write over a file"),
    "NS667": Code("labels in another order than the data's"),
    "NS668": Code("data that teach or tell little", "warning"),
    # 7: serving
    "NS701": Code("layer has no ONNX form"),
    "NS702": Code("weights do not fit the net"),
    "NS703": Code("torch and onnxruntime disagree"),
    "NS704": Code("cannot write the model"),
    "NS705": Code("neither a spec nor a run nor a network"),
    "NS706": Code("no input to certify with"),
    "NS707": Code("labels do not fit the output"),
    "NS708": Code("network without outputs"),
    "NS709": Code("the file's ending speaks of another format"),
    "NS710": Code("no form in a prototxt"),
    "NS711": Code("left out of the prototxt", "warning"),
    "NS712": Code("the model is not certified"),
    "NS713": Code("the model is not the one that was certified"),
    "NS714": Code("the model answers otherwise than when it was certified"),
    "NS715": Code("damaged certificate"),
    "NS716": Code("nothing could be proven"),
    "NS720": Code("cannot read the model file"),
    "NS721": Code("not a usable ONNX model"),
    "NS722": Code("device is not available"),
    "NS723": Code("tensor type cannot be served"),
    "NS724": Code("cannot listen on the address"),
    "NS725": Code("model name cannot stand in a URL"),
    "NS726": Code("inputs do not fit the model"),
    "NS727": Code("the net does not take this size"),
    "NS728": Code("an open size cannot be certified"),
    "NS729": Code("answers depend on the rest of the batch"),
    "NS750": Code("the view has no meaning here"),
    "NS751": Code("no such layer"),
    "NS752": Code("the input does not fit the net"),
    "NS753": Code("too large to draw"),
    "NS754": Code("a package is missing"),
    "NS755": Code("the run's log is damaged"),
    "NS756": Code("it cannot be written as that"),
    "NS757": Code("no such class or unit"),
    "NS740": Code("cannot be quantized"),
    "NS741": Code("accuracy drops by more than expected"),
    "NS742": Code("size of the file not as expected"),
    "NS743": Code("no model for a page"),
    "NS744": Code("onnxruntime-web is not at hand"),
    "NS669": Code("the same picture in two places", "warning"),
    "NS670": Code("solver settings do not go together"),
    "NS671": Code("nothing to train"),
    "NS672": Code("the loss is not finite"),
    "NS673": Code("the run cannot be written"),
    "NS674": Code("damaged checkpoint"),
    "NS675": Code("checkpoint of another training"),
    "NS676": Code("weights do not fit the net"),
    "NS677": Code("the folder holds a run already"),
    "NS678": Code("no such device"),
    "NS679": Code("nothing to resume"),
    "NS680": Code("all weights start at 0"),
    "NS681": Code("the spec does not say how to train"),
    "NS682": Code("it is not clear where the loss stands"),
    "NS683": Code("not a run"),
    "NS684": Code("no test data"),
    "NS685": Code("nothing to predict from"),
    "NS686": Code("a player has nothing to learn"),
    "NS687": Code("two players train the same weights"),
    "NS688": Code("no player learns it"),
    "NS689": Code("cannot fill this input"),
    "NS690": Code("weights that no longer learn", "warning"),
    "NS691": Code("samples that are left out", "warning"),
    "NS692": Code("unknown augmentation"),
    "NS693": Code("data are not finite"),
    "NS694": Code("the learning rate is 0"),
    "NS695": Code("the learning rate is no rate"),
    "NS696": Code("classes cannot be balanced"),
    "NS697": Code("a mask that does not fit"),
    "NS699": Code("chosen by test data", "warning"),
    # 5: compiling
    "NS501": Code("cannot write the file"),
    "NS502": Code("two definitions of one name"),
    "NS505": Code("more weights than the machine has memory"),
    "NS503": Code("the compiled network is not what the spec says"),
    # 9: bugs in netspec
    "NS901": Code("a bug in netspec"),
}
