"""An architecture as a row of numbers for a latency predictor: its genes, and counts that drive latency."""

from __future__ import annotations

from math import log

import numpy as np

from .architecture import Architecture
from .counting import layers
from .presets import Choices

INPUT_DIM, VOCAB_SIZE, FRAMES = 80, 200, 200  # what the counts are for: two seconds of speech
_KINDS = ("transition", "feed-forward", "attention", "products", "convolution", "depthwise")
_COUNTED = (*(f"{kind} MMACs" for kind in _KINDS), *(f"{kind} layers" for kind in _KINDS), "nonlinear k")


def steps(choices: Choices) -> list[int]:
    """All frame lengths that a block can run at, in units of 10 ms."""
    return sorted({stem * 2**n for (stem, _), most in choices.rates().items() for n in range(most + 1)})


def feature_names(choices: Choices) -> list[str]:
    """One name for each column of `encode`."""
    names = ["stem", "output_reduction", "macaron"]
    names += [f"activation {option}" for option in choices.activations]
    names += [f"norm {option}" for option in choices.norms]
    for s, slots in enumerate(choices.slots):
        names += [f"stage {s} width"]
        names += [f"stage {s} reduction {option}" for option in choices.reductions]
        names += [f"block {s}.{b} {gene}" for b in range(slots) for gene in ("kernel", "heads", "expansion")]
    names += [f"{10 * step} ms {counted}" for step in steps(choices) for counted in _COUNTED]
    names += [f"total k through {passed}" for passed in (*choices.activations, *choices.norms, "softmax")]
    return [*names, "total heads", "log parameters", "log MACs"]


def encode(arch: Architecture, choices: Choices) -> np.ndarray:
    """float32 row of shape (features,), for a canonical `arch`.

    Genes stand as numbers, words as one-hot. Then, for each frame length: millions of MACs of each kind of
    layer, how many such layers there are, and thousands of values through an activation or softmax. Then the
    thousands of values through each activation, through each norm inside a convolution and through softmax:
    processors differ in what they make quick (with them, 99% instead of 96% of the predictions by a table of
    operations are within a tenth).
    """
    row: list[float] = [arch.stem, arch.output_reduction, arch.macaron]
    row += [arch.activation == option for option in choices.activations]
    row += [arch.norm == option for option in choices.norms]
    for stage in arch.stages:
        row.append(stage.width)
        row += [stage.reduction == option for option in choices.reductions]
        for block in stage.blocks:
            row += (block.kernel, block.heads, block.expansion)
    through = dict.fromkeys((*choices.activations, *choices.norms, "softmax"), 0.0)
    at = {step: [0.0] * len(_COUNTED) for step in steps(choices)}
    parameters = macs = 0
    for layer in layers(arch, INPUT_DIM, VOCAB_SIZE, FRAMES):
        parameters += layer.parameters
        macs += layer.macs
        if layer.part in _KINDS:
            kind = _KINDS.index(layer.part)
            sums = at[layer.step]
            sums[kind] += layer.macs / 1e6
            sums[len(_KINDS) + kind] += 1
            sums[-1] += layer.nonlinear / 1e3
        if layer.part in ("feed-forward", "depthwise"):
            through[arch.activation] += layer.nonlinear / 1e3
        if layer.part == "depthwise":
            through[arch.norm] += layer.nonlinear / 1e3
        if layer.part == "products":
            through["softmax"] += layer.nonlinear / 1e3
    for sums in at.values():
        row += sums
    heads = sum(block.heads for stage in arch.stages for block in stage.blocks)
    return np.array([*row, *through.values(), heads, log(parameters), log(macs)], dtype=np.float32)
