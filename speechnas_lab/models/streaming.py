"""A Mobile Conformer that hears a stream: the architecture is the same, no frame waits for more than its chunk.

What the whole-utterance form does with the future is done without it:

- the depthwise convolution is padded on the left only;
- attention sees its own chunk and a limited past;
- positions are distances (ALiBi), since an absolute position has no meaning after an hour;
- the end of the sound is filled up with frames of zeros, the training mean, to a whole period.

The same weights run whole (`forward`) or step by step (`step`, `finish`), with the same answer.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import BadInput
from ..space import Architecture, check
from .layers import PLAIN, frame_mask
from .network import BlockLayers, MobileConformer, StageLayers
from .streaming_layers import ValidDepthwise, attend, convolve, distance_bias, visible
from .streaming_plan import Plan, StreamSettings

State = dict[str, Tensor]


class StreamingConformer(MobileConformer):
    """An architecture in streaming form; its weights have the names and shapes of `MobileConformer`."""

    def __init__(self, arch: Architecture, settings: StreamSettings, input_dim: int, vocab_size: int) -> None:
        super().__init__(arch, input_dim, vocab_size, PLAIN | {"Depthwise": ValidDepthwise})
        self.settings, self.plan = settings, Plan(arch, settings)

    def states(self, features: Tensor, lengths: Tensor) -> list[tuple[Tensor, Tensor]]:
        lengths, period = lengths.to(torch.int64), self.plan.period
        frames = features.shape[1]
        features = features * frame_mask(lengths, frames)
        filled = F.pad(features, (0, 0, 0, -frames % period))
        real = frame_mask((lengths + period - 1) // period * period, filled.shape[1])
        found, _ = self.advance(filled, self.start(len(features), whole=True), real)
        rates = [*self.plan.rates[:-1], self.arch.output_reduction]
        pairs = zip(found, rates, strict=True)
        return [(x[:, : -(-frames // rate)], (lengths + rate - 1) // rate) for x, rate in pairs]

    def start(self, batch: int = 1, whole: bool = False) -> State:
        """The state before the first frame: silence everywhere. whole: without room for a past that attention keeps."""
        state = {"time": torch.zeros((), dtype=torch.int64)}
        for name, shape in self.plan.shapes().items():
            keys = len(shape) == 5
            sizes = [batch if size == 0 else size for size in shape]
            if keys and whole:
                sizes[3] = 0
            state[name] = torch.zeros(sizes)
        if not whole:
            state |= {"waiting": torch.zeros((), dtype=torch.int64),
                      "features": torch.zeros(batch, self.settings.chunk, self.input_dim)}  # fmt: skip
        return state

    @torch.no_grad()
    def step(self, features: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Hear (B, n, F) more, n from 0. Gives the logits (B, m, V) that are ready, m from 0, and the state after.

        Frames wait in the state until a chunk is full. All streams of a batch go in step. `state` is left as it was;
        None starts anew. It is a dict of tensors, the same shapes for ever, and `torch.save` keeps it
        (nothing in it needs more than weights to be read back).
        """
        self._listening()
        state = dict(state or self.start(len(features)))
        waiting, chunk = int(state["waiting"]), self.settings.chunk
        if features.shape[0] != state["features"].shape[0] or features.shape[2] != self.input_dim:
            raise BadInput(f"features have the shape {tuple(features.shape)}; this state needs "
                           f"({state['features'].shape[0]}, n, {self.input_dim})")  # fmt: skip
        joined, ready = torch.cat([state["features"][:, :waiting], features], 1), []
        for at in range(0, joined.shape[1] - chunk + 1, chunk):
            found, fresh = self.advance(joined[:, at : at + chunk], state)
            state |= fresh
            if len(found) == len(self.stages):
                ready.append(self.head(found[-1]))
        rest = joined[:, joined.shape[1] // chunk * chunk :]
        state["waiting"] = torch.tensor(rest.shape[1])
        state["features"] = F.pad(rest, (0, 0, 0, chunk - rest.shape[1]))
        nothing = features.new_zeros(len(features), 0, self.head[1].out_features)
        return torch.cat([nothing, *ready], 1), state

    def finish(self, state: State) -> tuple[Tensor, State]:
        """The sound ends here: the logits (B, m, V) still owed, and a state before a first frame."""
        batch, chunk = state["features"].shape[0], self.settings.chunk
        place = (int(state["time"]) + int(state["waiting"])) % self.plan.period
        owed = -(-place // self.arch.output_reduction) - place // chunk * chunk // self.arch.output_reduction
        logits, _ = self.step(torch.zeros(batch, -place % self.plan.period, self.input_dim), state)
        return logits[:, :owed], self.start(batch)

    def advance(self, x: Tensor, state: State, real: Tensor | None = None) -> tuple[list[Tensor], State]:
        """One step of a chunk (B, chunk, F), or of whole periods: what each stage gives, and what is to be kept.

        Stages whose frame is not complete yet are left out. real (B, T, 1): which frames count for the statistics of
        batch normalisation in training.
        """
        frames, kept, before = x.shape[1], {}, int(state["time"])
        kept["time"] = torch.tensor(self.plan.advanced(before, frames))
        x = x.reshape(len(x), frames // self.arch.stem, -1)
        x, found, rate = self.stem_norm(self.stem[str(self.arch.stem)](x)), [], self.arch.stem
        for s, stage in enumerate(self.stages):
            count, rate = self.plan.rates[s] // rate, self.plan.rates[s]
            if stage.reduction == "conv":
                x = self._gather(x, count, state, kept, f"stages.{s}.halve", extra=1)
            elif stage.reduction == "pool":
                x = self._gather(x, count, state, kept, f"stages.{s}.pool")
            if (before + frames) % rate:
                return found, kept
            x = self._stage(s, stage, x, state, kept, before // rate, None if real is None else real[:, ::rate])
            found.append(x)
        x = self._gather(x, self.pool, state, kept, "pool")
        if (before + frames) % self.arch.output_reduction:
            return found[:-1], kept
        found[-1] = mean_of(x, self.pool)
        return found, kept

    def _gather(self, x: Tensor, count: int, state: State, kept: State, name: str, extra: int = 0) -> Tensor:
        """The frames that a reduction by `count` needs, `extra` ones before them; remember the last ones."""
        if name not in state:
            return x
        joined = torch.cat([state[name], x], 1)
        kept[name] = joined[:, joined.shape[1] - state[name].shape[1] :]
        return joined[:, joined.shape[1] - max(count, x.shape[1]) - extra :]

    def _stage(self, s: int, stage: StageLayers, x: Tensor, state: State, kept: State, seen: int,
               real: Tensor | None) -> Tensor:  # fmt: skip
        """A stage on the frames that are ready; `seen` frames of this level came before."""
        rate, plan = self.plan.rates[s], self.plan
        if stage.reduction == "pool":
            x = mean_of(x, 2)
        elif stage.reduction == "conv":
            x = stage.halve(x)
        if stage.enters:
            x = stage.enter_norm(stage.enter(x))
        left, frames = plan.left(rate), x.shape[1]
        for b, block in enumerate(stage.blocks):
            if block.skips:
                continue
            name = f"stages.{s}.blocks.{b}"
            if block.macaron:
                x = x + 0.5 * block.first(x)
            if block.attends:
                x = x + self._attention(block, x, state, kept, name, visible_from=(frames, left, seen, rate))
            if block.convolves:
                past = state.get(f"{name}.convolution", x[:, :0])
                y, past = convolve(block.convolution, x, real, past)
                if f"{name}.convolution" in state:
                    kept[f"{name}.convolution"] = past
                x = x + y
            x = x + (0.5 if block.macaron else 1.0) * block.second(x)
            x = block.last_norm(x) if block.macaron else x
        return x

    def _attention(self, block: BlockLayers, x: Tensor, state: State, kept: State, name: str,
                   visible_from: tuple[int, int, int, int]) -> Tensor:  # fmt: skip
        frames, left, seen, rate = visible_from
        layer, name = block.attention, f"{name}.attention"
        empty = x.new_zeros(2, len(x), layer.heads, 0, x.shape[2] // layer.heads)
        past = state.get(name, empty)
        held = past.shape[3]
        bias = distance_bias(visible(frames, self.plan.at_once(rate), left, held, min(seen, held)), layer.heads)
        y, past = attend(layer, x, past, bias)
        if name in state:
            kept[name] = past
        return y

    def _listening(self) -> None:
        if self.training:
            raise BadInput("a network in training mode cannot hear a stream; call .eval() first")


def mean_of(x: Tensor, count: int) -> Tensor:
    """Mean of each `count` neighbouring frames: (B, count * n, C) -> (B, n, C)."""
    return x if count == 1 else x.reshape(len(x), -1, count, x.shape[2]).mean(2)


def build_streaming(
    arch: Architecture, settings: StreamSettings | None = None, *, input_dim: int = 80, vocab_size: int
) -> StreamingConformer:
    """Make `arch` in streaming form, with fresh weights; `forward` is as of `models.build`, for training too.

    Raises BadInput if the chunk does not fit the architecture's time reduction, and for an architecture that `build`
    refuses.
    """
    return StreamingConformer(check(arch), settings or StreamSettings(), input_dim, vocab_size)
