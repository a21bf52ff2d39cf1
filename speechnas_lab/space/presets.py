"""The choices of a Mobile Conformer space, the presets `laptop` and `full`, and the published Conformers."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from ..errors import BadInput
from .architecture import ACTIVATIONS, NORMS, REDUCTIONS, SKIP, Architecture, Block, Stage

_KNOWN = {"reductions": REDUCTIONS, "activations": ACTIVATIONS, "norms": NORMS, "macarons": (False, True)}


@dataclass(frozen=True)
class Choices:
    """Every option of every gene. All stages share the options; `slots` is how many blocks each stage holds.

    min_depth and max_depth limit the number of blocks that are not skipped.
    """

    slots: tuple[int, ...]
    widths: tuple[int, ...]
    kernels: tuple[int, ...]
    heads: tuple[int, ...]
    expansions: tuple[float, ...]
    reductions: tuple[str, ...]
    activations: tuple[str, ...]
    norms: tuple[str, ...]
    macarons: tuple[bool, ...]
    stems: tuple[int, ...]
    output_reductions: tuple[int, ...]
    min_depth: int
    max_depth: int

    def __post_init__(self) -> None:
        for field in fields(self)[1:-2]:
            options = getattr(self, field.name)
            if not options or len(set(options)) < len(options):
                raise BadInput(f"{field.name} is {options}; give one or more options, each once")
            known = _KNOWN.get(field.name, options)
            if not set(options) <= set(known):
                raise BadInput(f"{field.name} is {options}; allowed: {known}")
        for name in ("slots", "widths", "stems", "output_reductions"):
            if any(type(number) is not int or number < 1 for number in getattr(self, name)):
                raise BadInput(f"{name} is {getattr(self, name)}; give whole numbers from 1")
        if "none" not in self.reductions:
            raise BadInput(f"reductions is {self.reductions}; 'none' must be among them")
        if not self.slots:
            raise BadInput("slots is empty; give the number of blocks of each stage")
        if any(width % heads for width in self.widths for heads in self.heads if heads):
            raise BadInput(f"heads is {self.heads}; each must divide all widths {self.widths}")
        if not self.rates():
            raise BadInput(
                f"output_reductions is {self.output_reductions}; allowed: multiples of a stem {self.stems}"
            )
        most = sum(self.slots) if any(self.kernels) or any(self.heads) else 0
        least = 0 if 0 in self.kernels and 0 in self.heads else sum(self.slots)
        if not least <= self.min_depth <= self.max_depth <= most:
            raise BadInput(
                f"depth {self.min_depth} to {self.max_depth} is impossible; allowed: {least} to {most}"
            )

    def rates(self) -> dict[tuple[int, int], int]:
        """Legal (stem, output_reduction) pairs, with the most times that the stages may halve the frames."""
        pairs = [(stem, out) for stem in self.stems for out in self.output_reductions if out % stem == 0]
        return {(stem, out): _twos(out // stem) for stem, out in pairs}


def _twos(number: int) -> int:
    """How often 2 divides `number`."""
    return (number & -number).bit_length() - 1


_LAPTOP = Choices(  # six blocks train in minutes on two cores
    slots=(2, 2, 2),
    widths=(48, 64, 96, 128),
    kernels=(0, 3, 5, 7, 11, 15),
    heads=(0, 4, 8, 16),
    expansions=(1.5, 2.0, 3.0, 4.0, 6.0),
    reductions=REDUCTIONS,
    activations=ACTIVATIONS,
    norms=NORMS,
    macarons=(False,),
    stems=(4,),
    output_reductions=(8,),
    min_depth=1,
    max_depth=6,
)
_FULL = replace(  # holds the three published Conformers
    _LAPTOP,
    slots=(6, 6, 5),
    widths=(144, 176, 256, 384, 512),
    kernels=(*_LAPTOP.kernels, 31),
    macarons=(False, True),
    output_reductions=(4, 8),
    min_depth=12,
    max_depth=17,
)
PRESETS = {"laptop": _LAPTOP, "full": _FULL}

# Gulati et al. 2020, "Conformer", table 1: size -> (blocks, width, heads).
_CONFORMERS = {"S": (16, 144, 4), "M": (16, 256, 4), "L": (17, 512, 8)}


def conformer(size: str) -> Architecture:
    """The published Conformer "S", "M" or "L" (Gulati et al. 2020, table 1), a member of preset `full`.

    Ours differs in three ways: the kernel is 31 where the paper has 32, since an odd kernel has a middle;
    positions are absolute sinusoids, not relative, which saves d^2 parameters a block; and frames are stacked
    four by four where the paper uses two strided convolutions. Raises BadInput for another size.
    """
    if size not in _CONFORMERS:
        raise BadInput(f"size is {size!r}; allowed: 'S', 'M', 'L'")
    depth, width, heads = _CONFORMERS[size]
    slots = _FULL.slots
    blocks = (Block(31, heads, 4.0),) * depth + (SKIP,) * (sum(slots) - depth)
    starts = [sum(slots[:s]) for s in range(len(slots))]
    stages = [Stage(width, "none", blocks[start : start + n]) for start, n in zip(starts, slots, strict=True)]
    return Architecture(4, tuple(stages), activation="swish", norm="batch", macaron=True, output_reduction=4)
