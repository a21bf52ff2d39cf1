"""A network whose every block is still undecided: a mixed operation over candidate blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from ..errors import BadInput
from ..models.layers import PLAIN
from ..models.network import BlockLayers, MobileConformer
from ..space import SKIP, Architecture, Block, check
from .mixed import MixedOp
from .mixing import SOFTMAX, Mixing

CANDIDATES = (  # cheap and dear, near and far: a choice that matters in each slot
    SKIP, Block(3, 0, 2.0), Block(7, 0, 2.0), Block(15, 0, 2.0), Block(0, 4, 2.0), Block(7, 4, 2.0),
)  # fmt: skip


class MixedConformer(MobileConformer):
    """`skeleton` with each of its block slots replaced by a `MixedOp` over `candidates`.

    Widths, time reduction, activation and norm are the skeleton's; its own blocks only say how many slots there are.
    It trains like any network; `derive` reads the architecture that the alphas prefer, `inherit` makes it a network.
    `mixing` makes the alphas into weights. Raises BadInput for candidates that do not fit the skeleton.
    """

    def __init__(
        self,
        skeleton: Architecture,
        candidates: Sequence[Block] = CANDIDATES,
        *,
        input_dim: int = 80,
        vocab_size: int,
        mixing: Mixing = SOFTMAX,
    ) -> None:
        if len(candidates) < 2:
            raise BadInput(f"{len(candidates)} candidate leaves nothing to choose; give two blocks or more")
        self.skeleton, self.candidates, self.mixing = check(skeleton), tuple(candidates), mixing
        for candidate in candidates:
            check(filled(skeleton, [candidate] * slots(skeleton)))
        super().__init__(filled(skeleton, [SKIP] * slots(skeleton)), input_dim, vocab_size)
        for layers, stage in zip(self.stages, skeleton.stages, strict=True):
            layers.blocks = nn.ModuleList(
                MixedOp((BlockLayers(stage.width, block, skeleton, PLAIN) for block in candidates), mixing)
                for _ in stage.blocks
            )

    @property
    def mixed(self) -> list[MixedOp]:
        """The mixed operation of each slot, in order."""
        return [slot for stage in self.stages for slot in stage.blocks]

    @property
    def alphas(self) -> list[Tensor]:
        """(n_candidates,) of each slot: the architecture's own parameters."""
        return [slot.alpha for slot in self.mixed]

    def operation_weights(self) -> list[Tensor]:
        """Every parameter that is not an alpha."""
        own = {id(alpha) for alpha in self.alphas}
        return [p for p in self.parameters() if id(p) not in own]

    def picks(self) -> list[Block]:
        """The block that each slot would get; a skip where the mixing finds no candidate good enough."""
        choices = [slot.choice() for slot in self.mixed]
        return [SKIP if choice is None else self.candidates[choice] for choice in choices]

    def derive(self) -> Architecture:
        """Discretise: in each slot keep the candidate with the largest alpha (Liu et al., 2019, section 2.4)."""
        return filled(self.skeleton, self.picks())

    def inherit(self) -> MobileConformer:
        """The derived network with this one's weights, in the same mode. Running statistics stay the mixture's."""
        single = MobileConformer(self.derive(), self.input_dim, self.head[-1].out_features)
        own = self.state_dict()
        for s, stage in enumerate(self.stages):
            for b, slot in enumerate(stage.blocks):
                kept = {} if slot.choice() is None else slot.operations[slot.choice()].state_dict()
                own |= {f"stages.{s}.blocks.{b}.{name}": tensor for name, tensor in kept.items()}
        single.load_state_dict({name: own[name] for name in single.state_dict()})
        return single.train(self.training)

    def kept(self) -> dict[str, float]:
        """Share of the slots that each kind of block would get: collapse shows as a large share of skips."""
        found = Counter(block.kind for block in self.picks())
        return {kind: count / len(self.mixed) for kind, count in sorted(found.items())}


def slots(arch: Architecture) -> int:
    """How many blocks `arch` has room for."""
    return sum(len(stage.blocks) for stage in arch.stages)


def filled(skeleton: Architecture, blocks: Sequence[Block]) -> Architecture:
    """The skeleton with these blocks in its slots, in order."""
    rest = iter(blocks)
    return replace(
        skeleton,
        stages=tuple(replace(stage, blocks=tuple(next(rest) for _ in stage.blocks)) for stage in skeleton.stages),
    )
