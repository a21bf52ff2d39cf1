"""An architecture is plain frozen data, numbers and words. `models.build` makes it a network."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from ..errors import BadInput

REDUCTIONS = ("none", "conv", "pool")
ACTIVATIONS = ("swish", "gelu", "relu")
NORMS = ("layer", "batch")


@dataclass(frozen=True)
class Block:
    """One residual block: attention, then convolution, then feed-forward. What is 0 is left out.

    kernel: frames seen by the depthwise convolution, odd; 0 = no convolution.
    heads: attention heads; 0 = no attention. Both 0 = skip: the block does nothing, and its expansion is 0.0.
    expansion: hidden size of the feed-forward layer divided by the stage's width.
    """

    kernel: int
    heads: int
    expansion: float

    @property
    def is_skip(self) -> bool:
        return not self.kernel and not self.heads

    @property
    def kind(self) -> str:
        """What it holds besides the feed-forward layer: "convolution", "attention", "both"; or "skip"."""
        if self.kernel:
            return "both" if self.heads else "convolution"
        return "attention" if self.heads else "skip"


SKIP = Block(0, 0, 0.0)


@dataclass(frozen=True)
class Stage:
    """Blocks of one width (channels). A reduction at its entry halves the number of frames."""

    width: int
    reduction: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Architecture:
    """A whole encoder.

    stem: how many 10 ms frames are stacked into one at the start (4 makes 40 ms frames).
    norm: the normalisation inside the convolution module, "layer" or "batch".
    macaron: two half-step feed-forward layers in each block, as in the Conformer (Gulati et al. 2020, eq. 1).
    output_reduction: 10 ms frames per output (8 makes 80 ms). What the stages leave undone is average-pooled.
    """

    stem: int
    stages: tuple[Stage, ...]
    activation: str
    norm: str
    macaron: bool
    output_reduction: int

    @cached_property
    def depth(self) -> int:
        """Number of blocks that are not skipped."""
        return sum(not block.is_skip for stage in self.stages for block in stage.blocks)

    @cached_property
    def reductions(self) -> int:
        """How many stages halve the number of frames."""
        return sum(stage.reduction != "none" for stage in self.stages)

    @cached_property
    def id(self) -> str:
        """First 12 hex digits of the SHA-256 of the sorted, compact JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    @cached_property
    def _hash(self) -> int:
        return hash((self.stem, self.stages, self.activation, self.norm, self.macaron, self.output_reduction))

    def __hash__(self) -> int:
        return self._hash

    def to_json(self) -> str:
        """Compact JSON with sorted keys: equal architectures give equal text."""
        stages = []
        for stage in self.stages:
            blocks = [{**vars(block), "expansion": float(block.expansion)} for block in stage.blocks]
            stages.append({"blocks": blocks, "reduction": stage.reduction, "width": stage.width})
        data = {field.name: getattr(self, field.name) for field in fields(self)}
        return json.dumps({**data, "stages": stages}, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Read what `to_json` wrote. Raises BadInput that names the field and what is allowed there."""
        try:
            data = json.loads(text)
        except ValueError as error:
            raise BadInput(
                f"this is not the JSON of an architecture ({error}); give what to_json() wrote"
            ) from None
        top = _fields(cls, data, "architecture")
        stages = []
        for s, raw in enumerate(_items(top["stages"], "stages")):
            stage = _fields(Stage, raw, f"stages[{s}]")
            blocks = _items(stage["blocks"], f"stages[{s}].blocks")
            read = [_fields(Block, block, f"stages[{s}].blocks[{b}]") for b, block in enumerate(blocks)]
            for block in read:
                if type(block["expansion"]) is int:
                    block["expansion"] = float(block["expansion"])
            stages.append(Stage(**{**stage, "blocks": tuple(Block(**block) for block in read)}))
        return check(cls(**{**top, "stages": tuple(stages)}))


def check(arch: Architecture) -> Architecture:
    """Return `arch` if a network can be built from it, else raise BadInput that names the field."""
    if not isinstance(arch, Architecture):
        raise BadInput(
            f"an Architecture is needed, not {type(arch).__name__}; read one with Architecture.from_json"
        )
    _need(_is_whole(arch.stem, 1), "stem", arch.stem, "a whole number from 1")
    _need(arch.activation in ACTIVATIONS, "activation", arch.activation, ACTIVATIONS)
    _need(arch.norm in NORMS, "norm", arch.norm, NORMS)
    _need(type(arch.macaron) is bool, "macaron", arch.macaron, (True, False))
    _need(
        isinstance(arch.stages, tuple) and arch.stages != (),
        "stages",
        arch.stages,
        "a tuple of one stage or more",
    )
    for s, stage in enumerate(arch.stages):
        _need(_is_whole(stage.width, 1), f"stages[{s}].width", stage.width, "a whole number from 1")
        _need(stage.reduction in REDUCTIONS, f"stages[{s}].reduction", stage.reduction, REDUCTIONS)
        for b, block in enumerate(stage.blocks):
            _check_block(block, stage.width, f"stages[{s}].blocks[{b}]")
    step = arch.stem * 2**arch.reductions
    good = _is_whole(arch.output_reduction, 1) and arch.output_reduction % step == 0
    _need(good, "output_reduction", arch.output_reduction, f"a multiple of stem x 2^reductions = {step}")
    return arch


def _check_block(block: Block, width: int, where: str) -> None:
    kernel, heads, expansion = block.kernel, block.heads, block.expansion
    good = _is_whole(kernel, 0) and (kernel == 0 or kernel % 2 == 1)
    _need(good, f"{where}.kernel", kernel, "0 (no convolution) or an odd number")
    good = _is_whole(heads, 0) and (heads == 0 or width % heads == 0)
    _need(good, f"{where}.heads", heads, f"0 (no attention) or a divisor of the width {width}")
    number = type(expansion) in (int, float)
    if block.is_skip:
        _need(number and expansion == 0, f"{where}.expansion", expansion, "0.0 in a skipped block")
    else:
        good = number and 0 < expansion <= 64 and round(expansion * width) >= 1
        _need(good, f"{where}.expansion", expansion, "a number above 0, at most 64")


def _is_whole(value: Any, least: int) -> bool:
    return type(value) is int and value >= least


def _need(good: bool, field: str, value: Any, allowed: Any) -> None:
    if not good:
        words = allowed if isinstance(allowed, str) else "one of " + ", ".join(map(repr, allowed))
        raise BadInput(f"{field} is {value!r}; allowed: {words}")


def _items(data: Any, where: str) -> list[Any]:
    _need(isinstance(data, list), where, data, "a list")
    return data


def _fields(cls: type, data: Any, where: str) -> dict[str, Any]:
    names = [field.name for field in fields(cls)]
    _need(isinstance(data, dict), where, data, "an object with the fields " + ", ".join(names))
    for name in names:
        if name not in data:
            raise BadInput(f"{where}: the field {name!r} is missing; needed: {', '.join(names)}")
    for name in data:
        if name not in names:
            raise BadInput(f"{where}: unknown field {name!r}; allowed: {', '.join(names)}")
    return data
