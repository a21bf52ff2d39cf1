"""An architecture's ONNX graph with random weights, made in milliseconds: run time does not depend on training.

`torch.onnx.export` takes seconds a graph, and a profile needs a hundred. Here each layer is written down directly,
with the operators that the exporter chooses. Given a network's weights, the graph computes the network.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from functools import singledispatch
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..errors import BadInput
from ..space import Architecture, Block, Cell, check, check_cell

if TYPE_CHECKING:
    import onnxruntime

OPSET, IR_VERSION = 20, 10  # what torch 2.14 exports by default


def session(
    model: bytes | str | os.PathLike, threads: int = 1, options: onnxruntime.SessionOptions | None = None
) -> onnxruntime.InferenceSession:
    """Open a model, given as bytes or as a file, on the CPU with `threads` threads. BadInput if it is not a model.

    options: what else ONNX Runtime is to be told; its threads and its silence are set here.
    """
    import onnxruntime as ort

    options = options or ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    source = model if isinstance(model, bytes) else os.fspath(model)
    if isinstance(source, str) and not os.path.isfile(source):
        raise BadInput(f"there is no model file {source}; write one with export_onnx")
    try:
        return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no other base class
        name = "these bytes" if isinstance(source, bytes) else source
        reason = str(error).splitlines()[0][:200]
        raise BadInput(f"ONNX Runtime cannot run {name} ({reason}); export the model again") from error


def quick_graph(
    arch: Architecture | Cell,
    *,
    input_dim: int = 80,
    vocab_size: int = 200,
    weights: Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
) -> bytes:
    """The ONNX model of `arch`, as bytes: features (B, T, F) float32 and lengths (B,) int64 in, as `models.build`.

    weights: the arrays of the network's `state_dict()`, by name; random ones if left out. Batch and time are free.
    """
    maker = Maker(weights, seed)
    write(arch, maker, input_dim, vocab_size)
    return model_bytes(maker, input_dim, vocab_size)


def model_bytes(maker: Maker, bands: int, labels: int, opset: int = OPSET, ir_version: int = IR_VERSION) -> bytes:
    """What `maker` wrote, as an ONNX model with the inputs and outputs of a recogniser."""
    inputs = [
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", "time", bands]),
        helper.make_tensor_value_info("lengths", TensorProto.INT64, ["batch"]),
    ]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "steps", labels]),
        helper.make_tensor_value_info("out_lengths", TensorProto.INT64, ["batch"]),
    ]
    graph = helper.make_graph(maker.nodes, "encoder", inputs, outputs, list(maker.stored.values()))
    domains = {node.domain: 1 for node in maker.nodes if node.domain} | {"": opset}
    imports = [helper.make_opsetid(domain, number) for domain, number in domains.items()]
    model = helper.make_model(graph, opset_imports=imports, ir_version=ir_version)
    return model.SerializeToString()


@singledispatch
def write(arch: Architecture, maker: Maker, bands: int, labels: int) -> None:
    """Write the whole network of `arch`."""
    maker.network(check(arch), bands, labels)


@write.register(Cell)
def _(arch: Cell, maker: Maker, bands: int, labels: int) -> None:
    from .cell_graphs import write_cell  # made of this file's maker

    write_cell(check_cell(arch), maker, bands, labels)


class Maker:
    """Writes nodes one after the other. Methods take and return the names of values."""

    def __init__(self, weights: Mapping[str, np.ndarray] | None, seed: int) -> None:
        self.weights, self.random = weights, np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.stored: dict[str, onnx.TensorProto] = {}

    def op(self, kind: str, *inputs: str, out: str | None = None, **attributes: object) -> str:
        """Add one operator; the name of its result."""
        name = out or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, value: object, dtype: type = np.int64) -> str:
        """A number or list of numbers; equal ones are stored once."""
        name = f"c {dtype.__name__} {value}"
        self.stored.setdefault(name, numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def weight(self, name: str, *shape: int, transposed: bool = False) -> str:
        """A weight of the network by the name that torch gives it."""
        if self.weights is None:
            value = self.random.standard_normal(shape, dtype=np.float32) / math.sqrt(shape[-1])
        else:
            value = np.asarray(self.weights[name], dtype=np.float32)
        value = np.ascontiguousarray(value.T) if transposed else value
        self.stored[name] = numpy_helper.from_array(value, name)
        return name

    def linear(self, x: str, name: str, inputs: int, outputs: int, out: str | None = None) -> str:
        product = self.op("MatMul", x, self.weight(f"{name}.weight", outputs, inputs, transposed=True))
        return self.op("Add", product, self.weight(f"{name}.bias", outputs), out=out)

    def norm(self, x: str, name: str, width: int) -> str:
        weight, bias = self.weight(f"{name}.weight", width), self.weight(f"{name}.bias", width)
        return self.op("LayerNormalization", x, weight, bias, axis=-1, epsilon=1e-5)

    def ceil_div(self, x: str, count: int) -> str:
        return self.op("Div", self.op("Add", x, self.constant(count - 1)), self.constant(count))

    def mask(self, frames: str, lengths: str) -> str:
        """1 on real frames, 0 on padding: (B, T, 1)."""
        time = self.op("Range", self.constant(0), frames, self.constant(1))
        shorter = self.op(
            "Less", self.op("Unsqueeze", time, self.constant([0])), self.op("Unsqueeze", lengths, self.constant([1]))
        )
        return self.op("Cast", self.op("Unsqueeze", shorter, self.constant([-1])), to=TensorProto.FLOAT)

    def reshape(self, x: str, *sizes: int) -> str:
        """0 keeps a size, -1 takes the rest."""
        return self.op("Reshape", x, self.constant(list(sizes)))

    def part(self, x: str, number: int, axis: int) -> str:
        """`x[..., number, ...]` on one axis, which vanishes."""
        start, stop, axes = self.constant([number]), self.constant([number + 1]), self.constant([axis])
        return self.op("Squeeze", self.op("Slice", x, start, stop, axes), axes)

    def pad(self, x: str, frames: str, count: int) -> str:
        """Zeros behind (B, T, C) up to a multiple of `count` frames."""
        rest = self.op("Mod", self.op("Mul", frames, self.constant(-1)), self.constant(count))
        zeros = self.constant([0])
        pads = self.op("Concat", *[zeros] * 4, self.op("Reshape", rest, self.constant([-1])), zeros, axis=0)
        return self.op("Pad", x, pads)

    def depthwise(self, x: str, name: str, width: int, kernel: int, stride: int = 1) -> str:
        image = self.op("Unsqueeze", self.op("Transpose", x, perm=[0, 2, 1]), self.constant([2]))
        image = self.op(
            "Conv",
            image,
            self.weight(f"{name}.weight", width, 1, 1, kernel),
            self.weight(f"{name}.bias", width),
            group=width,
            kernel_shape=[1, kernel],
            strides=[1, stride],
            pads=[0, kernel // 2, 0, kernel // 2],
        )
        return self.op("Transpose", self.op("Squeeze", image, self.constant([2])), perm=[0, 2, 1])

    def activate(self, x: str, kind: str) -> str:
        if kind == "swish":
            return self.op("Mul", x, self.op("Sigmoid", x))
        return self.op({"gelu": "Gelu", "relu": "Relu"}[kind], x)

    def average(self, x: str, frames: str, lengths: str, count: int, width: int) -> tuple[str, str, str]:
        """Mean of each `count` neighbouring real frames."""
        mask = self.pad(self.mask(frames, lengths), frames, count)
        x = self.op("Mul", self.pad(x, frames, count), mask)
        total = self.op("ReduceSum", self.reshape(x, 0, -1, count, width), self.constant([2]), keepdims=0)
        real = self.op("ReduceSum", self.reshape(mask, 0, -1, count, 1), self.constant([2]), keepdims=0)
        x = self.op("Div", total, self.op("Max", real, self.constant(1, np.float32)))
        return x, self.ceil_div(frames, count), self.ceil_div(lengths, count)

    def network(self, arch: Architecture, bands: int, labels: int) -> None:
        """Stem, stages, pooling, head, in the order of `models.MobileConformer`."""
        x, frames, lengths = self.stacked(arch.stem, bands)
        width = arch.stages[0].width
        x = self.norm(self.linear(x, f"stem.{arch.stem}", arch.stem * bands, width), "stem_norm", width)
        x = self.op("Add", x, self.positions(frames, width))
        for s, stage in enumerate(arch.stages):
            if stage.reduction == "pool":
                x, frames, lengths = self.average(x, frames, lengths, 2, width)
            elif stage.reduction == "conv":
                x = self.op("Mul", x, self.mask(frames, lengths))
                x = self.depthwise(x, f"stages.{s}.halve", width, 3, 2)
                frames, lengths = self.ceil_div(frames, 2), self.ceil_div(lengths, 2)
            if stage.reduction != "none" or stage.width != width:
                x = self.linear(x, f"stages.{s}.enter", width, stage.width)
                x = self.norm(x, f"stages.{s}.enter_norm", stage.width)
            width, mask = stage.width, self.mask(frames, lengths)
            for b, block in enumerate(stage.blocks):
                if not block.is_skip:
                    x = self.block(x, mask, frames, f"stages.{s}.blocks.{b}", width, block, arch)
        pool = arch.output_reduction // (arch.stem * 2**arch.reductions)
        if pool > 1:
            x, frames, lengths = self.average(x, frames, lengths, pool, width)
        self.head(x, lengths, width, labels)

    def stacked(self, count: int, bands: int) -> tuple[str, str, str]:
        """The input with `count` neighbouring frames side by side; its frames and lengths."""
        frames = self.op("Squeeze", self.op("Shape", "features", start=1, end=2))
        x = self.op("Mul", "features", self.mask(frames, "lengths"))
        x = self.reshape(self.pad(x, frames, count), 0, -1, count * bands)
        return x, self.ceil_div(frames, count), self.ceil_div("lengths", count)

    def head(self, x: str, lengths: str, width: int, labels: int) -> None:
        """The model's two outputs."""
        self.linear(self.norm(x, "head.0", width), "head.1", width, labels, out="logits")
        self.op("Identity", lengths, out="out_lengths")

    def positions(self, frames: str, width: int) -> str:
        """Sinusoids (T, width)."""
        half = (width + 1) // 2
        rate = np.exp(np.arange(half, dtype=np.float32) * np.float32(-math.log(10_000.0) / half))
        self.stored["rate"] = numpy_helper.from_array(rate[None, :].astype(np.float32), "rate")
        time = self.op("Range", self.constant(0), frames, self.constant(1))
        time = self.op("Cast", self.op("Unsqueeze", time, self.constant([1])), to=TensorProto.FLOAT)
        angle = self.op("Mul", time, "rate")
        both = self.op("Concat", self.op("Sin", angle), self.op("Cos", angle), axis=1)
        if width % 2:
            both = self.op("Slice", both, self.constant([0]), self.constant([width]), self.constant([1]))
        return both

    def block(self, x: str, mask: str, frames: str, name: str, width: int, block: Block, arch: Architecture) -> str:
        hidden = round(block.expansion * width)
        if arch.macaron:
            half = self.constant(0.5, np.float32)
            y = self.feed_forward(x, f"{name}.first", width, hidden, arch.activation)
            x = self.op("Add", x, self.op("Mul", y, half))
        if block.heads:
            x = self.op("Add", x, self.attention(x, mask, frames, f"{name}.attention", width, block.heads))
        if block.kernel:
            x = self.op("Add", x, self.convolution(x, mask, f"{name}.convolution", width, block.kernel, arch))
        y = self.feed_forward(x, f"{name}.second", width, hidden, arch.activation)
        x = self.op("Add", x, self.op("Mul", y, half) if arch.macaron else y)
        return self.norm(x, f"{name}.last_norm", width) if arch.macaron else x

    def feed_forward(self, x: str, name: str, width: int, hidden: int, activation: str) -> str:
        x = self.linear(self.norm(x, f"{name}.norm", width), f"{name}.expand", width, hidden)
        return self.linear(self.activate(x, activation), f"{name}.contract", hidden, width)

    def attention(self, x: str, mask: str, frames: str, name: str, width: int, heads: int) -> str:
        size = width // heads
        qkv = self.linear(self.norm(x, f"{name}.norm", width), f"{name}.qkv", width, 3 * width)
        qkv = self.op("Transpose", self.reshape(qkv, 0, -1, heads, size, 3), perm=[4, 0, 2, 1, 3])
        query, key, value = (self.part(qkv, number, 0) for number in range(3))  # each (B, H, T, size)
        bias = self.op("Unsqueeze", self.op("Transpose", mask, perm=[0, 2, 1]), self.constant([1]))
        bias = self.op("Sub", bias, self.constant(1, np.float32))
        bias = self.op("Mul", bias, self.constant(1e4, np.float32))
        one, steps = self.constant([1]), self.op("Reshape", frames, self.constant([-1]))
        bias = self.op("Expand", bias, self.op("Concat", one, one, steps, steps, axis=0))
        root = self.constant(size**-0.25, np.float32)
        key = self.op("Mul", self.op("Transpose", key, perm=[0, 1, 3, 2]), root)
        scores = self.op("Add", self.op("MatMul", self.op("Mul", query, root), key), bias)
        mixed = self.op("MatMul", self.op("Softmax", scores, axis=-1), value)
        mixed = self.reshape(self.op("Transpose", mixed, perm=[0, 2, 1, 3]), 0, -1, width)
        return self.linear(mixed, f"{name}.out", width, width)

    def convolution(self, x: str, mask: str, name: str, width: int, kernel: int, arch: Architecture) -> str:
        x = self.linear(self.norm(x, f"{name}.norm", width), f"{name}.gate", width, 2 * width)
        x = self.reshape(x, 0, -1, width, 2)
        x = self.op("Mul", self.part(x, 0, 3), self.op("Sigmoid", self.part(x, 1, 3)))
        x = self.depthwise(self.op("Mul", x, mask), f"{name}.depthwise", width, kernel)
        return self.after_filter(x, name, width, arch)

    def after_filter(self, x: str, name: str, width: int, arch: Architecture) -> str:
        """The end of the convolution module: norm, activation, linear."""
        if arch.norm == "layer":
            x = self.norm(x, f"{name}.inner.layer", width)
        else:
            scale, shift = self.batch_norm(f"{name}.inner.batch", width)
            x = self.op("Add", self.op("Mul", x, scale), shift)
        return self.linear(self.activate(x, arch.activation), f"{name}.out", width, width)

    def batch_norm(self, name: str, width: int) -> tuple[str, str]:
        """Gain and shift of each channel, as the running statistics make them."""
        gain, shift = np.ones(width, np.float32), np.zeros(width, np.float32)
        if self.weights is not None:
            read = {key: np.asarray(self.weights[f"{name}.{key}"]) for key in ("weight", "bias", "mean", "variance")}
            gain = read["weight"] / np.sqrt(read["variance"] + np.float32(1e-5))
            shift = read["bias"] - read["mean"] * gain
        for key, value in (("gain", gain), ("shift", shift)):
            self.stored[f"{name}.{key}"] = numpy_helper.from_array(value.astype(np.float32), f"{name}.{key}")
        return f"{name}.gain", f"{name}.shift"
