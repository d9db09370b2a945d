"""What a layer's `onnx(g, ...)` method builds with. In: calls such as `g.Conv(x, weight, bias,
kernel_shape=...)`; out: `Call`s, which `onnx_model` turns into protobuf. Knows no layer.

For one who writes a layer:

* `g.<Op>(*inputs, outputs=1, **attributes)` is any operator of ONNX (opset 22); it answers an `Operand`, a tuple of them where outputs > 1.
  An input may be None (left out), a float or a tuple of floats (a float32 constant), an int or a
  tuple of ints (an int64 constant). An attribute that is None is left out; sizes in attributes must
  be numbers (else use the idioms, which compute sizes at run time).
* A bottom's type is `x.type` (a TensorType). A bare operator's result has none: `g.typed(y, type)` gives it one where an idiom asks for it.
* Names are not the layer's concern: the node that makes the last top gets the layer's name, others `layer/Op`; tops get their blobs' names.
  A method may return one of its bottoms, or one operand for several tops: an Identity is put in.
* Weights come as typed operands, by the names that `weights()` gives them. A shared one is a single tensor, here in this layer's shape.
* `g.state("h")` is what the call before left (as `state()` declares), `g.keep("h", y)` leaves it for the next: graph inputs and outputs.
* `g.scan(step, states, inputs)` runs `step` along an axis; `g.body(function, *types)` is a subgraph for the attributes of Loop and If.
  Inside, operands of the outer graph (weights, say) may be used as they are.
* Shapes, padding, pooling, broadcasting: see `onnx_idioms.Builder`.
* A layer, or a parameter, that ONNX cannot say: `raise g.refuse("requirement, then the numbers")`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from netspec.ir.types import TensorType

if TYPE_CHECKING:
    import numpy as np

__all__ = ["OPSET", "Body", "Call", "Calls", "NotExportableError", "Operand", "unique"]

OPSET = 22
"""From 22 on, shape inference clips ceil-mode pooling as Caffe and PyTorch do; onnxruntime 1.22 and
later run all of it.
"""


class NotExportableError(Exception):
    """A layer that the exported model cannot hold, with the reason; `onnx_model` adds the layer's
    place.
    """


class Operand:
    """A tensor of the graph being built. Its name is given when the layer that makes it is done;
    compared by identity.
    """

    __slots__ = ("known", "name")

    def __init__(self, name: str = "", known: TensorType | None = None) -> None:
        self.name = name
        self.known = known

    @property
    def type(self) -> TensorType:
        """Its shape and element type; raises TypeError where only a bare operator's result is at
        hand.
        """
        if self.known is None:
            raise TypeError(
                f"the type of {self.name or 'this result'} is not known here: say it with g.typed(x, type)"
            )
        return self.known

    def __repr__(self) -> str:
        return f"Operand({self.name!r}, {self.known})"


@dataclass(eq=False)
class Call:
    """One node to be: an operator, its operands, its attributes. `name` is given when its layer is
    done.
    """

    op: str
    inputs: tuple[Operand | None, ...]
    outputs: tuple[Operand, ...]
    attributes: dict[str, Any]
    name: str = ""


@dataclass(eq=False)
class Body:
    """A subgraph: the attribute of Scan, Loop or If."""

    inputs: tuple[Operand, ...]
    calls: list[Call]
    outputs: tuple[Operand, ...]
    name: str = ""


def unique(name: str, taken: set[str]) -> str:
    """The name, or the first of name_1, name_2, ... that is not taken; taken from now on."""
    found, count = name, 0
    while found in taken:
        count += 1
        found = f"{name}_{count}"
    taken.add(found)
    return found


class Calls:
    """Collects the calls of the layer at hand. `onnx_model` drives it: begin(layer), then the
    layer's method, then take().
    """

    def __init__(self) -> None:
        self.layer = ""
        self.main: list[Call] = []
        self.scope: list[Call] = self.main
        self.constants: dict[tuple[str, tuple[int, ...], bytes], Operand] = {}
        self.arrays: dict[Operand, np.ndarray] = {}
        self.taken: set[str] = set()
        self.states: dict[str, Operand] = {}
        self.kept: dict[str, Operand] = {}

    def begin(self, layer: str, states: dict[str, Operand]) -> None:
        """From here on calls belong to that layer, whose state from the call before is `states`."""
        self.layer, self.main, self.states, self.kept = layer, [], states, {}
        self.scope = self.main

    def unique(self, name: str) -> str:
        """The name, or the first of name_1, name_2, ... that nothing bears yet; taken from now
        on.
        """
        return unique(name, self.taken)

    def __getattr__(self, op: str) -> Callable[..., Any]:
        from onnx import defs

        if not op[:1].isupper() or not defs.has(op, OPSET):
            raise AttributeError(
                f"{op} is neither an operator of ONNX opset {OPSET} nor an idiom of the builder"
            )
        return partial(self.call, op)

    def call(self, op: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """A node of operator `op`; the operand it makes, or a tuple of `outputs` of them."""
        made = tuple(Operand() for _ in range(outputs))
        operands = [None if i is None else self.operand(i) for i in inputs]
        # ONNX leaves out inputs at the end; between others they have an empty name
        while operands and operands[-1] is None:
            operands.pop()
        self.scope.append(
            Call(op, tuple(operands), made, {k: v for k, v in attributes.items() if v is not None})
        )
        if outputs == 1:
            return made[0]
        return made

    def operand(self, value: Any) -> Operand:
        """An operand as it is; a number or a tuple of numbers as a constant."""
        if isinstance(value, Operand):
            return value
        return self.const(value)

    def typed(self, x: Operand, type_: TensorType) -> Operand:
        """The operand, with its type said: no check is made here, the model's shape inference makes
        one.
        """
        x.known = type_
        return x

    def const(self, value: Any, dtype: str = "") -> Operand:
        """A constant from a number, nested tuples or an array; equal ones are one tensor.

        Without a dtype, numbers that are not in an array become float32, int64 or bool.
        """
        import numpy as np

        array = np.asarray(value, dtype or None)
        if not dtype and not isinstance(value, np.ndarray):
            # an empty tuple is of sizes or axes
            array = array.astype(
                {"f": "float32", "i": "int64", "b": "bool"}[array.dtype.kind] if array.size else "int64"
            )
        # bytes, not values: 0.0 == -0.0
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self.constants:
            made = Operand(self.unique(f"{self.layer}/const"), TensorType(array.shape, str(array.dtype)))
            self.constants[key] = made
            self.arrays[made] = array
        return self.constants[key]

    def state(self, name: str) -> Operand:
        """What the call before left under this name: an input of the graph called `layer.name`,
        typed.
        """
        return self.states[name]

    def keep(self, name: str, value: Operand) -> None:
        """Leave a value for the next call: an output of the graph called `layer.name.next`."""
        if name not in self.states:
            raise KeyError(f"{self.layer} declares no state {name}")
        self.kept[name] = value

    def body(
        self, function: "Callable[..., Operand | tuple[Operand, ...]]", *types: TensorType | None
    ) -> Body:
        """A subgraph: `function` is called with one operand for each type (None: not known) and
        answers the subgraph's outputs.
        """
        inputs = tuple(Operand("", t) for t in types)
        outer, self.scope = self.scope, []
        try:
            made = function(*inputs)
            own = {o for call in self.scope for o in call.outputs}
            outputs: list[Operand] = []
            # each made by a node of the subgraph itself, no two alike
            for o in made if isinstance(made, tuple) else (made,):
                outputs.append(o if o in own and o not in outputs else self.call("Identity", o))
            return Body(inputs, self.scope, tuple(outputs))
        finally:
            self.scope = outer

    def scan(
        self,
        step: "Callable[..., tuple[Operand, ...]]",
        states: Sequence[Operand],
        inputs: Sequence[Operand],
        *,
        axis: int = 0,
        reverse: bool = False,
        outputs: int = 1,
    ) -> tuple[Operand, ...]:
        """Run `step(*states, *slices) -> (*new_states, *results)` along `axis` of the inputs (typed
        operands, as the states).

        Answers the final states, then `outputs` results, each stacked along `axis`, whose length
        must be at least 1: over none, onnxruntime 1.31 ends the process.
        """
        slices = [
            TensorType(tuple(s for i, s in enumerate(x.type.shape) if i != axis), x.type.dtype)
            for x in inputs
        ]
        body = self.body(step, *(s.type for s in states), *slices)
        n, m = len(inputs), len(body.outputs) - len(states)
        if m != outputs:
            raise ValueError(f"step answers {m} results beside its states: {outputs} were announced")
        made = self.call(
            "Scan",
            *states,
            *inputs,
            outputs=len(states) + m,
            body=body,
            num_scan_inputs=n,
            scan_input_axes=(axis,) * n if axis else None,
            scan_output_axes=(axis,) * m if axis and m else None,
            scan_input_directions=(1,) * n if reverse else None,
            scan_output_directions=(1,) * m if reverse and m else None,
        )
        if isinstance(made, tuple):
            return made
        return (made,)

    def refuse(self, why: str) -> NotExportableError:
        """The exception to raise where ONNX cannot hold the layer; `why` states the requirement,
        then the numbers.
        """
        return NotExportableError(why)
