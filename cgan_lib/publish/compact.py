"""A generator's ONNX file made small for the page: a description of its steps, and its weights as halves."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgan_lib.errors import UserError
from cgan_lib.publish.onnx import INPUTS, OUTPUT, runtime

COUNT = 7  # images of the pass that finds the shapes: as an axis, it is no other number of the network
HALF_MAX = 65504.0
# Other shapes of what is in memory anyway; and a choice, which is made beforehand
SAME_NUMBERS = {"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Where"}
NAMES = {"Relu": "LeakyRelu", "MatMul": "Gemm"}  # operators that are another one with some of its numbers

Shape = tuple[int, ...]
Weights = dict[str, NDArray[np.float32]]


@dataclass
class Compact:
    """What `network.js` runs. No value has the axis of the batch."""

    sizes: list[int] = field(default_factory=list)
    """how many numbers each value has; the first is `z`, the second the class weights"""
    steps: list[dict[str, Any]] = field(default_factory=list)
    """`op`, by its name in ONNX; the values it reads (`from`) and writes (`to`); `weights`: name → tensor; and what
    its operator needs to know"""
    output: int = 0
    """the value that is the image"""
    tensors: list[NDArray[Any]] = field(default_factory=list)
    """float32 ones, and those of more than one axis float16 where they fit: most of a network, and half as long"""

    def description(self) -> dict[str, Any]:
        """All but the numbers, for JSON; `tensors` are renumbered as they lie in `content`."""
        place = {number: at for at, number in enumerate(self._order())}
        steps = [step | {"weights": {k: place[n] for k, n in step["weights"].items()}} for step in self.steps]
        tensors = [{"type": self.tensors[n].dtype.name, "length": self.tensors[n].size} for n in self._order()]
        return {"sizes": self.sizes, "steps": steps, "output": self.output, "tensors": tensors}

    def content(self) -> bytes:
        """The numbers, little-endian, those of 32 bits first, so that each begins where its type may begin."""
        little = (self.tensors[n].astype(self.tensors[n].dtype.newbyteorder("<")) for n in self._order())
        return b"".join(tensor.tobytes() for tensor in little)

    def _order(self) -> list[int]:
        return sorted(range(len(self.tensors)), key=lambda n: self.tensors[n].dtype == np.float16)

    def store(self, weights: Weights) -> dict[str, int]:
        """Keep some weights; name → number of each."""
        numbers = {}
        for name, values in weights.items():
            small = values.ndim > 1 and np.abs(values).max(initial=0) <= HALF_MAX
            numbers[name] = len(self.tensors)
            self.tensors.append(values.astype(np.float16 if small else np.float32))
        return numbers


def compact(path: str | Path) -> Compact:
    """What `export_onnx` wrote, for `network.js`.

    `UserError` for an operator, or an option of one, that network.js does not have.
    """
    import onnx

    model = onnx.load(path)
    constants = _constants(model.graph)
    steps = _path(model.graph, constants)
    shapes = _shapes(model, [name for node in steps for name in node.output])
    result = Compact(sizes=[int(np.prod(shapes[name])) for name in INPUTS])
    numbers = {name: number for number, name in enumerate(INPUTS)}  # of values, by their names in the graph
    for node in steps:
        inputs = _read(node, constants)
        if node.op_type in SAME_NUMBERS:
            numbers[node.output[0]] = numbers[inputs[0]]
            continue
        about, weights = DESCRIBED[node.op_type](_Node(node, constants, shapes, inputs))
        numbers[node.output[0]] = len(result.sizes)
        result.sizes.append(int(np.prod(shapes[node.output[0]])))
        step = {"op": NAMES.get(node.op_type, node.op_type), "from": [numbers[name] for name in inputs]}
        result.steps.append(step | {"to": numbers[node.output[0]], "weights": result.store(weights)} | about)
    result.output = numbers[OUTPUT]
    return result


def _constants(graph: Any) -> dict[str, NDArray[Any]]:
    """What is known beforehand: weights, constants, and what is the same as one of them."""
    from onnx import numpy_helper

    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "Identity" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return found


def _path(graph: Any, constants: Mapping[str, NDArray[Any]]) -> list[Any]:
    """The nodes between inputs and output, in order; not those that only reckon with shapes."""
    made_by = {name: node for node in graph.node for name in node.output}
    wanted, needed = [OUTPUT], set()
    while wanted:
        name = wanted.pop()
        if name in needed or name not in made_by:
            continue
        needed.add(name)
        wanted += _read(made_by[name], constants)
    return [node for node in graph.node if node.output[0] in needed]


def _read(node: Any, constants: Mapping[str, NDArray[Any]]) -> list[str]:
    """The inputs of a node that are values, not parameters."""
    if node.op_type not in {*DESCRIBED, *SAME_NUMBERS}:
        raise _lacking(f"the operator {node.op_type}")
    if node.op_type == "Where":  # as lerp is written: the condition is known
        if node.input[0] not in constants:
            raise _lacking("Where with a condition that is not constant")
        return [node.input[1 if constants[node.input[0]].all() else 2]]
    if node.op_type in ("Add", "Sub", "Mul", "Concat"):
        return [name for name in node.input if name not in constants]
    return list(node.input[:1])


def _lacking(what: str) -> UserError:
    return UserError(f"{what} is not in network.js, which draws on the page: add it there.")


def _shapes(model: Any, names: Iterable[str]) -> dict[str, Shape]:
    """The shape of each value for one image, seen in a pass of several."""
    from onnx import TensorProto, helper

    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    session = runtime().InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    shapes: dict[str, Shape] = {tensor.name: (tensor.shape[1],) for tensor in session.get_inputs()}
    values = session.run(None, {name: np.zeros((COUNT, *shape), np.float32) for name, shape in shapes.items()})
    for output, value in zip(outputs, values, strict=True):
        if value.ndim == 0 or len(value) != COUNT:
            raise UserError(f"the network mixes images of a batch at {output.name}: a page draws one at a time.")
        shapes[output.name] = value.shape[1:]
    return shapes


class _Node:
    """A node of the graph with what is known about it."""

    def __init__(self, node: Any, constants: dict[str, NDArray[Any]], shapes: dict[str, Shape], inputs: list[str]):
        from onnx import helper

        self.op, self.inputs = node.op_type, inputs
        self.options = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        self.parameters = [constants.get(name) for name in node.input]  # None for what is not known beforehand
        self.input, self.output = shapes[inputs[0]], shapes[node.output[0]]
        self.same_shapes = all(shapes[name] == self.output for name in inputs)

    def weight(self, number: int, size: int = 0) -> NDArray[np.float32]:
        """A parameter as float32; zeros (size,) where it is left out."""
        given = self.parameters[number] if number < len(self.parameters) else None
        return np.zeros(size, np.float32) if given is None else given.astype(np.float32)

    def need(self, right: bool, what: str) -> None:
        if not right:
            raise _lacking(f"{self.op} with {what}")


def _linear(node: _Node) -> tuple[dict[str, Any], Weights]:
    node.need(node.parameters[1] is not None and not node.options.get("transA"), "weights that are not constant")
    node.need(len(node.input) == 1, "a sequence of vectors")
    weight = node.weight(1) * np.float32(node.options.get("alpha", 1))
    weight = weight if node.options.get("transB") else weight.T  # (outputs, inputs)
    bias = node.weight(2, len(weight)) * np.float32(node.options.get("beta", 1))
    return {}, {"weight": weight, "bias": bias.reshape(-1)}


def _convolution(node: _Node) -> tuple[dict[str, Any], Weights]:
    options = node.options
    node.need(len(node.input) == 3, "other than two dimensions")
    node.need(options.get("group", 1) == 1 and set(options.get("dilations", [1])) == {1}, "groups or dilation")
    node.need(not {b"SAME_UPPER", b"SAME_LOWER"} & {options.get("auto_pad", b"NOTSET")}, "auto_pad")
    weight = node.weight(1)  # Conv: (out, in, height, width); ConvTranspose: (in, out, height, width)
    about = {
        "input": node.input,
        "output": node.output,
        "kernel": weight.shape[2:],
        "strides": options.get("strides", [1, 1]),
        "pads": options.get("pads", [0, 0, 0, 0])[:2],  # top and left; the other sides follow from the output
    }
    if node.op == "ConvTranspose":
        weight = weight.transpose(1, 2, 3, 0).reshape(-1, len(weight))  # (out · height · width, in)
    return about, {"weight": weight, "bias": node.weight(2, node.output[0])}


def _batch_norm(node: _Node) -> tuple[dict[str, Any], Weights]:
    scale, bias, mean, variance = (node.weight(number).astype(np.float64) for number in range(1, 5))
    scale = scale / np.sqrt(variance + node.options.get("epsilon", 1e-5))
    return {}, {"scale": scale.astype(np.float32), "bias": (bias - mean * scale).astype(np.float32)}


def _instance_norm(node: _Node) -> tuple[dict[str, Any], Weights]:
    return {"epsilon": node.options.get("epsilon", 1e-5)}, {"scale": node.weight(1), "bias": node.weight(2)}


def _clip(node: _Node) -> tuple[dict[str, Any], Weights]:
    bounds = [bound for bound in node.parameters[1:] if bound is not None]
    node.need(len(bounds) == 2, "one bound alone")
    low, high = map(float, bounds)
    return {"low": low, "high": high}, {}


def _two(node: _Node) -> tuple[dict[str, Any], Weights]:
    node.need(len(node.inputs) == 2 and node.same_shapes, "a constant, or two shapes")
    return {}, {}


def _factor(node: _Node) -> tuple[dict[str, Any], Weights]:
    factors = [value for value in node.parameters if value is not None]
    node.need(len(node.inputs) == 1 and factors[0].size == 1, "anything but one number")
    return {"factor": float(factors[0])}, {}


def _concat(node: _Node) -> tuple[dict[str, Any], Weights]:
    node.need(node.options["axis"] == 1 and len(node.inputs) == len(node.parameters), "another axis, or a constant")
    return {}, {}


def _resize(node: _Node) -> tuple[dict[str, Any], Weights]:
    nearest = node.options.get("mode") == b"nearest" and node.options.get("nearest_mode") == b"floor"
    node.need(len(node.input) == 3, "other than two dimensions")
    whole = all(large % small == 0 for small, large in zip(node.input, node.output, strict=True))
    node.need(nearest and whole and node.input[0] == node.output[0], "anything but nearest and whole factors")
    return {"input": node.input, "output": node.output}, {}


def _transpose(node: _Node) -> tuple[dict[str, Any], Weights]:
    order = node.options["perm"]
    node.need(order[0] == 0, "the axis of the batch")
    return {"input": node.input, "order": [axis - 1 for axis in order[1:]]}, {}


# For each operator: from its node, what network.js needs to know about it, and its weights
DESCRIBED: dict[str, Callable[[_Node], tuple[dict[str, Any], Weights]]] = {
    "Gemm": _linear,
    "MatMul": _linear,
    "Conv": _convolution,
    "ConvTranspose": _convolution,
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
    "Relu": lambda node: ({"alpha": 0.0}, {}),
    "LeakyRelu": lambda node: ({"alpha": node.options.get("alpha", 0.01)}, {}),
    "Tanh": lambda node: ({}, {}),
    "Clip": _clip,
    "Add": _two,
    "Sub": _two,
    "Mul": _factor,
    "Concat": _concat,
    "Resize": _resize,
    "Transpose": _transpose,
}
