"""Words out of a stream of network outputs: greedy CTC that goes on where the last piece ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Word:
    """A word and when the network heard it: from its first output frame that is no blank to the end of its last."""

    text: str
    start_s: float
    end_s: float


class WordStream:
    """Best-path CTC (as `greedy_decode`) on outputs that come in pieces; a word may span any number of them.

    frame_s: seconds of sound in one output frame. All words together are what the tokenizer makes of all ids.
    """

    def __init__(self, tokenizer: Any, frame_s: float) -> None:
        self.tokenizer, self.frame_s = tokenizer, frame_s
        self.reset()

    def reset(self) -> None:
        """As before the first frame."""
        self.frame, self.last = 0, 0
        self.ids: list[int] = []  # of the word that is being spoken
        self.first, self.end, self.spelt, self.sounds = 0, 0, "", False

    @property
    def partial(self) -> str:
        """The word that may still go on."""
        return self.tokenizer.decode(self.ids)

    def push(self, logits: np.ndarray) -> list[Word]:
        """(m, V) outputs more, m from 0 -> the words that are certain to be complete."""
        return self.hear(np.asarray(logits).argmax(-1).tolist())

    def hear(self, labels: Iterable[int]) -> list[Word]:
        """The same for the likeliest label of each frame."""
        words = []
        for label in labels:
            if label and label != self.last:
                words += self._token(label)
            elif label and self.sounds:
                self.end = self.frame + 1
            self.last = label
            self.frame += 1
        return words

    def finish(self) -> list[Word]:
        """The word that the end of the sound completes; then as before the first frame."""
        words = self._close()
        self.reset()
        return words

    def _token(self, label: int) -> list[Word]:
        """A new token: it goes on with the word, or closes it and begins another."""
        longer, words = self.tokenizer.decode([*self.ids, label]), []
        if len(longer.split()) > 1:
            words, self.ids = self._close(), []
            longer = self.tokenizer.decode([label])
        if not self.spelt and longer:
            self.first = self.frame
        self.ids.append(label)
        self.sounds = longer != self.spelt  # a mere space does not
        if self.sounds:
            self.spelt, self.end = longer, self.frame + 1
        return words

    def _close(self) -> list[Word]:
        word = Word(self.spelt, round(self.first * self.frame_s, 6), round(self.end * self.frame_s, 6))
        self.ids, self.spelt = [], ""
        return [word] if word.text else []
