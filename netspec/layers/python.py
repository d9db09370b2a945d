"""Caffe's Python layer: a name for a plug-in."""

from collections.abc import Iterator

from netspec.ir.layer import Example, Layer, rejects
from netspec.record import param

__all__ = ["PUBLISHED", "Python"]

PUBLISHED: dict[tuple[str, str], tuple[str, str, dict[str, str]]] = {
    ("rpn.proposal_layer", "ProposalLayer"): (
        "Proposal",
        "proposal_param",
        {
            "feat_stride": "feat_stride",
            "scales": "scale",
            "ratios": "ratio",
            "base_size": "base_size",
        },
    ),
}
"""Module and class, of py-faster-rcnn and its forks: the type, its param map, and what their names
for the words of `param_str` are.
"""


class Python(
    Layer,
    type="Python",
    param="python_param",
    legacy=("PYTHON",),
    bottoms=(0, None),
    tops=(0, None),
    traits=("stands_in",),
):
    """A layer of the user's own: stands for the plug-in whose type is named by `layer`, with the
    parameters in `param_str`.

    y = plugin(x; param_str)     (Caffe's PythonLayer)

    Caffe calls a class of that module; here the class is a definition in netspec's own form
    (docs/plugins.md), so that it has shapes, counts and an ONNX form like any other. Once resolved,
    the layer has the plug-in's type. `module` is kept for the reader only.
    """

    module: str = param(
        doc="Caffe's module; netspec looks among the plug-ins that the spec names, and the installed ones"
    )
    layer: str = param(doc="the plug-in's layer type")
    param_str: str = param(
        default="",
        doc="its parameters, a mapping in YAML or JSON; given as it is where it declares param_str",
    )
    share_in_parallel: bool = param(
        default=False, doc="Caffe's, for several solvers in one process; nothing here"
    )

    def stands_for(self) -> tuple[str, str]:
        return self.layer, self.param_str

    @staticmethod
    def examples() -> Iterator[Example]:
        yield rejects("{module: mine, layer: Mine}", "N,3,8,8", code="NS123")
