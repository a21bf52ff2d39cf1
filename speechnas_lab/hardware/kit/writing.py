"""A folder to copy to a machine far away, which is to be measured there. `kit_result` reads what comes back.

The folder holds graphs without weights, a list of them (kit.json), one script (`kit_script`) and a README. The script
makes one file of weights on the spot, which all graphs read, each tensor of a graph at a place of its own. Graphs use
opset 13 and IR version 7, which ONNX Runtime reads from 1.6 on. It knew layer normalisation and GELU as operators of
its own before ONNX did; they are called by those names, so that the same kernels run as for `quick_graph`.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onnx import TensorProto

from ...errors import BadInput
from ...files import write_bytes, write_json, write_text
from ...space import Architecture, Cell
from ..graphs import Maker, model_bytes, write
from ..profiling import ANCHORS, GROUP, PASSES, WARMUP
from ..runtimes import Sizes
from . import script as kit_script

OPSET, IR_VERSION = 13, 7
OUTSIDE = 64  # floats from which a weight is read from the common file
README = """Measure neural networks on this machine
=======================================

You need Python 3.6 or newer with two packages:

    python3 -m pip install numpy onnxruntime

Close other programs, plug in the power supply, then:

    python3 run_kit.py

It measures {count} small networks with ONNX Runtime on one thread and writes result.json. On a laptop that takes one
or two minutes, on a small board ten to twenty. It may be stopped and started again: it goes on where it was. Nothing
is sent anywhere; result.json holds times, the processor's name and software versions, and no name of yours.
`python3 run_kit.py --threads 4` measures with four threads. On the first run, {megabytes:.0f} MB of weights are made
in graphs/weights.bin.

Copy result.json back to where this folder was made, and there:

    speechnas profile --from result.json --out NAME.json
    speechnas search --profile NAME.json --out runs/NAME
"""


class KitMaker(Maker):
    """Writes what older versions of ONNX Runtime know, and leaves weights to the common file."""

    def __init__(self) -> None:
        super().__init__(None, 0)
        self.used = 0  # floats of the common file

    def op(self, kind: str, *inputs: str, out: str | None = None, **attributes: object) -> str:
        """Opset 13 knows no part of a shape: the whole is cut."""
        if kind != "Shape" or not attributes:
            return super().op(kind, *inputs, out=out, **attributes)
        whole, start, end = super().op("Shape", *inputs), attributes["start"], attributes["end"]
        return super().op("Slice", whole, self.constant([start]), self.constant([end]), out=out)

    def weight(self, name: str, *shape: int, transposed: bool = False) -> str:
        if math.prod(shape) < OUTSIDE:
            return super().weight(name, *shape, transposed=transposed)
        shape = shape[::-1] if transposed else shape
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
        length = math.prod(shape)
        for key, value in (("location", "weights.bin"), ("offset", 4 * self.used), ("length", 4 * length)):
            tensor.external_data.add(key=key, value=str(value))
        self.used += -(-length // 1024) * 1024  # whole pages of memory
        self.stored[name] = tensor
        return name

    def activate(self, x: str, kind: str) -> str:
        """GELU by the name it had before ONNX knew it."""
        return self.op("Gelu", x, domain="com.microsoft") if kind == "gelu" else super().activate(x, kind)


def kit_graph(arch: Architecture | Cell, sizes: Sizes) -> tuple[bytes, int]:
    """The graph of `arch` for a kit, the same bytes each time, and how many floats of weights.bin it reads."""
    maker = KitMaker()
    write(arch, maker, sizes.input_dim, sizes.vocab_size)
    return model_bytes(maker, sizes.input_dim, sizes.vocab_size, OPSET, IR_VERSION), maker.used


def write_kit(archs: Sequence[Architecture | Cell], folder: Path, sizes: Sizes | None = None) -> dict[str, Any]:
    """Write the kit for `archs` into the new or empty `folder`; return what kit.json holds."""
    archs, sizes, folder = list(dict.fromkeys(archs)), sizes or Sizes(), Path(folder)
    if not archs:
        raise BadInput("a kit needs one architecture or more")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} holds other files: choose an empty or new folder with --kit")
    graphs, most = [], 0
    for number, arch in enumerate(archs):
        model, used = kit_graph(arch, sizes)
        most, file = max(most, used), f"{number:03}.onnx"
        write_bytes(folder / "graphs" / file, model)
        graphs.append({"id": arch.id, "file": file, "sha256": hashlib.sha256(model).hexdigest(),
                       "arch": json.loads(arch.to_json())})  # fmt: skip
    ids = [arch.id for arch in archs]
    anchors, rest = ids[:ANCHORS], ids[ANCHORS:]
    kit = {
        "format": kit_script.FORMAT, "weights": most, **vars(sizes), "graphs": graphs,
        "groups": [anchors + rest[start : start + GROUP] for start in range(0, max(1, len(rest)), GROUP)],
        "settings": {"burst": 5, "warmup": WARMUP, "passes": PASSES},
    }  # fmt: skip
    shutil.copyfile(kit_script.__file__, folder / "run_kit.py")
    write_text(folder / "README.txt", README.format(count=len(archs), megabytes=4 * most / 1e6))
    write_json(folder / "kit.json", kit)  # last: a folder without it is no kit
    return kit
