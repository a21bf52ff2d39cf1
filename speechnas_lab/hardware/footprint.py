"""What a user of the model gets: real-time factor and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..errors import BadInput
from ..speech.decoding import greedy_decode
from .timing import measure

if TYPE_CHECKING:
    import onnxruntime


@dataclass(frozen=True)
class SpeedReport:
    """Real-time factor: seconds of work for each second of audio. features_rtf: the share of the log-mel features.

    spread: interquartile range over the repeats divided by the median, mean over utterances.
    """

    rtf: float
    features_rtf: float
    spread: float
    utterances: int
    audio_seconds: float
    repeats: int
    warning: str


def real_time_factor(
    sessions: dict[str, onnxruntime.InferenceSession],
    log_mel: Callable[[np.ndarray], torch.Tensor],
    waves: Sequence[np.ndarray],
    decode: Callable[[torch.Tensor, torch.Tensor], object] = greedy_decode,
    *,
    sample_rate: int = 16_000,
    repeats: int = 10,
    burst: int = 3,
) -> dict[str, SpeedReport]:
    """RTF of several models in one run: features + encoder + decoding, batch 1, one thread, warm, over audio length.

    log_mel: wave (n,) -> (T, F) features as the model expects them. decode: (logits (1, T', V), lengths (1,)) -> text
    or labels. All models take turns on every utterance, so that their ratios hold even where the machine is busy.
    """
    if not sessions or not waves:
        raise BadInput("a real-time factor needs one model and one utterance at least")

    def features(wave: np.ndarray) -> dict[str, np.ndarray]:
        mel = np.asarray(log_mel(wave), dtype=np.float32)
        return {"features": mel[None], "lengths": np.array([len(mel)])}

    def hear(model: onnxruntime.InferenceSession, wave: np.ndarray) -> None:
        logits, lengths = model.run(None, features(wave))
        decode(torch.from_numpy(logits), torch.from_numpy(lengths))

    calls: dict[str, Callable[[], object]] = {}
    for number, wave in enumerate(waves):
        calls[f"{number}"] = lambda wave=wave: features(wave)
        for name, model in sessions.items():
            calls[f"{number} {name}"] = lambda wave=wave, model=model: hear(model, wave)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        taken = measure(calls, repeats, warmup=1, burst=burst)
    finally:
        torch.set_num_threads(threads)
    seconds = sum(len(wave) for wave in waves) / sample_rate
    share = sum(taken[f"{n}"].median_ms for n in range(len(waves))) / 1000 / seconds
    found = {}
    for name in sessions:
        mine = [taken[f"{n} {name}"] for n in range(len(waves))]
        rtf = sum(timing.median_ms for timing in mine) / 1000 / seconds
        spread = float(np.mean([timing.spread for timing in mine]))
        found[name] = SpeedReport(rtf, share, spread, len(waves), seconds, repeats, mine[0].warning)
    return found


# Runs in a child of its own. Linux keeps the high-water mark of a process across `exec` in `ru_maxrss`, so VmHWM is
# read instead, after it was set back to what is in use.
_CHILD = """
import json, sys
import numpy as np, onnxruntime as ort
def high():
    if sys.platform == "darwin":
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
def run():
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
    bands = model.get_inputs()[0].shape[2]
    frames = int(sys.argv[2])
    feed = {"features": np.zeros((1, frames, bands), np.float32), "lengths": np.array([frames])}
    model.run(None, feed)
if sys.platform != "darwin":
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
base = high()
run()
print(json.dumps(high() - base))
"""


def peak_memory(path: str | os.PathLike, frames: int = 200) -> int | None:
    """Bytes that loading the model and one inference add to a fresh process at most. None where nothing can tell.

    frames are of 10 ms. Works on Linux and macOS; the libraries themselves (about 50 MB) are not counted.
    """
    if not os.path.isfile(path):
        raise BadInput(f"there is no model file {os.fspath(path)}; write one with export_onnx")
    if sys.platform != "darwin" and not os.access("/proc/self/clear_refs", os.W_OK):
        return None
    command = [sys.executable, "-c", _CHILD, os.fspath(path), str(frames)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if answer.returncode:
        reason = (answer.stderr.strip().splitlines() or ["no message"])[-1][:200]
        raise BadInput(f"{os.fspath(path)} cannot be run ({reason}); export the model again")
    return json.loads(answer.stdout)
