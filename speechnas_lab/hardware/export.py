"""A trained network made into a file that runs without torch, tested against torch before anyone gets it."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from ..errors import BadInput
from ..models.cells import CellNetwork
from ..models.network import MobileConformer, Recogniser
from .graphs import quick_graph, session

TOLERANCE = 1e-4
SHAPES = ((1, 50), (3, 97), (2, 200), (1, 8))  # none is the exporter's example, (2, 37)


class ExportFailed(RuntimeError):
    """The exported file does not compute what the network computes."""


@dataclass(frozen=True)
class Exported:
    """What was written. largest_error: between torch and ONNX Runtime, over valid frames of all tested shapes."""

    path: Path
    opset: int
    exporter: str
    largest_error: float
    stored_bytes: int
    file_bytes: int


def export_onnx(
    network: Recogniser,
    path: str | os.PathLike,
    *,
    input_dim: int = 80,
    metadata: Mapping[str, object] | None = None,
    exporter: str | None = None,
) -> Exported:
    """Write `network` as ONNX with free batch and time, and compare the file with torch on other shapes.

    exporter: "direct" writes each layer of a Mobile Conformer, or of a cell's network, as `graphs.quick_graph` does:
    the graph that was profiled, ready in 20 ms. "torch" is `torch.onnx.export`, for any network: it takes about 6 s,
    and its graphs of Mobile Conformers run 7 to 20% slower, since they compute shapes again at each step. Left out:
    "direct" where possible. metadata: what the file must tell its user (labels, feature settings); stored as text or
    JSON.
    Raises ExportFailed if the outputs differ by more than 1e-4.
    """
    kinds = {None, "direct", "torch"}
    if exporter not in kinds:
        raise BadInput(f"exporter is {exporter!r}; allowed: 'direct', 'torch' or None")
    direct = type(network) in (MobileConformer, CellNetwork)
    if exporter == "direct" and not direct:
        raise BadInput(f"a {type(network).__name__} cannot be written directly; use exporter='torch'")
    exporter = exporter or ("direct" if direct else "torch")
    was_training = network.training
    network.eval()
    try:
        model = _direct(network) if exporter == "direct" else _by_torch(network, input_dim)
        for key, value in (metadata or {}).items():
            model.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
        onnx.checker.check_model(model, full_check=True)
        error = verify(model.SerializeToString(), network, input_dim=input_dim)
    finally:
        network.train(was_training)
    path = Path(path)
    save(model, path)
    opset = next(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    return Exported(path, opset, exporter, error, stored_bytes(path), path.stat().st_size)


def verify(
    model: bytes | str | os.PathLike,
    network: Recogniser,
    *,
    input_dim: int = 80,
    shapes: Sequence[tuple[int, int]] = SHAPES,
    tolerance: float | None = TOLERANCE,
) -> float:
    """Largest difference between ONNX Runtime and torch on valid frames, over `shapes` (batch, frames), uneven lengths.

    Raises ExportFailed where lengths or shapes differ, or the difference exceeds `tolerance` (None: any is accepted).
    """
    opened, generator, largest = session(model), torch.Generator().manual_seed(0), 0.0
    for batch, frames in shapes:
        features = torch.randn(batch, frames, input_dim, generator=generator)
        lengths = torch.randint(1, frames + 1, (batch,), generator=generator)
        lengths[0] = frames
        with torch.no_grad():
            right, right_lengths = network(features, lengths)
        got, got_lengths = opened.run(None, {"features": features.numpy(), "lengths": lengths.numpy()})
        if got.shape != tuple(right.shape) or not np.array_equal(got_lengths, right_lengths.numpy()):
            raise ExportFailed(f"the ONNX file gives other shapes or lengths than torch on {batch} x {frames} frames")
        for row, valid in enumerate(right_lengths.tolist()):
            largest = max(largest, float(np.abs(got[row, :valid] - right[row, :valid].numpy()).max()))
    if tolerance is not None and not largest <= tolerance:  # also catches NaN
        raise ExportFailed(f"the ONNX file differs from torch by {largest:.1e}, allowed {tolerance:.0e}")
    return largest


def stored_bytes(path: str | os.PathLike) -> int:
    """Bytes of all weights in an ONNX file as they are stored: int8 counts 1, float32 counts 4, scales included."""
    model = onnx.load(os.fspath(path))
    tensors = list(model.graph.initializer)
    constants = [node for node in model.graph.node if node.op_type == "Constant"]
    tensors += [item.t for node in constants for item in node.attribute if item.HasField("t")]
    return sum(onnx.numpy_helper.to_array(tensor).nbytes for tensor in tensors)


def _direct(network: MobileConformer | CellNetwork) -> onnx.ModelProto:
    weights = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    labels = network.head[1].out_features
    return onnx.load_from_string(
        quick_graph(network.arch, input_dim=network.input_dim, vocab_size=labels, weights=weights)
    )


def _by_torch(network: Recogniser, input_dim: int) -> onnx.ModelProto:
    from onnxscript import optimizer

    free = torch.export.Dim.DYNAMIC
    example = (torch.zeros(2, 37, input_dim), torch.tensor([37, 30]))
    with quiet("torch.onnx._internal.exporter._registration"), warnings.catch_warnings():
        # The exporter's own use of a deprecated call, and a note that every LSTM causes.
        warnings.filterwarnings("ignore", "_check_is_size will be removed", FutureWarning)
        warnings.filterwarnings("ignore", "The tensor attributes self", UserWarning)
        program = torch.onnx.export(
            network,
            example,
            dynamo=True,
            verbose=False,
            input_names=["features", "lengths"],
            output_names=["logits", "out_lengths"],
            dynamic_shapes=({0: free, 1: free}, {0: free}),
        )
    # An LSTM's weights are laid out anew at each run unless that is done here; then they can be stored as int8 too.
    optimizer.fold_constants(program.model, input_size_limit=2**30, output_size_limit=2**30)
    optimizer.remove_unused_nodes(program.model)
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # lines of Python source, up to a fifth of the file
    return model


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """Errors only from one logger."""
    logger = logging.getLogger(None if name == "root" else name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(model.SerializeToString(deterministic=True))
    os.replace(fresh, path)
