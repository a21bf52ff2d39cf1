"""What a network gets wrong: CTC loss, word error rate with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ..models.network import Recogniser
from ..speech.decoding import greedy_decode
from ..speech.scoring import Interval, bootstrap_wer, word_error_rate
from .batches import Batch, collate, in_length_order
from .losses import ctc_loss

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
        losses.append(float(mean_loss(logits, lengths, padded)) * len(indices))
        for index, ids in zip(indices, greedy_decode(logits, lengths)):
            hypotheses[index] = tokenizer.decode(ids)
    network.train(was_training)
    return Heard(sum(losses) / len(examples), list(examples.texts), hypotheses, list(examples.speakers))


def mean_loss(logits: torch.Tensor, lengths: torch.Tensor, batch: Batch) -> torch.Tensor:
    """CTC loss where every utterance counts; one that cannot be spelt in its frames counts as its blank-only loss."""
    return ctc_loss(logits, lengths, batch)
