"""Hear with an exported model: sound in, words out, and which moment said which word. No torch model is needed.

The ONNX file tells all that is needed: the network, its labels, and how sound becomes the features it expects.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch

from ..errors import BadInput
from ..hardware import session
from ..speech import LogMel, Scale, tokenizer_from_json

START = Path(__file__).parents[1] / "assets" / "start.int8.onnx"  # small, trained on HomeCommands
FRAME = 0.01  # seconds between two feature frames
PROBE = 480  # frames of silence that show how coarsely a model answers


@dataclass(frozen=True)
class Token:
    """One unit that was heard. start and end in seconds; probability: the largest of its output frames."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True)
class Transcript:
    """What a model heard. labels and probabilities: of each output frame, (T',) ids and (T', V); id 0 is the blank."""

    text: str
    tokens: list[Token]
    labels: np.ndarray
    probabilities: np.ndarray
    frame_seconds: float


class Listener:
    """A model file that `speechnas export` or `search` wrote, ready to hear; left out, the one that comes along.

    BadInput if the file is no model, or does not say what its labels and features are.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        path = START if path is None else path
        self.session = session(path)
        told = self.session.get_modelmeta().custom_metadata_map
        try:
            self.tokenizer = tokenizer_from_json(told["tokenizer"])
            self.scale = Scale.from_facts(told)
        except (KeyError, ValueError, TypeError) as error:
            raise BadInput(f"{path} does not say how to listen with it ({error}); export the model again") from None
        self.log_mel = LogMel(n_mels=len(self.scale.mean))
        self.frame_seconds = FRAME * PROBE / len(self.run(torch.zeros(PROBE, len(self.scale.mean))))

    @property
    def units(self) -> list[str]:
        """The text of each label, in the order of their ids. The blank, id 0, is empty."""
        return ["", *(self.tokenizer.decode([i]) for i in range(1, self.tokenizer.vocab_size))]

    def features(self, wave: np.ndarray) -> torch.Tensor:
        """float (n,), 16 kHz, in [-1, 1] -> float32 (T, F) normalised log-mel energies, T = 1 + n // 160."""
        return self.scale(self.log_mel(wave))

    def run(self, features: torch.Tensor) -> np.ndarray:
        """(T, F) -> logits (T', V)."""
        feed = {"features": features.numpy()[None], "lengths": np.array([len(features)])}
        logits, lengths = self.session.run(None, feed)
        return logits[0, : lengths[0]]

    def hear(self, wave: np.ndarray) -> Transcript:
        """The transcript of float (n,), 16 kHz, in [-1, 1].

        Best path (Graves et al., 2006, section 3.2): the likeliest label of each frame, repeats merged, blanks removed.
        """
        logits = self.run(self.features(wave))
        probabilities = np.exp(logits - logits.max(1, keepdims=True))
        probabilities /= probabilities.sum(1, keepdims=True)  # (T', V)
        labels, units, at = logits.argmax(1), self.units, 0
        ids, tokens = [], []
        for label, run in groupby(labels.tolist()):
            first, at = at, at + len(list(run))
            if label:
                ids.append(label)
                end = min(at * self.frame_seconds, len(wave) / self.log_mel.sample_rate)
                sure = float(probabilities[first:at, label].max())
                tokens.append(Token(units[label], first * self.frame_seconds, end, sure))
        return Transcript(self.tokenizer.decode(ids), tokens, labels, probabilities, self.frame_seconds)
