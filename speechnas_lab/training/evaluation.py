"""What a network gets wrong: CTC loss, word error rate with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ..models.network import Recogniser
from ..speech.decoding import greedy_decode
from ..speech.scoring import Interval, bootstrap_wer, word_error_rate
from .batches import collate, in_length_order
from .losses import ctc_loss, mean_of_finite

if TYPE_CHECKING:
    from ..speech import Examples


@dataclass
class Heard:
    """What a network made of a set of utterances, in the order of the examples."""

    loss: float  # mean CTC loss
    references: list[str]
    hypotheses: list[str]
    speakers: list[str]

    @property
    def wer(self) -> float:
        """Word error rate, 0.05 for 5%."""
        return word_error_rate(self.references, self.hypotheses)

    def interval(self, seed: int = 0) -> Interval:
        """The word error rate with its 95% bootstrap interval over speakers."""
        return bootstrap_wer(self.references, self.hypotheses, self.speakers, seed=seed)


@torch.no_grad()
def evaluate(network: Recogniser, examples: Examples, tokenizer, batch: int = 64) -> Heard:
    """Recognise every utterance greedily. The network is used in evaluation mode and left as it was."""
    was_training = network.training
    network.eval()
    hypotheses, losses = [""] * len(examples), []
    for indices in in_length_order(examples, batch):
        padded = collate(examples, indices)
        logits, lengths = network(padded.features, padded.lengths)
        losses.append(ctc_loss(logits, lengths, padded))
        for index, ids in zip(indices, greedy_decode(logits, lengths), strict=False):
            hypotheses[index] = tokenizer.decode(ids)
    network.train(was_training)
    loss = mean_of_finite(torch.cat(losses)) if losses else float("inf")
    return Heard(loss, list(examples.texts), hypotheses, list(examples.speakers))
