"""What other frameworks call things: the words of PyTorch, Keras, TensorFlow and ONNX, and what
Caffe's language says instead.

Imported only to word a finding: none of these names is accepted.
"""

import re
from collections.abc import Container, Iterable
from typing import NamedTuple

__all__ = ["Word", "has_own_meaning", "instead_of_type", "instead_of_word", "remark_on_word"]


class Word(NamedTuple):
    """The layer type to write, and what else has to be said."""

    type: str
    more: str = ""


def fold(name: str) -> str:
    """`nn.Conv2DTranspose`, `conv_transpose` -> `convtranspose`: without package, number of axes,
    underscores and capitals.
    """
    return re.sub(r"[_-]|[123]d", "", name.rpartition(".")[2].casefold())


def table(rows: dict[Word, str]) -> dict[str, Word]:
    return {name: word for word, names in rows.items() for name in names.split()}


TYPES = table({
    Word("InnerProduct"): "linear dense gemm fullyconnected fc affine ip lineartransform",
    Word("Convolution"): "conv convnet crosscorrelation",
    Word("Deconvolution"): "convtranspose convtransposed transposedconv transposedconvolution deconv convolutiontranspose upconv",
    Word("DepthwiseConvolution"): "depthwiseconv",
    Word("DepthwiseConvolution", "and a Convolution with kernel_size: 1 after it"): "separableconv separableconvolution",
    Word("Pooling", "with pool: MAX, and a stride (left out it is 1)"): "maxpool maxpooling",
    Word("Pooling", "with pool: AVE, and a stride (left out it is 1)"): "avgpool avgpooling averagepool averagepooling meanpool "
                                                                             "meanpooling",
    Word("Pooling", "with pool: LP"): "lppool lppooling",
    Word("Pooling", "with pool: MAX and global_pooling: true"): "globalmaxpool globalmaxpooling",
    Word("Pooling", "with pool: AVE and global_pooling: true"): "globalavgpool globalaveragepool globalaveragepooling globalavgpooling gap",
    Word("AdaptivePooling", "with pool: AVE"): "adaptiveavgpool adaptiveaveragepooling",
    Word("AdaptivePooling", "with pool: MAX"): "adaptivemaxpool adaptivemaxpooling",
    Word("Upsample"): "maxunpool maxunpooling unpooling unpool",
    Word("BatchNorm", "and after it a Scale with bias_term: true for gamma and beta"): "batchnorm batchnormalization syncbatchnorm",
    Word("LayerNorm"): "layernormalization",
    Word("InstanceNorm"): "instancenormalization",
    Word("GroupNorm"): "groupnormalization",
    Word("LRN"): "localresponsenorm localresponsenormalization",
    Word("ReLU"): "rectifier rectifiedlinear",
    Word("ReLU", "with negative_slope: 0.01, or what it should be"): "leakyrelu lrelu",
    Word("Sigmoid"): "logistic",
    Word("Swish"): "silu",
    Word("BNLL"): "softplus",
    Word("Clip", "with min: -1 and max: 1"): "hardtanh",
    Word("Clip"): "clamp clipbyvalue",
    Word("HardSwish"): "hswish",
    Word("HardSigmoid"): "hsigmoid",
    Word("AbsVal"): "abs absolute",
    Word("Power", "with power: 2"): "square",
    Word("Power", "with power: 0.5"): "sqrt",
    Word("Power"): "pow",
    Word("SoftmaxWithLoss"): "crossentropy crossentropyloss categoricalcrossentropy sparsecategoricalcrossentropy softmaxcrossentropy "
                             "softmaxcrossentropyloss softmaxcrossentropywithlogits",
    Word("SoftmaxWithLoss", "on the scores themselves, without a LogSoftmax"): "nllloss negativeloglikelihoodloss",
    Word("SigmoidCrossEntropyLoss"): "bcewithlogits bcewithlogitsloss sigmoidcrossentropywithlogits",
    Word("BinaryCrossEntropyLoss"): "bce bceloss binarycrossentropy",
    Word("MSELoss"): "mse meansquarederror l2loss",
    Word("L1Loss"): "mae meanabsoluteerror",
    Word("SmoothL1Loss"): "huber huberloss",
    Word("KLDivLoss"): "kldivergence kldiv",
    Word("Eltwise", "with operation: SUM"): "add addv sum plus residual",
    Word("Eltwise", "with operation: SUM and coeff: [1, -1]"): "sub subtract",
    Word("Eltwise", "with operation: PROD"): "mul multiply times prod product",
    Word("Eltwise", "with operation: MAX"): "max maximum",
    Word("Concat"): "cat concatenate concatv merge join",
    Word("Slice"): "chunk",
    Word("Permute"): "transpose swapaxes dimshuffle",
    Word("Reshape"): "view unflatten",
    Word("Flatten"): "ravel",
    Word("Reduction", "with operation: MEAN"): "reducemean mean",
    Word("Reduction", "with operation: SUM"): "reducesum",
    Word("Embed"): "embedding embeddinglookup lookuptable",
    Word("Resize"): "interpolate upsampling upsamplingnearest upsamplingbilinear resizenearestneighbor resizebilinear",
    Word("ShuffleChannel"): "channelshuffle",
    Word("PixelShuffle"): "depthtospace subpixel subpixelconvolution",
    Word("Dropout2d"): "spatialdropout",
    Word("DropPath"): "stochasticdepth",
    Word("MultiHeadAttention"): "attention selfattention mha",
    Word("LSTMUnit"): "lstmcell",
    Word("GRU"): "grucell",
    Word("RNN"): "simplernn elmanrnn",
    Word("Accuracy"): "categoricalaccuracy sparsecategoricalaccuracy topk",
    Word("IoU"): "meaniou jaccardindex",
})  # fmt: skip


def words(rows: dict[tuple[str, ...], str]) -> dict[str, tuple[str, ...]]:
    """A word of another framework may say several of ours, in different places."""
    found: dict[str, tuple[str, ...]] = {}
    for ours, names in rows.items():
        found |= {name: (*found.get(name, ()), *ours) for name in names.split()}
    return found


WORDS = words({
    ("num_output",): "filters outchannels outfeatures units channels features outputs hiddensize numfilter numfilters outputdim numhidden",
    ("kernel_size",): "kernel kernelshape filtersize ksize poolsize windowsize window size",
    ("stride",): "strides step subsample subsampling",
    ("pad",): "padding pads bordermode",
    ("pad_mode",): "paddingmode",
    ("dilation",): "dilations dilationrate atrousrate rate",
    ("group",): "groups numgroup numgroups featuregroupcount",
    ("bias_term",): "bias usebias hasbias withbias",
    ("weight_filler", "filler"): "kernelinitializer weightinitializer initializer init weightinit kernelinit",
    ("bias_filler",): "biasinitializer biasinit",
    ("eps",): "epsilon",
    ("negative_slope",): "alpha leak leakiness slope",
    ("dropout_ratio", "drop_ratio"): "p prob dropprob dropout droprate dropoutrate rate",
    ("axis",): "dim dims axes",
    ("pool",): "mode pooltype poolingtype method",
    ("num_heads",): "heads nhead nheads numattentionheads",
    ("upscale_factor", "scale"): "scalefactor upscale",
    ("input_dim",): "numembeddings vocabsize vocabulary",
    ("local_size",): "depthradius",
    ("base_lr",): "lr learningrate initiallr eta",
    ("lr_policy",): "schedule scheduler lrschedule lrscheduler learningratepolicy",
    ("type",): "optimizer algorithm method kind op layertype",
    ("max_iter",): "iters iterations steps maxsteps numiterations maxiters",
    ("epochs",): "numepochs maxepochs nepochs",
    ("momentum",): "beta1",
    ("momentum2",): "beta2",
    ("weight_decay",): "l2 wd decay regularization",
    ("random_seed",): "seed",
    ("stepvalue",): "milestones boundaries",
    ("batch_size",): "batch bs",
    ("std_value", "std"): "std stds stddev stdev deviation standarddeviation sigma pixelstd",
    ("mean_value", "mean"): "mean means meanvalues pixelmean mu",
    ("clip_gradients",): "clipnorm gradclip gradientclip clipgradnorm maxgradnorm",
    ("bottom", "input"): "inputs from src source inbound",
    ("top", "output"): "outputs to",
    ("class_weight",): "classweights classweighting weight weights posweight labelweights",
    ("AVE",): "avg average mean",
    ("MAX",): "maximum maxpool",
    ("SUM",): "add plus",
    ("PROD",): "mul multiply product times",
    ("msra",): "he henormal kaiming kaimingnormal",
    ("xavier",): "glorot glorotuniform xavieruniform",
    ("gaussian",): "normal randomnormal randn truncatednormal",
    ("uniform",): "rand randomuniform",
    ("constant",): "zeros zero",
    ("SGD",): "momentum",
    ("cosine",): "cosineannealing cosinedecay",
    ("multistep",): "piecewise piecewiseconstant",
    ("exp",): "exponential exponentialdecay",
    ("poly",): "polynomial polynomialdecay linear",
})  # fmt: skip

WEIGHTS_OF_CLASSES = ("classweight", "classweights", "classweighting", "posweight")
"""They look like loss_weight and mean something else."""

REMARKS = {
    "inchannels": "the number of inputs follows from the bottom",
    "infeatures": "the number of inputs follows from the bottom",
    "inputshape": "shapes of inputs stand under `input:`; all others follow",
    "inputsize": "the number of inputs follows from the bottom",
    "activation": "an activation is a layer of its own: {type: ReLU}",
    "keepprob": "dropout_ratio is the share that is dropped: 1 - keep_prob",
    "momentum": "moving_average_fraction is what Keras calls momentum, and 1 less what PyTorch does",
    "ceilmode": "round_mode: CEIL is Caffe's default, FLOOR is PyTorch's",
    "inplace": "in place is said by the wiring: top: the same name as bottom",
    "dataformat": "axes are in Caffe's order: N, C, H, W",
    "affine": "gamma and beta are a Scale layer with bias_term: true",
    **dict.fromkeys(
        WEIGHTS_OF_CLASSES,
        "SoftmaxWithLoss has class_weight; InfogainLoss takes a matrix of what each class is worth for each"
        " label; loss_weight weighs a whole loss",
    ),
    "trackrunningstats": "use_global_stats says which statistics are used; by default the phase does",
}


def instead_of_type(name: str) -> Word | None:
    """What to write for another framework's layer; None where nothing is known."""
    return TYPES.get(fold(name))


def instead_of_word(word: str, known: Iterable[str]) -> str | None:
    """Which of the known words says what another framework's word for a parameter, a section or a
    value says; None for none.
    """
    have: Container[str] = set(known)
    return next((ours for ours in WORDS.get(fold(word), ()) if ours in have), None)


def remark_on_word(word: str) -> str | None:
    """What to know of another framework's parameter that has no counterpart."""
    return REMARKS.get(fold(word))


def has_own_meaning(word: str) -> bool:
    """Whether a word is no misspelling of whatever is spelt alike."""
    return fold(word) in WEIGHTS_OF_CLASSES
