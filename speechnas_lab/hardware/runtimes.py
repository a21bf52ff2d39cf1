"""How each runtime runs a network: from an architecture, a network or an ONNX file to a call that does one inference.

A runtime is an object with one method, `open`. Weights of an architecture are random: run time does not depend on
training.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..errors import BadInput
from ..space import Architecture, Cell
from .device import Device
from .graphs import quick_graph, session
from .quick_int8 import quick_int8

if TYPE_CHECKING:
    import torch

Network = "Architecture | Cell | Recogniser | bytes"  # bytes: an ONNX model
Call = Callable[[], object]


@dataclass(frozen=True)
class Sizes:
    """What a network takes and gives. frames are of 10 ms: 200 is two seconds of speech; batch 1."""

    input_dim: int = 80
    vocab_size: int = 200
    frames: int = 200

    def sound(self) -> tuple[np.ndarray, np.ndarray]:
        """Features (1, frames, input_dim), standard normal, the same each time, and lengths (1,)."""
        random = np.random.default_rng(0)
        features = random.standard_normal((1, self.frames, self.input_dim), dtype=np.float32)
        return features, np.array([self.frames])


class Runtime(Protocol):
    """What runs a network."""

    def open(self, network: Network, sizes: Sizes, threads: int) -> Call:
        """A call that runs `network` once on `sizes.sound()`. BadInput for a network that this runtime cannot run."""


class OnnxRuntime:
    """ONNX Runtime on the processor, in float32."""

    def open(self, network: Network, sizes: Sizes, threads: int) -> Call:
        features, lengths = sizes.sound()
        opened, feed = session(self.graph(network, sizes), threads), {"features": features, "lengths": lengths}
        return lambda: opened.run(None, feed)

    def graph(self, network: Network, sizes: Sizes) -> bytes:
        """The ONNX model."""
        if isinstance(network, bytes):
            return network
        if isinstance(network, (Architecture, Cell)):
            return quick_graph(network, input_dim=sizes.input_dim, vocab_size=sizes.vocab_size)
        from . import export_onnx

        with TemporaryDirectory() as folder:
            return export_onnx(network, Path(folder) / "network.onnx", input_dim=sizes.input_dim).path.read_bytes()


class OnnxRuntimeInt8(OnnxRuntime):
    """ONNX Runtime with the weights of matrix products in int8, as `quantize_dynamic` stores them."""

    def graph(self, network: Network, sizes: Sizes) -> bytes:
        model = super().graph(network, sizes)
        if isinstance(network, (Architecture, Cell)):
            return quick_int8(model)
        from . import quantize_dynamic

        with TemporaryDirectory() as folder:
            whole = Path(folder) / "whole.onnx"
            whole.write_bytes(model)
            return quantize_dynamic(whole, Path(folder) / "int8.onnx").read_bytes()


class Torch:
    """PyTorch, operator by operator."""

    def __init__(self, place: str) -> None:
        self.place = place

    def open(self, network: Network, sizes: Sizes, threads: int) -> Call:
        import torch

        model = self.build(network, sizes).eval().to(self.place)
        features, lengths = (torch.from_numpy(part).to(self.place) for part in sizes.sound())

        def call() -> object:
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
            with torch.inference_mode():
                return self.finish(model(features, lengths))

        return call

    def build(self, network: Network, sizes: Sizes) -> torch.nn.Module:
        """The network as PyTorch knows it: one of its own, so that the caller's stays where and as it is."""
        if isinstance(network, bytes):
            raise BadInput("PyTorch does not run an ONNX file; give the architecture or the network")
        if isinstance(network, (Architecture, Cell)):
            from ..models import build

            return build(network, input_dim=sizes.input_dim, vocab_size=sizes.vocab_size)
        return copy.deepcopy(network)

    def finish(self, answer: object) -> object:
        """Wait until `answer` is there."""
        return answer


class TorchOnGpu(Torch):
    """PyTorch on a GPU, which works on after a call has returned unless it is waited for."""

    def finish(self, answer: object) -> object:
        import torch

        torch.cuda.synchronize()
        return answer


_RUNTIMES: dict[str, Runtime] = {
    "onnxruntime": OnnxRuntime(),
    "onnxruntime-int8": OnnxRuntimeInt8(),
    "torch": Torch("cpu"),
    "torch-cuda": TorchOnGpu("cuda"),
}


def open_on(device: Device, network: Network, sizes: Sizes | None = None) -> Call:
    """A call that runs `network` once on `device`, which must be at hand. See `threads_kept`."""
    if device.estimated:
        raise BadInput(f"{device.name} is estimated, not at hand: nothing can be run on it")
    return _RUNTIMES[device.runtime].open(network, sizes or Sizes(), device.threads)


@contextmanager
def threads_kept(*devices: Device) -> Iterator[None]:
    """PyTorch knows one number of threads for the whole process: after the block it is what it was before."""
    if not any(isinstance(_RUNTIMES[device.runtime], Torch) for device in devices):
        yield
        return
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
