"""One step of a streaming network as an ONNX graph: features and state in, logits and state out.

Each thing that is carried is an input by its name and an output by that name with `.next` behind it. A step that does
not complete a frame of a coarser level leaves all behind it undone (`If`), and gives logits of no frames.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ...models.streaming_plan import FORBIDDEN, Plan, StreamSettings
from ...space import Architecture, Block, check
from ..graphs import IR_VERSION, OPSET, Maker


def quick_step(
    arch: Architecture,
    settings: StreamSettings | None = None,
    *,
    input_dim: int = 80,
    vocab_size: int = 200,
    weights: Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
) -> bytes:
    """The ONNX model of one step of `arch` in streaming form, as bytes; for one stream.

    In: features (1, chunk, F) float32 and the state (`fresh_state`). Out: logits (1, m, V), m from 0, and the state
    after. weights: as of `quick_graph`.
    """
    plan = Plan(check(arch), settings or StreamSettings())
    maker = StepMaker(plan, weights, seed)
    maker.whole_step(input_dim, vocab_size)
    shapes = maker.shapes
    values = [(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    inputs = [("features", TensorProto.FLOAT, (1, plan.settings.chunk, input_dim)), ("time", TensorProto.INT64, ())]
    outputs = [("logits", TensorProto.FLOAT, (1, None, vocab_size)), ("time.next", TensorProto.INT64, ())]
    inputs, outputs = inputs + values, outputs + [(f"{name}.next", kind, shape) for name, kind, shape in values]
    graph = helper.make_graph(
        maker.nodes,
        "step",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        list(maker.stored.values()),
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION).SerializeToString()


def fresh_state(arch: Architecture, settings: StreamSettings) -> dict[str, np.ndarray]:
    """The state before the first frame: silence."""
    state = {"time": np.zeros((), np.int64)}
    return state | {name: np.zeros(shape, np.float32) for name, shape in one_stream(Plan(arch, settings)).items()}


def one_stream(plan: Plan) -> dict[str, tuple[int, ...]]:
    """Name and shape of what one stream carries."""
    return {name: tuple(size or 1 for size in shape) for name, shape in plan.shapes().items()}


class StepMaker(Maker):
    """Writes one step in the order of `models.StreamingConformer.advance`."""

    def __init__(self, plan: Plan, weights: Mapping[str, np.ndarray] | None, seed: int) -> None:
        super().__init__(weights, seed)
        self.plan, self.shapes, self.count = plan, one_stream(plan), 0
        self.biases: dict[tuple[int, int], str] = {}

    def op(self, kind: str, *inputs: str, out: str | None = None, **attributes: object) -> str:
        """Names are counted over all branches: none may hide another's."""
        self.count += 1
        return super().op(kind, *inputs, out=out or f"s{self.count}", **attributes)

    def cut(self, x: str, first: int, last: int, axis: int) -> str:
        """`x[..., first:last, ...]` on one axis."""
        return self.op("Slice", x, *(self.constant([n]) for n in (first, last, axis)))

    def whole_step(self, bands: int, labels: int) -> None:
        """All of it, up to the graph's outputs."""
        arch, chunk = self.plan.arch, self.plan.settings.chunk
        self.labels, self.now = labels, self.op("Add", "time", self.constant(chunk))
        x = self.reshape("features", 1, chunk // arch.stem, arch.stem * bands)
        width = arch.stages[0].width
        x = self.norm(self.linear(x, f"stem.{arch.stem}", arch.stem * bands, width), "stem_norm", width)
        logits, kept = self.rest(x, 0, arch.stem, width)
        horizon, period = self.constant(self.plan.horizon), self.constant(self.plan.period)
        over = self.op("Sub", self.now, horizon)
        wrapped = self.op("Add", horizon, self.op("Mod", over, period))
        late = self.op("Greater", over, self.constant(0))
        self.op("Where", late, wrapped, self.now, out="time.next")
        self.op("Identity", logits, out="logits")
        for name in self.shapes:
            self.op("Identity", kept[name], out=f"{name}.next")

    def rest(self, x: str, s: int, rate: int, width: int) -> tuple[str, dict[str, str]]:
        """Stage `s` and all behind it, on frames of `rate` 10 ms: the logits, and what each state becomes."""
        arch, plan = self.plan.arch, self.plan
        at_end = s == len(arch.stages)
        target = arch.output_reduction if at_end else plan.rates[s]
        name = "pool" if at_end else f"stages.{s}.{'halve' if arch.stages[s].reduction == 'conv' else 'pool'}"
        count, frames, kept = target // rate, plan.at_once(rate), {}
        if name in self.shapes:
            held = self.shapes[name][1]
            x = self.op("Concat", name, x, axis=1)
            kept[name] = self.cut(x, frames, frames + held, 1)
            frames = max(frames, count)
        write = (lambda: self.ending(x, count, frames, width)) if at_end else (
            lambda: self.stage(x, s, count, frames, width))  # fmt: skip
        if target <= max(rate, plan.settings.chunk):
            logits, more = write()
        else:
            logits, more = self.when(target, write, [n for n in self.shapes if self._behind(n, s)])
        return logits, kept | more

    def _behind(self, name: str, s: int) -> bool:
        """Whether a state belongs behind the reduction at the entry of stage `s`."""
        if name == "pool":
            return s < len(self.plan.arch.stages)
        stage = int(name.split(".")[1])
        return stage > s or (stage == s and ".blocks." in name)

    def when(self, rate: int, write, names: list[str]) -> tuple[str, dict[str, str]]:
        """`write()` in a branch that runs when a frame of `rate` is complete; else the named states stay."""
        ready = self.op("Equal", self.op("Mod", self.now, self.constant(rate)), self.constant(0))
        outer, branches, results = self.nodes, [], []
        for active in (True, False):
            self.nodes = []
            if active:
                logits, kept = write()
            else:
                value = numpy_helper.from_array(np.zeros((1, 0, self.labels), np.float32))
                logits, kept = self.op("Constant", value=value), {name: self.op("Identity", name) for name in names}
            found = [logits, *(kept[name] for name in names)]
            shapes = [(1, None, self.labels), *(self.shapes[name] for name in names)]
            infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape)
                     for n, shape in zip(found, shapes, strict=True)]  # fmt: skip
            branches.append(helper.make_graph(self.nodes, f"branch {self.count}", [], infos))
        self.nodes = outer
        self.count += 1
        results = [f"if{self.count}.{n}" for n in range(len(names) + 1)]
        node = helper.make_node("If", [ready], results, then_branch=branches[0], else_branch=branches[1])
        self.nodes.append(node)
        return results[0], dict(zip(names, results[1:], strict=True))

    def mean(self, x: str, count: int, frames: int, width: int) -> str:
        """Mean of each `count` neighbours."""
        if count == 1:
            return x
        return self.op("ReduceMean", self.reshape(x, 1, frames // count, count, width), self.constant([2]), keepdims=0)

    def ending(self, x: str, count: int, frames: int, width: int) -> tuple[str, dict[str, str]]:
        """The head: (1, frames, width) -> logits (1, frames / count, V); no state."""
        x = self.norm(self.mean(x, count, frames, width), "head.0", width)
        return self.linear(x, "head.1", width, self.labels), {}

    def stage(self, x: str, s: int, count: int, frames: int, before: int) -> tuple[str, dict[str, str]]:
        """Entry and blocks of stage `s`, then the rest."""
        stage, kept = self.plan.arch.stages[s], {}
        if stage.reduction == "pool":
            x = self.mean(x, count, frames, before)
        elif stage.reduction == "conv":
            x = self.filtered(x, f"stages.{s}.halve", before, 3, frames // count, 2)
        if stage.reduction != "none" or stage.width != before:
            x = self.linear(x, f"stages.{s}.enter", before, stage.width)
            x = self.norm(x, f"stages.{s}.enter_norm", stage.width)
        for b, block in enumerate(stage.blocks):
            if not block.is_skip:
                x = self.step_block(x, s, f"stages.{s}.blocks.{b}", stage.width, block, frames // count, kept)
        logits, more = self.rest(x, s + 1, self.plan.rates[s], stage.width)
        return logits, kept | more

    def step_block(self, x: str, s: int, name: str, width: int, block: Block, frames: int, kept: dict) -> str:
        """A block of stage `s`: (1, frames, width) -> the same shape. What each state becomes is put into `kept`."""
        arch, hidden, half = self.plan.arch, round(block.expansion * width), self.constant(0.5, np.float32)
        if arch.macaron:
            y = self.feed_forward(x, f"{name}.first", width, hidden, arch.activation)
            x = self.op("Add", x, self.op("Mul", y, half))
        if block.heads:
            y = self.step_attention(x, f"{name}.attention", s, width, block.heads, frames, kept)
            x = self.op("Add", x, y)
        if block.kernel:
            y = self.step_convolution(x, f"{name}.convolution", width, block.kernel, frames, kept)
            x = self.op("Add", x, y)
        y = self.feed_forward(x, f"{name}.second", width, hidden, arch.activation)
        x = self.op("Add", x, self.op("Mul", y, half) if arch.macaron else y)
        return self.norm(x, f"{name}.last_norm", width) if arch.macaron else x

    def step_attention(self, x: str, name: str, s: int, width: int, heads: int, frames: int, kept: dict) -> str:
        """Attention of (1, frames, width) to itself and to the keys and values that are kept, as `attend`."""
        size = width // heads
        qkv = self.linear(self.norm(x, f"{name}.norm", width), f"{name}.qkv", width, 3 * width)
        qkv = self.op("Transpose", self.reshape(qkv, 1, frames, heads, size, 3), perm=[4, 0, 2, 1, 3])
        query, known = self.part(qkv, 0, 0), self.cut(qkv, 1, 3, 0)
        if name in self.shapes:
            known = self.op("Concat", name, known, axis=3)  # (2, 1, H, L + T, size)
            kept[name] = self.cut(known, frames, frames + self.shapes[name][3], 3)
        key, value = self.part(known, 0, 0), self.part(known, 1, 0)
        key = self.op("Transpose", key, perm=[0, 1, 3, 2])
        scores = self.op("MatMul", self.op("Mul", query, self.constant(size**-0.5, np.float32)), key)
        scores = self.op("Add", scores, self.bias(self.plan.rates[s], heads))
        mixed = self.op("MatMul", self.op("Softmax", scores, axis=-1), value)
        mixed = self.reshape(self.op("Transpose", mixed, perm=[0, 2, 1, 3]), 1, frames, width)
        return self.linear(mixed, f"{name}.out", width, width)

    def bias(self, rate: int, heads: int) -> str:
        """What is added to the scores (H, T, L + T): distance, and nothing from before the first frame."""
        if (rate, heads) not in self.biases:
            frames, left = self.plan.at_once(rate), self.plan.left(rate)
            column = np.arange(-left, frames)
            slope = 2.0 ** (-8.0 * np.arange(1, heads + 1) / heads)
            distance = abs(np.arange(frames)[:, None] - column[None, :])
            name, ages = f"distance {rate} {heads}", f"ages {rate}"
            value = (-slope[:, None, None] * distance).astype(np.float32)
            self.stored[name] = numpy_helper.from_array(value, name)
            if left:
                self.stored[ages] = numpy_helper.from_array(-column.astype(np.int64), ages)
                real = self.op("LessOrEqual", ages, self.op("Div", "time", self.constant(rate)))
                name = self.op("Where", real, name, self.constant(FORBIDDEN, np.float32))
            self.biases[rate, heads] = name
        return self.biases[rate, heads]

    def step_convolution(self, x: str, name: str, width: int, kernel: int, frames: int, kept: dict) -> str:
        """The convolution module on (1, frames, width) behind the kernel - 1 frames that are kept, as `convolve`."""
        x = self.linear(self.norm(x, f"{name}.norm", width), f"{name}.gate", width, 2 * width)
        x = self.reshape(x, 1, frames, width, 2)
        x = self.op("Mul", self.part(x, 0, 3), self.op("Sigmoid", self.part(x, 1, 3)))
        if name in self.shapes:
            x = self.op("Concat", name, x, axis=1)
            kept[name] = self.cut(x, frames, frames + kernel - 1, 1)
        x = self.filtered(x, f"{name}.depthwise", width, kernel, frames)
        return self.after_filter(x, name, width, self.plan.arch)

    def filtered(self, x: str, name: str, width: int, kernel: int, frames: int, stride: int = 1) -> str:
        """The depthwise filter without padding: (1, (frames - 1) * stride + kernel, C) -> (1, frames, C)."""
        weight = self.weight(f"{name}.weight", width, 1, 1, kernel)
        bias = self.weight(f"{name}.bias", width)
        if frames == 1:  # one output: a product and a sum, without turning the axes
            flat = numpy_helper.to_array(self.stored.pop(weight)).reshape(width, kernel).T
            self.stored[weight] = numpy_helper.from_array(np.ascontiguousarray(flat), weight)
            total = self.op("ReduceSum", self.op("Mul", x, weight), self.constant([1]), keepdims=1)
            return self.op("Add", total, bias)
        image = self.op("Unsqueeze", self.op("Transpose", x, perm=[0, 2, 1]), self.constant([2]))
        image = self.op("Conv", image, weight, bias, group=width, kernel_shape=[1, kernel], strides=[1, stride])
        return self.op("Transpose", self.op("Squeeze", image, self.constant([2])), perm=[0, 2, 1])


def carried_bytes(plan: Plan) -> int:
    """Bytes of the state that a step carries: float32, and the count of frames."""
    return 8 + 4 * sum(int(np.prod(shape)) for shape in one_stream(plan).values())
