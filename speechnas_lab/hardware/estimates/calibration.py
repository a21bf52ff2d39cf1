"""This machine's own roof: how fast it multiplies matrices, moves memory and starts an operation, in a few seconds.

Each figure is the best of many short tries: other programs only ever slow a try down, and a roof is what can be
reached.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from ..graphs import IR_VERSION, OPSET, session
from .roofline import Roof

SIDE = 256  # of the square matrices: 0.8 MB of float32, inside the cache as a small network's layers are
CHAIN = 100  # operations in a row, by whose number the time of a chain is divided
COPIED = 1 << 20  # bytes: what a small network's operations touch lies in the cache too


def calibrate(tries: int = 60) -> Roof:
    """Measure one thread of this machine through ONNX Runtime: peak_gflops, bandwidth_gb_s, launch_us."""
    product = _opened([helper.make_node("MatMul", ["x", "w"], ["y"])], (SIDE, SIDE),
                      {"w": np.ones((SIDE, SIDE), np.float32)})  # fmt: skip
    multiply = _best(product, np.ones((SIDE, SIDE), np.float32), tries)
    source, target = np.ones(COPIED // 4, np.float32), np.empty(COPIED // 4, np.float32)
    copy = best(lambda: np.copyto(target, source), tries)
    one, many = (_best(_chain(length), np.ones(1, np.float32), tries) for length in (1, CHAIN + 1))
    return Roof(2 * SIDE**3 / multiply, 2 * COPIED / copy, (many - one) / CHAIN / 1e3)


def best(call: Callable[[], object], tries: int) -> float:
    """Nanoseconds of the quickest of `tries` calls, after one to warm up."""
    call()
    taken = []
    for _ in range(tries):
        start = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - start)
    return float(min(taken))


def _best(opened: onnxruntime.InferenceSession, value: np.ndarray, tries: int) -> float:
    return best(lambda: opened.run(None, {"x": value}), tries)


def _chain(length: int) -> onnxruntime.InferenceSession:
    """So many negations of one number, one after the other: work that is next to nothing."""
    names = ["x", *(f"v{place}" for place in range(1, length)), "y"]
    nodes = [helper.make_node("Neg", [before], [after]) for before, after in zip(names, names[1:], strict=False)]
    return _opened(nodes, (1,), {})


def _opened(nodes: list, shape: tuple[int, ...], stored: dict[str, np.ndarray]) -> onnxruntime.InferenceSession:
    """A session of these nodes from x to y."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    weights = [numpy_helper.from_array(value, name) for name, value in stored.items()]
    graph = helper.make_graph(nodes, "calibration", values[:1], values[1:], weights)
    opset = [helper.make_opsetid("", OPSET)]
    return session(helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION).SerializeToString())
