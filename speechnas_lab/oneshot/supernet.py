"""One set of weights for every architecture of a space (SPOS, Guo et al., 2020; BigNAS, Yu et al., 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import BadInput
from ..models.layers import ACTIVATIONS, NORMS
from ..models.network import BlockLayers, MobileConformer, Recogniser, StageLayers, build
from ..space import Architecture, Block, MobileConformerSpace, Stage
from ..training.batches import Batch
from .elastic import ELASTIC, ElasticBatchNorm, share


class Supernet(Recogniser):
    """A network of the space's largest sizes that acts as any of its architectures.

    `activate(arch)` only sets sizes and switches: the weights in use are views. `extract(arch)` copies them into the
    stand-alone network that `models.build` makes, which then gives the same outputs.
    """

    def __init__(self, space: MobileConformerSpace, *, input_dim: int = 80, vocab_size: int) -> None:
        super().__init__()
        if len(space.choices.output_reductions) > 1:
            raise BadInput("a supernet's paths share one output rate: make the space with output_reduction=4 or 8")
        self.space, self.input_dim, self.vocab_size = space, input_dim, vocab_size
        self._known: set[Architecture] = set()  # members of the space, checked once
        self.net = MobileConformer(everything(space), input_dim, vocab_size, ELASTIC)
        for stem in space.choices.stems:
            self.net.stem[str(stem)] = ELASTIC["Linear"](stem * input_dim, max(space.choices.widths))
        for stage in self.net.stages:
            for block in stage.blocks:
                for norm in space.choices.norms:
                    block.convolution.inner[norm] = ELASTIC[NORMS[norm]](max(space.choices.widths))
        self.arch = space.largest()
        self.activate(self.arch)

    @property
    def tap(self) -> int:
        """Where the frame loss listens."""
        return self.net.tap

    @property
    def tap_channels(self) -> int:
        """The most channels that the frame loss may meet there, whichever path is in use."""
        return max(self.space.choices.widths)

    @property
    def head(self) -> torch.nn.Module:
        """The last layer."""
        return self.net.head

    def activate(self, arch: Architecture) -> Supernet:
        """Act as `arch` from now on. No tensor is made or changed. Raises BadInput for one outside the space."""
        if arch not in self._known:
            self.space.validate(arch)
            self._known.add(arch)
        self.arch = self.net.arch = arch
        before = arch.stages[0].width
        self.net.stem[str(arch.stem)].use(before, arch.stem * self.input_dim)
        self.net.stem_norm.use(before)
        for layers, stage in zip(self.net.stages, arch.stages, strict=True):
            _set_stage(layers, stage, before, arch)
            before = stage.width
        self.net.head[0].use(before)
        self.net.head[1].use(self.vocab_size, before)
        reduced = arch.stem * 2 ** sum(stage.reduction != "none" for stage in arch.stages)
        self.net.pool = arch.output_reduction // reduced
        return self

    def gradients(self) -> dict[str, Tensor]:
        """Summed gradients of all paths since the last `zero_grad`, of the parameters' sizes; unused ones left out."""
        found = {}
        for name, p in self.named_parameters():
            used = p.lender.gather() if hasattr(p, "lender") else None
            if used is not None:
                found[name] = torch.zeros_like(p)
                p.lender.same(found[name], used).add_(used.grad)
        return found

    def states(self, features: Tensor, lengths: Tensor) -> list[tuple[Tensor, Tensor]]:
        return self.net.states(features, lengths)

    @torch.no_grad()
    def calibrate(self, batches: list[Batch]) -> None:
        """Measure the statistics of batch normalisation for the path in use; nothing to do where it has none."""
        if self.arch.norm != "batch":
            return
        norms = [module for module in self.modules() if isinstance(module, ElasticBatchNorm)]
        for norm in norms:
            norm.mean.zero_()
            norm.variance.fill_(1.0)
        for count, batch in enumerate(batches, 1):
            for norm in norms:
                norm.training, norm.momentum = True, 1 / count  # running mean over the batches
            self.states(batch.features, batch.lengths)
        for norm in norms:
            norm.training, norm.momentum = self.training, 0.0

    @torch.no_grad()
    def extract(self, arch: Architecture) -> MobileConformer:
        """The stand-alone network of `arch` with its share of the weights, copied bit for bit."""
        alone = build(arch, input_dim=self.input_dim, vocab_size=self.vocab_size)
        shared = self.net.state_dict()
        for name, tensor in alone.state_dict().items():
            tensor.copy_(share(shared[name], tensor.shape))
        return alone.train(self.training)


def everything(space: MobileConformerSpace) -> Architecture:
    """The blueprint that holds every choice of a space at once. It need not be inside the space."""
    largest, choices = space.largest(), space.choices
    block = Block(max(choices.kernels), max(choices.heads), max(choices.expansions))
    stages = tuple(Stage(max(choices.widths), "conv", (block,) * len(stage.blocks)) for stage in largest.stages)
    return Architecture(
        max(choices.stems), stages, choices.activations[0], "batch", any(choices.macarons), largest.output_reduction
    )


def _set_stage(layers: StageLayers, stage: Stage, before: int, arch: Architecture) -> None:
    layers.reduction = stage.reduction
    layers.enters = stage.reduction != "none" or before != stage.width
    if stage.reduction == "conv":
        layers.halve.use(before, 1, 1, 3)
    if layers.enters:
        layers.enter.use(stage.width, before)
        layers.enter_norm.use(stage.width)
    for block_layers, block in zip(layers.blocks, stage.blocks, strict=True):
        _set_block(block_layers, block, stage.width, arch)


def _set_block(layers: BlockLayers, block: Block, width: int, arch: Architecture) -> None:
    layers.attends, layers.convolves, layers.macaron = block.heads > 0, block.kernel > 0, arch.macaron
    if layers.skips:
        return
    if layers.attends:
        layers.attention.heads = block.heads
        layers.attention.norm.use(width)
        layers.attention.qkv.use(3 * width, width)
        layers.attention.out.use(width, width)
    if layers.convolves:
        convolution = layers.convolution
        convolution.choice, convolution.activation = arch.norm, ACTIVATIONS[arch.activation]
        convolution.norm.use(width)
        convolution.gate.use(2 * width, width)
        convolution.depthwise.use(width, 1, 1, block.kernel)
        convolution.inner[arch.norm].use(width)
        convolution.out.use(width, width)
    hidden = round(block.expansion * width)
    for feed in (layers.first, layers.second) if arch.macaron else (layers.second,):
        feed.activation = ACTIVATIONS[arch.activation]
        feed.norm.use(width)
        feed.expand.use(hidden, width)
        feed.contract.use(width, hidden)
    if arch.macaron:
        layers.last_norm.use(width)
