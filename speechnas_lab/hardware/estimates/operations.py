"""What a network makes a device do, operation by operation: multiplications, and bytes moved.

The list is read from the ONNX graph after ONNX Runtime has fused what it can, with the sizes that one run really has,
so it holds for any network. Its multiply-accumulates equal `space.counts` exactly for an architecture's graph.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx

from ...errors import BadInput
from ...space import Architecture, Cell
from ..graphs import quick_graph, session

# kind -> ONNX operators, those of ONNX Runtime's fusions among them. What is not named here works value by value.
OPERATORS = {
    "matrix": {"MatMul", "FusedMatMul", "Gemm", "FusedGemm"},
    "convolution": {"Conv", "FusedConv"},
    "recurrent": {"LSTM"},
    "norm": {"LayerNormalization", "SkipLayerNormalization", "SimplifiedLayerNormalization", "BatchNormalization",
             "Softmax", "LogSoftmax", "ReduceSum", "ReduceMean", "ReduceMax"},
    "move": {"Transpose", "Pad", "Concat", "Slice", "Split", "Expand", "Gather", "GatherElements", "Where", "Cast",
             "Tile"},
    "free": {"Reshape", "Squeeze", "Unsqueeze", "Identity", "Flatten", "Shape", "Size", "Constant"},
}  # fmt: skip
# What multiplies, but is not counted here: an estimate without it would be far too low.
UNCOUNTED = {"GRU", "RNN", "ConvTranspose", "Einsum", "Attention", "MultiHeadAttention", "ConvInteger", "QLinearConv",
             "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QLinearMatMul", "QGemm",
             "DynamicQuantizeLSTM", "QAttention", "MatMulNBits", "If", "Loop", "Scan"}  # fmt: skip
KINDS = ("matrix", "attention", "convolution", "depthwise", "recurrent", "norm", "elementwise", "move", "free")
# Floating-point operations for each value that comes out, where they are not two for each multiply-accumulate. Assumed:
# a norm sums twice, then shifts and scales; an exponential or an error function is a polynomial of about that length.
NORM, CURVE = 8, 12
CURVES = {"Sigmoid", "Tanh", "Gelu", "BiasGelu", "FastGelu", "QuickGelu", "Erf", "Exp", "Sin", "Cos", "Softmax",
          "LogSoftmax"}  # fmt: skip
_KIND = {operator: kind for kind, operators in OPERATORS.items() for operator in operators}


class Operation(NamedTuple):
    """One node of a graph, for one run.

    kind: one of KINDS. "attention" is a matrix product of two computed values, "depthwise" a convolution of one channel
    a filter, "free" what only renames values or computes sizes. macs: multiply-accumulates. flops: floating-point
    operations, two for a multiply-accumulate. values: numbers read and written, weights included, each once.
    launches: how often it must be started: 1, for an LSTM each of its steps, which wait for each other; "free" 0.
    """

    kind: str
    operator: str
    macs: int
    flops: int
    values: int
    launches: int = 1


def operations(network: Architecture | Cell | bytes, *, input_dim: int = 80, vocab_size: int = 200,
               frames: int = 200) -> tuple[Operation, ...]:  # fmt: skip
    """What one utterance of `frames` frames (10 ms each) costs, batch 1. `network`: an architecture, or an ONNX model
    as bytes with the inputs features (B, T, F) and lengths (B,), F fixed. Raises BadInput for any other model, and for
    one with operators that multiply and are not counted here, such as those of int8 or of a GRU.
    """
    if isinstance(network, Architecture | Cell):
        network = quick_graph(network, input_dim=input_dim, vocab_size=vocab_size)
    graph = fused(network)
    unknown = sorted({node.op_type for node in graph.graph.node} & UNCOUNTED)
    if unknown:
        raise BadInput(f"the model has {', '.join(unknown)}, whose cost is not counted; give its float32 form")
    shapes, floats = _sizes(graph, frames)
    stored = {tensor.name for tensor in graph.graph.initializer}
    return tuple(_operation(node, shapes, floats, stored) for node in graph.graph.node)


def fused(model: bytes) -> onnx.ModelProto:
    """The graph that ONNX Runtime makes of a model on any processor: constants folded, neighbours fused."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "fused.onnx")
        session(model, options=options)
        return onnx.load(options.optimized_model_filepath)


def _sizes(model: onnx.ModelProto, frames: int) -> tuple[dict[str, tuple[int, ...]], set[str]]:
    """The shape of every value when the model hears `frames` frames, and the names of those that are fractions."""
    import onnxruntime as ort

    names = {value.name for value in model.graph.input} - {tensor.name for tensor in model.graph.initializer}
    if names != {"features", "lengths"}:
        raise BadInput(f"the model's inputs are {', '.join(sorted(names))}; an encoder takes features and lengths")
    dims = next(v for v in model.graph.input if v.name == "features").type.tensor_type.shape.dim
    bands = dims[2].dim_value if len(dims) == 3 else 0
    if not bands:
        raise BadInput("the model's features must be (B, T, F) with a fixed F; export it with one")
    feed = {"features": np.zeros((1, frames, bands), np.float32), "lengths": np.array([frames])}
    known = {value.name for value in model.graph.output}
    every = [name for node in model.graph.node for name in node.output if name]
    open_model = onnx.ModelProto()
    open_model.CopyFrom(model)
    open_model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in every if name not in known)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    opened = session(open_model.SerializeToString(), options=options)
    values = dict(zip([value.name for value in opened.get_outputs()], opened.run(None, feed), strict=True)) | feed
    shapes = {name: value.shape for name, value in values.items()}
    shapes |= {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    floats = {name for name, value in values.items() if value.dtype == np.float32}
    floats |= {t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT}
    return shapes, floats


def _operation(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]], floats: set[str],
               stored: set[str]) -> Operation:  # fmt: skip
    """The cost of one node."""
    name = node.op_type
    kind = _KIND.get(name, "elementwise") if node.output[0] in floats else "free"
    inputs = [shapes[value] for value in dict.fromkeys(node.input) if value in floats]
    outputs = [shapes[value] for value in node.output if value in floats]
    written = total(outputs)
    values = 0 if kind == "free" else total(inputs) + written
    if kind == "matrix":
        flipped = _attribute(node, "transA", 0)
        macs = math.prod(outputs[0]) * shapes[node.input[0]][-2 if flipped else -1]
        if not set(node.input[:2]) & stored:
            kind = "attention"
    elif kind == "convolution":
        filters = shapes[node.input[1]]  # (out channels, in channels a group, *kernel)
        macs = math.prod(outputs[0]) * math.prod(filters[1:])
        if filters[1] == 1 and _attribute(node, "group", 1) > 1:
            kind = "depthwise"
    elif kind == "recurrent":
        steps, batch, _ = shapes[node.input[0]]
        macs = steps * batch * sum(math.prod(shapes[weights]) for weights in node.input[1:3])
    else:
        macs = 0
    launches = shapes[node.input[0]][0] if kind == "recurrent" else int(kind != "free")
    each = CURVE if name in CURVES else NORM if kind == "norm" else int(kind == "elementwise")
    return Operation(kind, name, macs, 2 * macs or each * written, values, launches)


def total(shapes: Iterable[tuple[int, ...]]) -> int:
    """How many numbers arrays of these shapes hold."""
    return sum(math.prod(shape) for shape in shapes)


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((item.i for item in node.attribute if item.name == name), default)
