"""Names in emitted source: a spec's names made into attributes and variables that Python and torch
leave free.
"""

import builtins
import keyword

from netspec.emit.quote import Code, identifier

__all__ = ["BUILTINS", "FORBIDDEN", "Names", "attribute"]

FORBIDDEN = frozenset(
    (
        *keyword.kwlist,
        *keyword.softkwlist,
        # attributes of nn.Module (a test holds this list to the installed torch)
        "T_destination",
        "add_module",
        "apply",
        "bfloat16",
        "buffers",
        "call_super_init",
        "children",
        "compile",
        "cpu",
        "cuda",
        "double",
        "dump_patches",
        "eval",
        "extra_repr",
        "float",
        "forward",
        "get_buffer",
        "get_extra_state",
        "get_parameter",
        "get_submodule",
        "half",
        "ipu",
        "load_state_dict",
        "modules",
        "mtia",
        "named_buffers",
        "named_children",
        "named_modules",
        "named_parameters",
        "parameters",
        "register_backward_hook",
        "register_buffer",
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
        "register_load_state_dict_post_hook",
        "register_load_state_dict_pre_hook",
        "register_module",
        "register_parameter",
        "register_state_dict_post_hook",
        "register_state_dict_pre_hook",
        "requires_grad_",
        "set_extra_state",
        "set_submodule",
        "share_memory",
        "state_dict",
        "to",
        "to_empty",
        "train",
        "training",
        "type",
        "xpu",
        "zero_grad",
        # our own
        "blobs",
        "forward_blobs",
        "inputs",
        "layer_parameters",
        "layers",
        "loss_weights",
        "modes",
        "optional",
        "outputs",
        "reset_parameters",
        "reset_state",
        "total_loss",
        # what the text itself uses
        "self",
        "h",
        "torch",
        "nn",
        "F",
        "Tensor",
        "math",
        "super",
    )
)

BUILTINS = frozenset(dir(builtins))
"""Names that Python gives every module, and that the modules in an emitted text may use."""


def attribute(name: str) -> str:
    """The name with characters outside letters, digits and _ replaced by _; it never begins with a
    digit or an underscore.
    """
    text = "".join(c if (c.isascii() and c.isalnum()) or c == "_" else "_" for c in name) or "_"
    if text[0] == "_" or text[0].isdigit():
        text = "n" + text
    return text


class Names:
    """Hands out names, each once: `_` is appended while a name is taken or forbidden."""

    def __init__(self, taken: frozenset[str] = frozenset()) -> None:
        self.taken = set(taken)
        self.given: dict[str, Code] = {}

    def __getitem__(self, name: str) -> Code:
        """The attribute for a spec's name; the same name gives the same attribute."""
        if name not in self.given:
            self.given[name] = self.fresh(name)
        return self.given[name]

    def fresh(self, name: str) -> Code:
        """A name like this one that was not given before."""
        text = attribute(name)
        while text in self.taken or text in FORBIDDEN:
            text += "_"
        self.taken.add(text)
        return identifier(text)
