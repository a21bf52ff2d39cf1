"""Live sound in pieces of any size, words out: features, network and decoding, each going on where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx

from ...errors import BadInput
from ...files import write_bytes
from ...models.streaming_plan import Plan, StreamSettings
from ...space import Architecture
from ...speech.features import HOP, Scale
from ...speech.streaming_features import StreamingLogMel, StreamingScale
from ...speech.streaming_words import Word, WordStream
from ...speech.tokenizers import tokenizer_from_json
from ..export import TOLERANCE, ExportFailed
from ..graphs import session
from .graph import fresh_state, quick_step

if TYPE_CHECKING:
    from ...models.streaming import StreamingConformer

EXAMPLE = Path(__file__).parents[2] / "assets" / "stream.int8.onnx"  # `speechnas reproduce streaming` trained it
STEPS = 12  # that an exported step is compared with torch over


def export_step(network: StreamingConformer, path: str | os.PathLike, metadata: Mapping[str, object]) -> float:
    """Write one step of `network` as ONNX for `Stream`, compared with torch first; the largest difference found.

    metadata: what the file must tell its user, as `export_onnx` takes it: "tokenizer", and the facts of the features'
    `Scale`. Raises ExportFailed if logits or state differ by more than 1e-4 after twelve steps or more.
    """
    settings, bands, labels = network.settings, network.input_dim, network.head[1].out_features
    weights = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    model = quick_step(network.arch, settings, input_dim=bands, vocab_size=labels, weights=weights)
    error = difference(model, network)
    if error > TOLERANCE:
        raise ExportFailed(f"the exported step differs from the network by {error:.1e}; allowed: {TOLERANCE:.0e}")
    proto = onnx.load_from_string(model)
    facts = {"architecture": network.arch.to_json(), "stream": {"chunk": settings.chunk, "left": settings.left}}
    for key, value in {**metadata, **facts}.items():
        proto.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    write_bytes(Path(path), proto.SerializeToString(deterministic=True))
    return error


def difference(model: bytes, network: StreamingConformer) -> float:
    """Largest difference between ONNX Runtime and torch, in logits and state, over steps that fill the past."""
    import torch

    training, settings, plan = network.training, network.settings, network.plan
    network.eval()
    opened, state, worst = session(model), fresh_state(network.arch, settings), 0.0
    count = max(STEPS, (plan.horizon + plan.period) // settings.chunk + 1)
    sound = torch.randn(1, count * settings.chunk, network.input_dim, generator=torch.Generator().manual_seed(0))
    theirs = None
    for part in sound.split(settings.chunk, 1):
        right, theirs = network.step(part, theirs)
        logits, *values = opened.run(None, {"features": part.numpy(), **state})
        state = dict(zip(state, values, strict=True))
        if logits.shape != tuple(right.shape):
            raise ExportFailed(f"the exported step gives logits of {logits.shape}, the network of {tuple(right.shape)}")
        pairs = [(logits, right), *((state[name], theirs[name]) for name in state)]
        worst = max([worst, *(float(abs(mine - true.numpy()).max()) for mine, true in pairs if mine.size)])
    network.train(training)
    return worst


class Stream:
    """A recogniser that listens on: `feed` it sound, it gives the words that are complete; `finish` gives the rest.

    model: a file or bytes that `export_step` wrote; left out, the one that comes along, for HomeCommands.
    Sound is 16 kHz, one channel, int16 or floats from -1 to 1.
    watch: called with the logits (m, V) of every step that has some. `partial` is the word that may still go on.

    >>> stream = Stream("step.onnx")                                            # doctest: +SKIP
    >>> for piece in microphone:                                                # doctest: +SKIP
    ...     for word in stream.feed(piece):
    ...         print(word.text, word.start_s, word.end_s)
    >>> stream.finish()                                                         # doctest: +SKIP
    """

    def __init__(
        self,
        model: str | os.PathLike | bytes = EXAMPLE,
        *,
        threads: int = 1,
        watch: Callable[[np.ndarray], object] | None = None,
    ) -> None:
        self.session, self.watch = session(model, threads), watch
        facts = self.session.get_modelmeta().custom_metadata_map
        if "stream" not in facts:
            raise BadInput("this model hears whole utterances, not a stream; write one with export_step")
        arch = Architecture.from_json(facts["architecture"])
        self.plan = Plan(arch, StreamSettings(**json.loads(facts["stream"])))
        self.mel, self.scale = StreamingLogMel(), StreamingScale(Scale.from_facts(facts))
        self.words = WordStream(tokenizer_from_json(facts["tokenizer"]), HOP * arch.output_reduction)
        self.names = [value.name for value in self.session.get_inputs() if value.name != "features"]
        self.reset()

    def reset(self) -> None:
        """Forget everything that was heard."""
        for part in (self.mel, self.scale, self.words):
            part.reset()
        self.state = fresh_state(self.plan.arch, self.plan.settings)
        self.waiting = np.zeros((0, self.mel.mel.n_mels), np.float32)
        self.place = 0  # in the network's cycle, 10 ms frames

    @property
    def partial(self) -> str:
        """The word that may still go on."""
        return self.words.partial

    def feed(self, samples: np.ndarray) -> list[Word]:
        """(n,) samples more, n from 0 -> the words that are complete now."""
        return self._hear(self.scale(self.mel.push(samples)).numpy())

    def finish(self) -> list[Word]:
        """The sound ends here: the last words. Then the stream is as new."""
        words = self._hear(self.scale(self.mel.finish()).numpy())
        place = (self.place + len(self.waiting)) % self.plan.period
        owed = -(-place // self.plan.arch.output_reduction)
        owed -= self.place // self.plan.arch.output_reduction
        fill = np.zeros((-place % self.plan.period, self.waiting.shape[1]), np.float32)
        words += self._hear(fill, owed) + self.words.finish()
        self.reset()
        return words

    def carried(self) -> dict[str, np.ndarray]:
        """Everything that the stream remembers between two pieces, to weigh it."""
        return {**self.state, "samples": self.mel.kept, "frames": self.waiting, "labels": np.array(self.words.ids)}

    def _hear(self, frames: np.ndarray, most: int | None = None) -> list[Word]:
        """Steps for all whole chunks; of the logits at most `most` frames count."""
        self.waiting, words, chunk = np.concatenate([self.waiting, frames]), [], self.plan.settings.chunk
        for at in range(0, len(self.waiting) - chunk + 1, chunk):
            logits, *values = self.session.run(None, {"features": self.waiting[None, at : at + chunk], **self.state})
            self.state = dict(zip(self.names, values, strict=True))
            self.place = (self.place + chunk) % self.plan.period
            logits = logits[0] if most is None else logits[0][:most]
            most = None if most is None else most - len(logits)
            if len(logits):
                words += self.words.push(logits)
                if self.watch:
                    self.watch(logits)
        self.waiting = self.waiting[len(self.waiting) // chunk * chunk :].copy()
        return words
