"""Model files of fewer bits: int8 weights with inputs rounded as they come or on a fixed grid, and float16 weights.

All three leave norms and biases in float32, and the two int8 ones leave the convolutions' filters too. They save bytes
for certain and time only perhaps: measure both.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..errors import BadInput
from .export import quiet, save
from .graphs import session

WEIGHED = {"MatMul", "Gemm", "Conv", "LSTM"}  # operators with matrices and filters; their first input is sound
LARGEST_HALF = float(np.finfo(np.float16).max)


def quantize_dynamic(path: str | os.PathLike, out: str | os.PathLike) -> Path:
    """Write `out`: the model `path` with the weights of its matrix products and LSTMs as int8, one scale a column.

    Inputs are quantised while it runs, from the smallest to the largest number of the call. So the answer to an
    utterance depends a little on its neighbours in a batch: `training.fake_quantised` imitates it. ONNX Runtime's
    symbolic shape inference fails on such graphs and is not needed.
    """
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization import quantize_dynamic as quantize

    out = Path(out)
    session(path)  # says in one line what is wrong with a file that is no model
    with tempfile.TemporaryDirectory(dir=out.parent) as folder, quiet("root"):
        small = Path(folder) / "int8.onnx"
        quantize(
            str(path),
            str(small),
            op_types_to_quantize=["MatMul", "Gemm", "LSTM"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True, "EnableSubgraph": True},  # a stream's step has branches
        )
        model = onnx.load(small)
    save(model, out)
    session(out)  # a graph that this processor cannot run must not leave this function
    return out


def quantize_static(path: str | os.PathLike, out: str | os.PathLike, clips: Iterable[np.ndarray]) -> Path:
    """Write `out`: the model `path` with int8 weights, and the inputs of its matrix products on a fixed uint8 grid.

    clips: features (T, F) of training utterances, from whose smallest and largest numbers the grids are made; louder
    ones will be clipped. The file speaks the QuantizeLinear and DequantizeLinear operators (QDQ) that most runtimes of
    phones and accelerators read. Raises BadInput without a clip, or where one does not fit the model.
    """
    from onnxruntime.quantization import QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as quantize

    out = Path(out)
    feeds = _feeds(clips, session(path).get_inputs()[0].shape[2])
    model = onnx.load(os.fspath(path))
    stored = {tensor.name for tensor in model.graph.initializer}
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type} {number}"
    products = [node for node in model.graph.node if node.op_type in ("MatMul", "Gemm")]
    chosen = [node.name for node in products if node.input[1] in stored]  # not those of attention: two inputs that move
    if not chosen:
        raise BadInput(f"{os.fspath(path)} has no matrix product with stored weights; quantize_dynamic may do")
    with tempfile.TemporaryDirectory(dir=out.parent) as folder, quiet("root"):
        named, small = Path(folder) / "named.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, named)
        quantize(
            str(named),
            str(small),
            _Reader(feeds),
            quant_format=QuantFormat.QDQ,
            nodes_to_quantize=chosen,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"]},
        )
        model = onnx.load(small)
    save(model, out)
    session(out)
    return out


class _Reader:
    """Utterances one by one, as ONNX Runtime's calibration asks for them."""

    def __init__(self, feeds: list[dict[str, np.ndarray]]) -> None:
        self.left: Iterator[dict[str, np.ndarray]] = iter(feeds)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.left, None)


def _feeds(clips: Iterable[np.ndarray], bands: int) -> list[dict[str, np.ndarray]]:
    feeds = []
    for number, clip in enumerate(clips):
        clip = np.asarray(clip, dtype=np.float32)
        if clip.ndim != 2 or not len(clip) or clip.shape[1] != bands or not np.isfinite(clip).all():
            raise BadInput(f"calibration clip {number} has shape {clip.shape}, or numbers that are not finite; give "
                           f"features (frames, {bands}) as the model hears them")  # fmt: skip
        feeds.append({"features": clip[None], "lengths": np.array([len(clip)])})
    if not feeds:
        raise BadInput("calibration needs one utterance at least; a dozen of the training split is a start")
    return feeds


def store_half(path: str | os.PathLike, out: str | os.PathLike) -> Path:
    """Write `out`: the model `path` with matrices and filters stored as float16, and made float32 when it is opened.

    It computes in float32, so it takes the same time, on any processor. Norms, biases and constants stay float32.
    Raises BadInput where a weight is beyond float16's largest number, 65,504.
    """
    session(path)
    model = onnx.load(os.fspath(path))
    used = {name for node in model.graph.node if node.op_type in WEIGHED for name in node.input[1:]}
    casts = []
    for tensor in model.graph.initializer:
        if tensor.name not in used or tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        weight = numpy_helper.to_array(tensor)
        if np.abs(weight).max(initial=0.0) > LARGEST_HALF:
            raise BadInput(f"the weight {tensor.name} holds {np.abs(weight).max():.3g}, more than float16 can; "
                           "keep the float32 file")  # fmt: skip
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(weight.astype(np.float16), f"{name} half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    out = Path(out)
    save(model, out)
    session(out)
    return out
